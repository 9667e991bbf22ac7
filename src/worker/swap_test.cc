// A stream's primary changes: planned, unplanned, there and back, with a former primary that comes
// back, sleeps, or dies in the middle.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "commit/minute_content.h"
#include "commit/minute_tree.h"
#include "worker/eras.h"
#include "worker/test_installation.h"

namespace databus {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using Settled = Installation::Settled;

const std::vector<std::string> kMoving = {"clicks", "views"};

// An installation whose workers are processes that come and go.
class Site {
 public:
  void Start(const std::string& cluster) {
    processes_[cluster] = std::make_unique<WorkerProcess>(world, std::vector<std::string>{cluster},
                                                          ++pid_, world.topology);
  }
  // A process that gives up its lease; what it had under way is left as it is.
  void Stop(const std::string& cluster) {
    if (processes_.contains(cluster)) processes_[cluster]->of().Finish();
    processes_.erase(cluster);
  }
  std::unique_ptr<WorkerProcess> Take(const std::string& cluster) {
    return std::move(processes_.extract(cluster).mapped());
  }
  WorkerProcess& of(const std::string& cluster) { return *processes_.at(cluster); }

  void Step(int times = 1) {
    for (int i = 0; i < times; ++i) {
      for (const auto& [cluster, process] : processes_) process->Step();
      world.clock.Advance(seconds(1));
    }
  }
  // Events everywhere, and the minute that they fall into ends.
  void Minutes(int count) {
    for (int i = 0; i < count; ++i) {
      for (const std::string cluster : {"dc1", "dc2"}) {
        for (const std::string stream : {"clicks", "views", "orders"}) {
          world.Deliver(cluster, stream, "c" + cluster);
        }
      }
      Step(6);
      world.clock.Advance(minutes(1));
      Step(4);
    }
  }

  // As the command's last epoch of a planned change: after a drain, of frozen streams.
  void Freeze(const std::string& from) {
    for (StreamSpec& stream : world.topology.streams) {
      if (stream.Primary() == from) stream.publication = Publication::kFrozen;
    }
    Obey();
    Step(6);
  }
  void Obey() {
    for (const std::string cluster : {"dc1", "dc2"}) {
      if (!processes_.contains(cluster)) continue;
      Stop(cluster);
      Start(cluster);
    }
  }
  void Swap(const std::string& from, const std::string& to, const std::string& cut_of) {
    std::map<std::string, Minute> cuts;
    for (const StreamSpec& stream : world.topology.streams) {
      if (stream.Primary() == from) cuts[stream.name] = world.Newest(cut_of, stream.name);
    }
    world.topology = Moved(world.topology, from, to, cuts);
    Obey();
  }
  void PlannedSwap(const std::string& from, const std::string& to) {
    Freeze(from);
    Swap(from, to, from);
  }
  // Nothing of the process reaches the other cluster's tree.
  void CutOff(const std::string& cluster, const std::string& from) {
    of(cluster).plan.Add(
        {.store_part = from + ":", .times = FaultRule::kAlways, .fault = Fault::RequestLost()});
  }

  std::vector<std::string> Divergent(const std::string& cluster) {
    std::vector<std::string> files;
    std::vector<std::string> open = {paths::DivergentRoot()};
    while (!open.empty()) {
      const std::string dir = open.back();
      open.pop_back();
      const auto entries = world.at(cluster).List(dir);
      if (!entries.ok()) continue;
      for (const DirEntry& entry : *entries) {
        const std::string path = paths::Join(dir, entry.name);
        (entry.info.kind == NodeKind::kDirectory ? open : files).push_back(path);
      }
    }
    return files;
  }
  std::string Problems(const std::string& cluster) {
    std::string all;
    for (const Problem& problem : of(cluster).of().ListProblems()) all += problem.what + "\n";
    return all;
  }
  // What each closed minute of a cluster's merged streams holds.
  std::map<std::string, std::set<std::string>> Names(const std::string& cluster) {
    std::map<std::string, std::set<std::string>> names;
    for (const SeenFile& file : world.Files(cluster, View::kMerged)) {
      names[file.stream + " " + file.minute].insert(file.name);
    }
    return names;
  }

