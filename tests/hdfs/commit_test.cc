// One commit of a group on a real name node, with something happening at each of its calls in turn:
// the connection ends before the call, after it, in the middle of its answer, and the holder comes
// back or does not; the name node is paused, killed and started again; a data node dies; the holder
// is as if paused while another takes over. Then a new holder finishes: nothing is lost, nothing
// doubled, nothing of the old one takes effect any more.

#include <gmock/gmock.h>
#include <signal.h>

#include "tests/hdfs/call_proxy.h"
#include "tests/hdfs/commit_drill.h"

namespace databus {
namespace {

using namespace std::chrono_literals;
using Then = CallProxy::Plan::Then;

class CommitTest : public CommitDrill {
 protected:
  // Whom the cut meets is told what became of its calls when it comes back.
  void ExpectDone(CallCut cut) {
    ForEachCall(1, [&](uint64_t n) {
      Place tree(rig_, 1);
      const Status done = FirstHolder(tree, Long(), {.number = n, .cut = cut});
      EXPECT_TRUE(done.ok()) << done.ToString();
      Finish(tree);
    });
  }
  // It is gone for good, and does not know what became of them.
  void ExpectFinishedByTheNext(CallCut cut) {
    ForEachCall(1, [&](uint64_t n) {
      Place tree(rig_, 1);
      static_cast<void>(
          FirstHolder(tree, Short(), {.number = n, .cut = cut, .then = Then::kIsShutOut}));
      Finish(tree);
    });
  }
};

TEST_F(CommitTest, EndsWellWhenTheConnectionEndsBeforeAnyCall) { ExpectDone(CallCut::kBefore); }
TEST_F(CommitTest, EndsWellWhenTheConnectionEndsAfterAnyCall) { ExpectDone(CallCut::kAfter); }
TEST_F(CommitTest, EndsWellWhenTheConnectionEndsInTheMiddleOfAnyAnswer) {
  ExpectDone(CallCut::kHalfAnswer);
}
TEST_F(CommitTest, IsFinishedByTheNextWhenItsHolderIsGoneBeforeAnyCall) {
  ExpectFinishedByTheNext(CallCut::kBefore);
}
TEST_F(CommitTest, IsFinishedByTheNextWhenItsHolderIsGoneAfterAnyCall) {
  ExpectFinishedByTheNext(CallCut::kAfter);
}

// Its holder gives up; what it had sent is executed when the name node goes on, at the same time as
// the calls of the next one.
TEST_F(CommitTest, IsFinishedByTheNextWhenTheNameNodeIsPausedAtAnyCall) {
  const int name_node = rig_.name_nodes.at(0);
  ForEachCall(1, [&](uint64_t n) {
    Place tree(rig_, 1);
    hdfs::Patience patience = Short();
    patience.answer = 1'000ms;
    bool paused = false;
    static_cast<void>(FirstHolder(tree, patience,
                                  {.number = n,
                                   .on_call =
                                       [&] {
                                         ::kill(name_node, SIGSTOP);
                                         paused = true;
                                       },
                                   .passes = true}));
    if (paused) ::kill(name_node, SIGCONT);
    Finish(tree);
  });
}

// The fence on the real name node: the old holder wakes up at every place in turn, when the next
// one has done everything.
TEST_F(CommitTest, ChangesNothingAnyMoreWhenItsHolderSleptWhileAnotherTookOver) {
  ForEachCall(1, [&](uint64_t n) { ExpectFencedAfterSleep(n, [] {}); });
}

TEST_F(CommitTest, OutlivesTheDeathOfTheNameNodeAtACall) {
  ForEachCall(9, [&](uint64_t n) {
    Place tree(rig_, 1);
    StopFlag killed;
    Thread holder("holder", [&] {
      static_cast<void>(FirstHolder(tree, Long(),
                                    {.number = n,
                                     .on_call =
                                         [&] {
                                           TheRig().Obey("kill 1 namenode1");
                                           killed.Stop();
                                         },
                                     .passes = true}));
      killed.Stop();  // it was done before
    });
    Await(killed);
    TheRig().Obey("kill 1 namenode1");
    TheRig().Obey("start 1 namenode1");
    holder.Join();
    Finish(tree);
  });
}

TEST_F(CommitTest, OutlivesTheDeathOfADataNodeAtACall) {
  ForEachCall(9, [&](uint64_t n) {
    Place tree(rig_, 2);
    bool killed = false;
    const Status done = FirstHolder(tree, Long(),
                                    {.number = n,
                                     .on_call =
                                         [&] {
                                           TheRig().Obey("kill 1 datanode1");
                                           killed = true;
                                         },
                                     .passes = true});
    EXPECT_TRUE(done.ok()) << done.ToString();
    if (killed) TheRig().Obey("start 1 datanode1");
    Finish(tree);
  });
}

}  // namespace
}  // namespace databus
