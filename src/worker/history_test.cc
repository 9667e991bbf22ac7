// What went wrong in the original system and must not here (docs/history.md), where no other test
// says so.
#include <memory>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "audit/gzip.h"
#include "commit/cluster_id.h"
#include "commit/minute_tree.h"
#include "worker/test_installation.h"

namespace databus {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using std::string_literals::operator""s;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;
using Settled = Installation::Settled;

class HistoryTest : public ::testing::Test {
 protected:
  void Step(int times = 1) {
    for (int i = 0; i < times; ++i) {
      dc1_->Step();
      dc2_->Step();
      world_.clock.Advance(seconds(1));
    }
  }
  // Everything waits for a full scan, which comes every ten minutes.
  void StepUntilScanned() {
    for (int i = 0; i < 12; ++i) {
      world_.clock.Advance(minutes(1));
      Step(12);
    }
  }
  void Restart(std::unique_ptr<WorkerProcess>& worker, const std::string& cluster) {
    worker = std::make_unique<WorkerProcess>(world_, std::vector<std::string>{cluster}, ++pid_);
  }
  // A file of an old collector of dc1.
  void Write(const std::string& stream, const std::string& collector, const std::string& name,
             const std::string& content) {
    Storage& storage = world_.at("dc1");
    for (const std::string& dir :
         {paths::DataStream(stream), paths::DataCollector(stream, collector)}) {
      ASSERT_TRUE(EnsureDir(storage, dir).ok());
    }
    ASSERT_TRUE(storage.Replace(paths::DataFile(stream, collector, name), content).ok());
  }
  std::vector<std::string> Published(const std::string& cluster, View view) {
    std::vector<std::string> contents;
    for (const SeenFile& file : world_.Files(cluster, view)) {
      contents.push_back(*GunzipAll(file.content));
    }
    return contents;
  }