  Installation world;

 private:
  std::map<std::string, std::unique_ptr<WorkerProcess>> processes_;
  int64_t pid_ = 0;
};

class SwapTest : public ::testing::Test {
 protected:
  void SetUp() override {
    site_.Start("dc1");
    site_.Start("dc2");
    site_.Minutes(2);
    ASSERT_THAT(site_.world.Violations(Settled::kYes), IsEmpty());
  }
  // Everything that was delivered is everywhere once, and both clusters are equal.
  void ExpectSettled() {
    site_.Step(15);
    site_.world.clock.Advance(minutes(11));  // the next scans and passes
    site_.Step(20);
    EXPECT_THAT(site_.world.Violations(Settled::kYes), IsEmpty());
  }
  Eras ErasAt(const std::string& cluster, const std::string& stream) {
    return *ReadEras(site_.world.at(cluster), GroupOf(stream, 2));
  }

  Site site_;
};

TEST_F(SwapTest, APlannedSwapMovesThePrimaryAndSetsNothingAside) {
  const auto before = site_.Names("dc1");
  site_.PlannedSwap("dc1", "dc2");
  site_.Minutes(3);
  ExpectSettled();
  EXPECT_THAT(site_.Divergent("dc1"), IsEmpty());
  const auto after = site_.Names("dc1");
  for (const auto& [minute, names] : before) EXPECT_EQ(after.at(minute), names) << minute;
  for (const std::string& stream : kMoving) {
    const Era era = EraOf(*site_.world.topology.FindStream(stream));
    EXPECT_EQ(ErasAt("dc1", stream).streams.at(stream), era);
    EXPECT_EQ(ErasAt("dc2", stream).streams.at(stream), era);
    EXPECT_GT(site_.world.Newest("dc2", stream), *era.cut);
  }
}

TEST_F(SwapTest, NothingIsPublishedIntoAMinuteUpToTheCut) {
  site_.Freeze("dc1");
  std::map<std::string, Minute> cuts;
  for (const std::string& stream : kMoving) cuts[stream] = site_.world.Newest("dc1", stream) + 3;
  site_.world.topology = Moved(site_.world.topology, "dc1", "dc2", cuts);
  site_.Obey();
  const auto before = site_.Names("dc2");
  site_.world.Deliver("dc2", "clicks", "cdc2");
  site_.Step(4);
  for (const auto& [minute, names] : site_.Names("dc2")) {
    if (before.contains(minute) || !minute.starts_with("clicks")) continue;
    EXPECT_EQ(minute, "clicks " + cuts.at("clicks").Next().ToIso());
  }
  site_.Minutes(6);
  ExpectSettled();
}

TEST_F(SwapTest, ThereAndBackAgain) {
  site_.PlannedSwap("dc1", "dc2");
  site_.Minutes(3);
  site_.Freeze("dc2");
  site_.Swap("dc2", "dc1", "dc2");
  site_.Minutes(3);
  ExpectSettled();
  site_.PlannedSwap("dc1", "dc2");
  site_.Minutes(2);
  ExpectSettled();
  EXPECT_THAT(site_.Divergent("dc1"), IsEmpty());
  EXPECT_THAT(site_.Divergent("dc2"), IsEmpty());
}

TEST_F(SwapTest, AFreezeThatIsTakenBackLeavesNoHoleAtTheMirror) {
  site_.Freeze("dc1");
  site_.Minutes(3);
  for (StreamSpec& stream : site_.world.topology.streams) {
    stream.publication = Publication::kOpen;
  }
  site_.Obey();
  site_.Minutes(2);
  ExpectSettled();
  EXPECT_THAT(site_.Problems("dc2"), Not(HasSubstr("was closed here before")));
}

// dc1 goes on for a while though nobody hears of it, then its worker is gone.
class UnplannedTest : public SwapTest {
 protected:
  void SetUp() override {
    SwapTest::SetUp();
    site_.Stop("dc2");           // so that nothing more is mirrored
    site_.CutOff("dc1", "dc2");  // and dc1 merges only what is its own
    for (int i = 0; i < 3; ++i) {
      for (const std::string& stream : {"clicks", "views"}) {
        site_.world.Deliver("dc1", stream, "c5");
      }
      site_.Step(4);
      site_.world.clock.Advance(minutes(1));
    }
    stale_ = site_.Take("dc1");
  }
  // dc2 is the primary, and cannot reach dc1.
  void FailOver() {
    site_.Swap("dc1", "dc2", "dc2");
    site_.Start("dc2");
    site_.CutOff("dc2", "dc1");
    for (int i = 0; i < 14; ++i) site_.Step();  // the lease of the one that was stopped
    for (int i = 0; i < 3; ++i) {
      for (const std::string& stream : {"clicks", "views", "orders"}) {
        site_.world.Deliver("dc2", stream, "cdc2");
      }
      site_.Step(6);
      site_.world.clock.Advance(minutes(1));
    }
  }
  void ComeBack() {
    stale_->of().Finish();
    site_.of("dc2").plan.Clear();
    site_.Start("dc1");
  }

