#include "control/purge_history.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/crc32c.h"
#include "cluster/paths.h"
#include "commit/cluster_id.h"
#include "control/epoch_store.h"
#include "storage/memory/memory_storage.h"

namespace databus {
namespace {

using std::chrono::hours;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Not;
using ::testing::SizeIs;

std::string Journal(const std::string& step, const std::string& kind = "failback",
                    const std::string& undoes = "") {
  const std::string body =
      fmt::format(R"({{"id":"x","kind":"{}","step":"{}","undoes":"{}"}})", kind, step, undoes);
  return fmt::format(R"({{"version":1,"crc32c":"{:08x}","journal":{}}})", Crc32c(body), body);
}

constexpr const char* kId = "20310506T100405Z-planned-dc1-dc2";

class PurgeHistoryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (MemoryStorage* tree : {&own_, &other_}) {
      ASSERT_TRUE(InitializeTree(*tree, *random_, kGroupsDefault).ok());
      ASSERT_TRUE(EnsureDir(*tree, paths::FailoverRoot()).ok());
      ASSERT_TRUE(EnsureDir(*tree, paths::TopologyRoot()).ok());
    }
  }
  // Only their names and ages count.
  void StoreEpochs(uint64_t first, uint64_t last) {
    for (uint64_t epoch = first; epoch <= last; ++epoch) {
      ASSERT_TRUE(own_.WriteFile(paths::TopologyFile(epoch), "").ok());
    }
  }
  static void StoreFailover(MemoryStorage& tree, const std::string& id, const std::string& step,
                            uint64_t revision = 1) {
    ASSERT_TRUE(tree.WriteFile(paths::FailoverJournal({id, revision}), Journal(step)).ok());
  }
  void Purge() {
    const auto purged = PurgeHistory(own_, {&own_, &other_}, clock_.Wall());
    ASSERT_TRUE(purged.ok()) << purged.status().ToString();
  }
  std::vector<std::string> Epochs() { return *own_.ListNames(paths::TopologyRoot()); }
  std::vector<std::string> Failovers() { return *own_.ListNames(paths::FailoverRoot()); }

  ManualClock clock_{WallTime(hours(24 * 20000))};
  std::unique_ptr<Random> random_ = SeededRandom(1);
  MemoryStorage own_{clock_, "own:"};
  MemoryStorage other_{clock_, "other:"};
};

TEST_F(PurgeHistoryTest, TheNewestEpochsStayWhateverTheirAge) {
  StoreEpochs(1, 50);
  clock_.Advance(kHistoryKept * 12);
  Purge();
  EXPECT_THAT(Epochs(), SizeIs(kEpochsKept));
  EXPECT_THAT(Epochs(), Contains("50.xml"));
  EXPECT_THAT(Epochs(), Contains("31.xml"));
  Purge();
  EXPECT_THAT(Epochs(), SizeIs(kEpochsKept));
}

TEST_F(PurgeHistoryTest, EpochsThatAreYoungStayWhateverTheirNumber) {
  StoreEpochs(1, 30);
  clock_.Advance(hours(48));
  StoreEpochs(31, 60);
  clock_.Advance(kHistoryKept - hours(1));
  Purge();
  EXPECT_THAT(Epochs(), SizeIs(30));
  EXPECT_THAT(Epochs(), Not(Contains("30.xml")));
}

TEST_F(PurgeHistoryTest, NothingGoesWhileAFailoverIsUnderWay) {
  StoreEpochs(1, 50);
  clock_.Advance(kHistoryKept * 2);
  StoreFailover(other_, kId, "swap");
  Purge();
  EXPECT_THAT(Epochs(), SizeIs(50));
  StoreFailover(other_, kId, "done", 2);
  Purge();
  EXPECT_THAT(Epochs(), SizeIs(kEpochsKept));
}