  Installation world_;
  int64_t pid_ = 2;
  std::unique_ptr<WorkerProcess> dc1_ =
      std::make_unique<WorkerProcess>(world_, std::vector<std::string>{"dc1"}, 1);
  std::unique_ptr<WorkerProcess> dc2_ =
      std::make_unique<WorkerProcess>(world_, std::vector<std::string>{"dc2"}, 2);
};

TEST_F(HistoryTest, AFileWhoseNameSortsBelowPublishedOnesIsPublished) {
  Write("clicks", "old", "clicks-2031-05-06-10-57_00000", "57\n");
  Write("clicks", "old", "clicks-2031-05-06-10-58_00000", "58\n");
  world_.clock.Advance(minutes(10));
  StepUntilScanned();
  Write("clicks", "old", "clicks-2031-05-06-10-56_00000", "56\n");
  Write("clicks", "old", "clicks-2031-05-06-10-57_123456", "57 again\n");
  StepUntilScanned();
  EXPECT_THAT(Published("dc1", View::kLocal),
              UnorderedElementsAre("57\n", "58\n", "56\n", "57 again\n"));
}

TEST_F(HistoryTest, TheTrashKeepsFilesOfOneNameApart) {
  Write("clicks", "old", "clicks-2031-05-06-10-57_00000", "clicks\n");
  Write("views", "old", "views-2031-05-06-10-57_00000", "views\n");
  world_.clock.Advance(minutes(10));
  StepUntilScanned();
  Write("clicks", "old", "clicks-2031-05-06-10-57_00000", "clicks again\n");
  StepUntilScanned();
  EXPECT_THAT(*world_.at("dc1").List("data/clicks/old"), IsEmpty());
  size_t trashed = 0;
  for (const std::string hour : {"10", "11"}) {
    const auto entries = world_.at("dc1").List("system/trash/2031-05-06/" + hour);
    if (entries.ok()) trashed += entries->size();
  }
  EXPECT_EQ(trashed, 3u);
}

TEST_F(HistoryTest, BytesOfAnOldCollectorArriveUnaltered) {
  const std::string bytes = "a\r\nb\rc\n\xff\xfe\x80\0 no newline at the end"s;
  Write("clicks", "old", "clicks-2031-05-06-10-57_00000", bytes);
  world_.clock.Advance(minutes(10));
  StepUntilScanned();
  EXPECT_THAT(Published("dc1", View::kLocal), ::testing::ElementsAre(bytes));
  EXPECT_THAT(Published("dc2", View::kMerged), ::testing::ElementsAre(bytes));
}

TEST_F(HistoryTest, AFileThatWasEmptyAndGrowsLaterIsPublished) {
  Write("clicks", "old", "clicks-2031-05-06-10-57_00000", "");
  Write("clicks", "old", "clicks-2031-05-06-10-58_00000", "58\n");
  StepUntilScanned();
  // Its collector still has it open: the bytes arrive wherever the file is now.
  Storage& storage = world_.at("dc1");
  size_t grown = 0;
  for (const std::string hour : {"10", "11"}) {
    const std::string dir = "system/trash/2031-05-06/" + hour;
    const auto entries = storage.List(dir);
    if (!entries.ok()) continue;
    for (const DirEntry& entry : *entries) {
      if (entry.name.find("10-57") == std::string::npos) continue;
      ASSERT_TRUE(storage.Replace(paths::Join(dir, entry.name), "late\n").ok());
      ++grown;
    }
  }
  ASSERT_EQ(grown, 1u);
  StepUntilScanned();
  EXPECT_THAT(Published("dc1", View::kLocal), UnorderedElementsAre("58\n", "late\n"));
}

TEST_F(HistoryTest, CollectorsAndStreamsWhoseNamesJoinToOneAreKeptApart) {
  Write("views", "ab-c", "views-2031-05-06-10-57_00000", "1\n");
  Write("views", "ab", "views-2031-05-06-10-57_00000", "2\n");
  world_.Deliver("dc1", "views", "c1");
  world_.Deliver("dc1", "views", "dc1c1");
  world_.Deliver("dc1", "clicks", "c1");
  world_.clock.Advance(minutes(10));
  StepUntilScanned();
  EXPECT_THAT(world_.Files("dc2", View::kMerged), SizeIs(5));
}

TEST_F(HistoryTest, MinutesThatAMirrorMissesAcrossARestartAreMade) {
  world_.Deliver("dc1", "clicks", "c1");
  Step(4);
  for (int i = 0; i < 5; ++i) {  // empty minutes, while the mirror's worker is away
    world_.clock.Advance(minutes(1));
    dc1_->Step();
  }
  Restart(dc2_, "dc2");
  Step(20);
  EXPECT_THAT(world_.Violations(Settled::kYes), IsEmpty());
  const std::string root = paths::Stream(View::kMerged, "clicks");
  EXPECT_EQ(ListMinutes(world_.at("dc2"), root, kFirstMinute, kLastMinute)->size(),
            ListMinutes(world_.at("dc1"), root, kFirstMinute, kLastMinute)->size());
}

TEST_F(HistoryTest, StrayEntriesInAViewStopNeitherPublishingNorRetention) {
  world_.Deliver("dc1", "clicks", "c1");
  Step(4);
  for (const std::string dir : {"streams", "streams/clicks"}) {
    for (const std::string stray : {"_temporary", ".tmp"}) {
      ASSERT_TRUE(world_.at("dc1").MakeDir(paths::Join(dir, stray)).ok());
    }
  }
  world_.clock.Advance(minutes(1));
  world_.Deliver("dc1", "clicks", "c1");
  Step(4);
  EXPECT_THAT(world_.Files("dc2", View::kMerged), SizeIs(2));
  world_.clock.Advance(hours(6));
  Step(4);
  world_.clock.Advance(hours(2));
  Step(15);
  EXPECT_THAT(world_.Files("dc1", View::kMerged), IsEmpty());
}

TEST_F(HistoryTest, AMirrorGetsAllOfATreeOfTheOriginalWithAHoleInIt) {
  Storage& dc1 = world_.at("dc1");
  for (const std::string minute : {"10/40", "10/41", "10/45"}) {  // 42 to 44 were never made
    const std::string dir = "streams/clicks/2031/05/06/" + minute;
    ASSERT_TRUE(EnsureDirsBelow(dc1, "streams", dir).ok());
    ASSERT_TRUE(dc1.WriteFile(dir + "/old-clicks-2031-05-06-10-" + minute.substr(3) + "_00000.gz",
                              "bytes of " + minute)
                    .ok());
  }
  world_.Deliver("dc1", "clicks", "c1");
  Step(10);
  world_.clock.Advance(minutes(2));
  Step(10);
  EXPECT_THAT(world_.Files("dc2", View::kMerged), SizeIs(4));
}

TEST_F(HistoryTest, TreesWithDifferentNumbersOfGroupsAreNotMerged) {
  // dc2 is made anew with four groups, before anybody has seen it.
  MemoryStorage& dc2 = world_.at("dc2");
  ASSERT_TRUE(dc2.Remove(paths::ClusterId()).ok());
  ASSERT_EQ(InitializeTree(dc2, *world_.random, 4)->groups, 4u);
  world_.Deliver("dc1", "clicks", "c1");
  Step(4);
  EXPECT_THAT(dc1_->of().ListProblems(),
              Contains(Field(&Problem::what, AllOf(HasSubstr("dc2"), HasSubstr("groups")))));
}

TEST_F(HistoryTest, AFileDeliveredWhereNoSourceIsConfiguredIsMerged) {
  Topology topology = world_.topology;
  for (StreamSpec& stream : topology.streams) {
    std::erase_if(stream.sources, [](const SourceSpec& source) { return source.cluster == "dc2"; });
  }
  WorkerProcess dc1(world_, {"dc1"}, 3, topology);
  WorkerProcess dc2(world_, {"dc2"}, 4, topology);
  world_.Deliver("dc2", "clicks", "c1");
  for (int i = 0; i < 6; ++i) {
    dc1.Step();
    dc2.Step();
    world_.clock.Advance(seconds(1));
  }
  EXPECT_THAT(world_.Files("dc1", View::kMerged), SizeIs(1));
  EXPECT_THAT(world_.Violations(Settled::kYes), IsEmpty());
}

TEST_F(HistoryTest, LocalFilesStayUntilTheMergedStreamAndItsMirrorHaveThem) {
  world_.Deliver("dc2", "clicks", "c1");
  for (int i = 0; i < 5; ++i) {  // dc1, where clicks is merged, does not run
    dc2_->Step();
    world_.clock.Advance(seconds(1));
  }
  ASSERT_THAT(world_.Files("dc2", View::kLocal), SizeIs(1));
  for (int i = 0; i < 8; ++i) {
    world_.clock.Advance(hours(1));
    dc2_->Step();
    world_.clock.Advance(seconds(30));
    dc2_->Step();
  }
  EXPECT_THAT(world_.Files("dc2", View::kLocal), SizeIs(1)) << "dc1 has not merged it";
  Step(20);
  EXPECT_THAT(world_.Violations(Settled::kNo), IsEmpty());
  for (int i = 0; i < 3; ++i) {
    world_.clock.Advance(hours(1));
    Step(20);
  }
  EXPECT_THAT(world_.Files("dc2", View::kLocal), IsEmpty());
}

}  // namespace
}  // namespace databus