  std::unique_ptr<WorkerProcess> stale_;
};

TEST_F(UnplannedTest, WhatTheOldPrimaryPublishedIsSetAsideAndSalvaged) {
  FailOver();
  const auto stale = site_.Names("dc1");
  ComeBack();
  site_.Step(10);
  EXPECT_THAT(site_.Divergent("dc1"), Not(IsEmpty()));
  ExpectSettled();
  EXPECT_THAT(site_.of("dc1").of().stats().Divergent(), IsEmpty());
  EXPECT_THAT(site_.Problems("dc1"), Not(HasSubstr("divergent")));
}

TEST_F(UnplannedTest, AFactAndAProblemSaySoWhileItLasts) {
  FailOver();
  ComeBack();
  site_.of("dc1").plan.Add({.verb = Verb::kOpen,
                            .store_part = "dc2:",
                            .path_part = ".gz",
                            .times = FaultRule::kAlways,
                            .fault = Fault::RequestLost()});
  site_.Step(14);
  EXPECT_THAT(site_.Problems("dc1"), HasSubstr("not as at dc2"));
  EXPECT_THAT(site_.of("dc1").of().stats().Divergent(), Not(IsEmpty()));
  site_.of("dc1").plan.Clear();
  ExpectSettled();
  EXPECT_THAT(site_.of("dc1").of().stats().Divergent(), IsEmpty());
}

// The queue lines of files that dc1 had merged are gone: only the set difference finds them.
TEST_F(UnplannedTest, FilesThatNoQueueNamesAreMergedOnce) {
  FailOver();
  const auto lines = site_.world.at("dc1").List(paths::Consumers("dc1"));
  ASSERT_TRUE(!lines.ok() || lines->empty()) << "the old primary had taken them";
  ComeBack();
  ExpectSettled();
  const auto files = site_.world.Files("dc2", View::kMerged);
  EXPECT_THAT(std::count_if(files.begin(), files.end(),
                            [](const SeenFile& file) { return file.name.starts_with("c5-"); }),
              6);
}

TEST_F(UnplannedTest, AHolderThatSleptOverTheSwapMakesNothingVisible) {
  FailOver();
  site_.of("dc2").plan.Clear();
  site_.Start("dc1");  // beside the one that sleeps, whose lease runs out
  site_.Step(20);
  stale_->plan.Clear();
  site_.world.Deliver("dc1", "clicks", "c6");
  for (int i = 0; i < 5; ++i) {
    stale_->Step();
    site_.Step();
  }
  ExpectSettled();
}

}  // namespace
}  // namespace databus