TEST_F(PurgeHistoryTest, NothingGoesWhileAJournalCannotBeRead) {
  StoreEpochs(1, 50);
  clock_.Advance(kHistoryKept * 2);
  const std::string path = paths::FailoverJournal({kId, 1});
  ASSERT_TRUE(own_.WriteFile(path, Journal("done").replace(30, 1, "?")).ok());
  Purge();
  EXPECT_THAT(Epochs(), SizeIs(50));
  ASSERT_TRUE(own_.Remove(path).ok());
  ASSERT_TRUE(own_.WriteFile(paths::Join(paths::FailoverRoot(), "of a newer program"), "").ok());
  Purge();
  EXPECT_THAT(Epochs(), SizeIs(50));
}

TEST_F(PurgeHistoryTest, TheNewestFailoversStayAndThoseThatAreYoung) {
  StoreFailover(own_, "1", "swap", 6);
  StoreFailover(own_, "1", "done", 7);
  StoreFailover(own_, "2", "verify");
  StoreFailover(own_, "3", "done");
  StoreFailover(own_, "4", "aborted");
  clock_.Advance(kHistoryKept + hours(1));
  StoreFailover(own_, "2", "done", 2);
  Purge();
  EXPECT_THAT(Failovers(), ElementsAre("2.1.json", "2.2.json", "3.1.json", "4.1.json"));
  clock_.Advance(kHistoryKept + hours(1));
  Purge();
  EXPECT_THAT(Failovers(), ElementsAre("3.1.json", "4.1.json"));
}

TEST_F(PurgeHistoryTest, AFailoverThatCanBeUndoneStaysForEver) {
  const auto store = [&](MemoryStorage& tree, const std::string& id, const std::string& text) {
    ASSERT_TRUE(tree.WriteFile(paths::FailoverJournal({id, 1}), text).ok());
  };
  for (MemoryStorage* tree : {&own_, &other_}) {
    store(*tree, "1", Journal("done", "planned"));
    store(*tree, "2", Journal("done", "unplanned"));
    store(*tree, "3", Journal("aborted", "planned"));
    store(*tree, "4", Journal("aborted", "failback", "1"));
    store(*tree, "5", Journal("done", "failback", "2"));
    for (const char* id : {"6", "7"}) store(*tree, id, Journal("aborted", "planned"));
  }
  clock_.Advance(kHistoryKept + hours(1));
  Purge();
  EXPECT_THAT(Failovers(), ElementsAre("1.1.json", "5.1.json", "6.1.json", "7.1.json"));
  Purge();
  EXPECT_THAT(Failovers(), Contains("5.1.json")) << "the other has what it has undone";
  ASSERT_TRUE(other_.Remove(paths::FailoverJournal({"2", 1})).ok());
  Purge();
  EXPECT_THAT(Failovers(), ElementsAre("1.1.json", "6.1.json", "7.1.json"));
}

// A cluster that was away when it ended.
TEST_F(PurgeHistoryTest, AFailoverHasEndedWhenTheNewestRevisionAnywhereSaysSo) {
  for (const char* id : {"1", "2", "3"}) StoreFailover(own_, id, "verify", 3);
  clock_.Advance(kHistoryKept + hours(1));
  Purge();
  EXPECT_THAT(Failovers(), SizeIs(3));
  for (const char* id : {"1", "2", "3"}) StoreFailover(other_, id, "done", 4);
  Purge();
  EXPECT_THAT(Failovers(), ElementsAre("2.3.json", "3.3.json"));
}

TEST_F(PurgeHistoryTest, TheNumberOfAPurgedEpochIsNotFree) {
  StoredTopology old;
  old.epoch = 7;
  StoredTopology newest;
  newest.epoch = 40;
  ASSERT_TRUE(StoreEpoch(own_, *random_, TopologyEpoch::Of(newest)).ok());
  EXPECT_EQ(StoreEpoch(own_, *random_, TopologyEpoch::Of(old)).code(), Code::kExists);
  EXPECT_THAT(Epochs(), ElementsAre("40.xml"));
}

}  // namespace
}  // namespace databus
