// A name service whose active name node falls asleep, with edits in a journal node, as clusters
// have it: the other one is made the active one by force, and the old one wakes up and takes itself
// for the active one still. What it is asked it answers as of then; the journal takes nothing from
// it.

#include <gmock/gmock.h>

#include "net/tcp_socket.h"
#include "tests/hdfs/commit_drill.h"
#include "tests/rig/eventually.h"

namespace databus {
namespace {

// A name node that says nothing is left alone soon.
hdfs::Patience Restless() {
  hdfs::Patience patience = Long();
  patience.answer = patience.away = Milliseconds(3'000);
  return patience;
}

// Whether somebody listens there, awake or not.
bool Accepts(uint16_t port) {
  const SocketAddress address = *ParseAddress("127.0.0.1", port);
  const Fd socket(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  return ::connect(socket.get(), address.get(), address.size) == 0;
}

class OldActiveTest : public CommitDrill {
 protected:
  static std::string NameNode(size_t which) { return fmt::format("1 namenode{}", which + 1); }
  void PauseTheActive() {
    old_ = active_;
    active_ = 1 - old_;
    TheRig().Obey("pause " + NameNode(old_));
    TheRig().Obey("force " + NameNode(active_));
  }
  // Returns when it answers, as of before its sleep: "new" was made since then.
  void WakeTheOld(Place& tree) {
    TheRig().Obey("resume " + NameNode(old_));
    EXPECT_TRUE(Eventually([&] {
      return tree.Through({rig_.rpc_ports[old_]}, Short())->Stat("new").code() == Code::kNotFound;
    })) << "it does not answer as the active one";
  }
  // By itself, at a change that it was asked for. One that is only asleep refuses no connection.
  bool OldEnds() const {
    return Eventually([&] { return !Accepts(rig_.rpc_ports[old_]); }, Milliseconds(5),
                      std::chrono::seconds(20));
  }
  // As a standby. It may have ended by itself.
  void StartTheOldAgain() {
    TheRig().Obey("kill " + NameNode(old_));
    TheRig().Obey("start " + NameNode(old_));
  }

  size_t old_ = 0;
};

TEST_F(OldActiveTest, OneThatWakesUpTakesNoChange) {
  Place tree(rig_, 1, Restless());
  PauseTheActive();
  const auto at_new = tree.Through({rig_.rpc_ports[active_]}, Long());
  ASSERT_TRUE(at_new->WriteFile("new", "content").ok());
  WakeTheOld(tree);
  const auto at_old = tree.Through({rig_.rpc_ports[old_]}, Short());
  EXPECT_EQ(at_old->Stat("new").code(), Code::kNotFound) << "it is as of then";
  EXPECT_EQ(at_old->WriteFile("old", "content").code(), Code::kUnavailable);
  EXPECT_TRUE(OldEnds());
  EXPECT_EQ(at_new->Stat("old").code(), Code::kNotFound);
  EXPECT_EQ(at_new->ReadFile("new").value(), "content");
  StartTheOldAgain();
}

// The first holder's calls go to the one that was active, from each place of its commit on, when
// the next one has done everything on the other. It ends at the first change that is among them; at
// the last place there may be none left.
TEST_F(OldActiveTest, CommitThatGoesOnAtOneThatWakesUpChangesNothing) {
  int asleep = 0;
  int ended = 0;
  ForEachCall(7, [&](uint64_t n) {
    Place tree(rig_, 1, Restless());
    Asleep first(n,
                 [&](CallProxy::Plan plan) { return FirstHolder(tree, Long(), std::move(plan)); });
    const bool in_the_middle = proxies_[active_]->calls() >= n;
    PauseTheActive();
    ExpectFenced(tree, first, [&] {
      ASSERT_TRUE(tree.direct().WriteFile("new", "content").ok());
      WakeTheOld(tree);
    });
    if (in_the_middle) {
      ++asleep;
      ended += OldEnds() ? 1 : 0;
    }
    StartTheOldAgain();
  });
  EXPECT_GT(asleep, 2);
  EXPECT_GE(ended, asleep - 1) << "the old one was not asked";
}

}  // namespace
}  // namespace databus
