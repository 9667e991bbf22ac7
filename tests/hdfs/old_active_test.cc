// A name service whose active name node falls asleep, with edits in a journal node, as clusters
// have it: the other one is made the active one by force, and the old one wakes up and takes itself
// for the active one still. What it is asked it answers as of then; the journal takes nothing from
// it.

#include <gmock/gmock.h>

#include "tests/hdfs/commit_drill.h"

namespace databus {
namespace {

// A name node that says nothing is left alone soon.
hdfs::Patience Restless() {
  hdfs::Patience patience = Long();
  patience.answer = patience.away = Milliseconds(3'000);
  return patience;
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
  void WakeTheOld() { TheRig().Obey("resume " + NameNode(old_)); }
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
  WakeTheOld();
  const auto at_old = tree.Through({rig_.rpc_ports[old_]}, Short());
  EXPECT_FALSE(at_old->Stat("new").ok()) << "it is as of then";
  EXPECT_EQ(at_old->WriteFile("old", "content").code(), Code::kUnavailable);
  EXPECT_EQ(at_new->Stat("old").code(), Code::kNotFound);
  EXPECT_EQ(at_new->ReadFile("new").value(), "content");
  StartTheOldAgain();
}

// The first holder's calls go to the one that was active, from each place of its commit on, when
// the next one has done everything on the other.
TEST_F(OldActiveTest, CommitThatGoesOnAtOneThatWakesUpChangesNothing) {
  ForEachCall(7, [&](uint64_t n) {
    Place tree(rig_, 1, Restless());
    Asleep first(n,
                 [&](CallProxy::Plan plan) { return FirstHolder(tree, Long(), std::move(plan)); });
    PauseTheActive();
    ExpectFenced(tree, first, [&] { WakeTheOld(); });
    StartTheOldAgain();
  });
}

}  // namespace
}  // namespace databus
