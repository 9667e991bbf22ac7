// One commit of a group on a name service of two name nodes, with a transition at each of its calls
// in turn, or the death of the active name node. Its holder does not notice; or it is gone, or
// asleep, and a new holder finishes on the name node that is active then: nothing is lost, nothing
// doubled, nothing of the old one takes effect any more.

#include <gmock/gmock.h>

#include <optional>

#include "tests/hdfs/commit_drill.h"

namespace databus {
namespace {

using Then = CallProxy::Plan::Then;

class CommitFailoverTest : public CommitDrill {
 protected:
  static std::string NameNode(size_t which) { return fmt::format("1 namenode{}", which + 1); }
  static void MakeTheOtherActive() {
    const size_t other = 1 - active_;
    TheRig().Obey("active " + NameNode(other));
    active_ = other;
  }
  void KillTheActive() {
    dead_ = active_;
    TheRig().Obey("kill " + NameNode(*dead_));
    MakeTheOtherActive();
  }
  void StartTheDead() {
    if (dead_) TheRig().Obey("start " + NameNode(*dead_));
    dead_.reset();
  }
  void ExpectNotNoticed(const CallProxy::Plan& plan) {
    Place tree(rig_, 1);
    const Status done = FirstHolder(tree, Long(), plan);
    EXPECT_TRUE(done.ok()) << done.ToString();
    Finish(tree);
  }

  std::optional<size_t> dead_;
};

// The one that was active refuses it, the other one takes it.
TEST_F(CommitFailoverTest, TransitionBeforeAnyCallIsNotNoticed) {
  ForEachCall(1, [&](uint64_t n) {
    ExpectNotNoticed({.number = n, .on_call = MakeTheOtherActive, .passes = true});
  });
}

// The other one knows what it was answered.
TEST_F(CommitFailoverTest, TransitionAfterAnyCallWhoseAnswerIsLostIsNotNoticed) {
  ForEachCall(1, [&](uint64_t n) {
    ExpectNotNoticed({.number = n, .cut = CallCut::kAfter, .on_answer = MakeTheOtherActive});
  });
}

TEST_F(CommitFailoverTest, DeathOfTheActiveNameNodeBeforeACallIsNotNoticed) {
  ForEachCall(7, [&](uint64_t n) {
    ExpectNotNoticed({.number = n, .on_call = [this] { KillTheActive(); }, .passes = true});
    StartTheDead();
  });
}

TEST_F(CommitFailoverTest, DeathOfTheActiveNameNodeAfterACallWhoseAnswerIsLostIsNotNoticed) {
  ForEachCall(4, [&](uint64_t n) {
    ExpectNotNoticed(
        {.number = n, .cut = CallCut::kAfter, .on_answer = [this] { KillTheActive(); }});
    StartTheDead();
  });
}

// It dies while the call, and those that go out with it and after it, are under way.
TEST_F(CommitFailoverTest, DeathOfTheActiveNameNodeDuringACallIsNotNoticed) {
  ForEachCall(7, [&](uint64_t n) {
    StopFlag begun;
    Thread killer("killer", [&] {
      Await(begun);
      KillTheActive();
    });
    ExpectNotNoticed({.number = n, .on_call = [&] { begun.Stop(); }, .passes = true});
    begun.Stop();  // it was done before
    killer.Join();
    StartTheDead();
  });
}

TEST_F(CommitFailoverTest, IsFinishedByTheNextWhenItsHolderIsGoneAtATransition) {
  ForEachCall(3, [&](uint64_t n) {
    Place tree(rig_, 1);
    static_cast<void>(FirstHolder(
        tree, Short(),
        {.number = n, .cut = CallCut::kAfter, .then = Then::kIsShutOut, .on_answer = [this] {
           proxies_[1 - active_]->ShutOut();
           MakeTheOtherActive();
         }}));
    Finish(tree);
  });
}

// Its call reaches the one that was active when the other one has done everything for the next.
TEST_F(CommitFailoverTest, ChangesNothingAnyMoreWhenItsHolderSleptThroughATransition) {
  ForEachCall(3, [&](uint64_t n) { ExpectFencedAfterSleep(n, MakeTheOtherActive); });
}

TEST_F(CommitFailoverTest, ChangesNothingAnyMoreWhenItsHolderSleptThroughADeath) {
  ForEachCall(9, [&](uint64_t n) {
    ExpectFencedAfterSleep(n, [this] { KillTheActive(); });
    StartTheDead();
  });
}

}  // namespace
}  // namespace databus
