#include "control/journal_copies.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/crc32c.h"
#include "cluster/paths.h"
#include "commit/cluster_id.h"
#include "storage/memory/memory_storage.h"

namespace databus {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::string Journal(const std::string& step, const std::string& driver = "x") {
  const std::string body =
      fmt::format(R"({{"driver":"{}","kind":"planned","step":"{}"}})", driver, step);
  return fmt::format(R"({{"version":1,"crc32c":"{:08x}","journal":{}}})", Crc32c(body), body);
}

class JournalCopiesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (MemoryStorage* tree : {&own_, &dc2_, &dc3_}) {
      ASSERT_TRUE(InitializeTree(*tree, *random_, kGroupsDefault).ok());
      ASSERT_TRUE(EnsureDir(*tree, paths::FailoverRoot()).ok());
    }
  }
  static void Store(MemoryStorage& tree, uint64_t revision, const std::string& text,
                    const std::string& id = "1") {
    ASSERT_TRUE(tree.WriteFile(paths::FailoverJournal({id, revision}), text).ok());
  }
  size_t Copy() {
    const auto copied = CopyEndedJournals(own_, {&own_, &dc2_, &dc3_}, *random_);
    EXPECT_TRUE(copied.ok()) << copied.status().ToString();
    return copied.ok() ? *copied : 0;
  }
  std::vector<std::string> Journals() { return *own_.ListNames(paths::FailoverRoot()); }

  ManualClock clock_{WallTime(std::chrono::hours(24 * 20000))};
  std::unique_ptr<Random> random_ = SeededRandom(1);
  MemoryStorage own_{clock_, "own:"};
  MemoryStorage dc2_{clock_, "dc2:"};
  MemoryStorage dc3_{clock_, "dc3:"};
};

// Else it is open as soon as nobody else can be asked.
TEST_F(JournalCopiesTest, WhoWasAwayGetsTheEndOfWhatItHasTheBeginningOf) {
  for (const uint64_t revision : {4, 5}) Store(own_, revision, Journal("spool"));
  for (MemoryStorage* tree : {&dc2_, &dc3_}) {
    Store(*tree, 8, Journal("verify"));
    Store(*tree, 9, Journal("done"));
  }
  EXPECT_EQ(Copy(), 1U);
  EXPECT_THAT(Journals(), ElementsAre("1.9.json"));
  EXPECT_EQ(*own_.ReadFile(paths::FailoverJournal({"1", 9})), Journal("done"));
  EXPECT_EQ(Copy(), 0U);
}

TEST_F(JournalCopiesTest, TheRevisionBeforeTheLastStaysAsEverywhere) {
  for (const uint64_t revision : {7, 8}) Store(own_, revision, Journal("verify"));
  Store(dc2_, 9, Journal("aborted"));
  EXPECT_EQ(Copy(), 1U);
  EXPECT_THAT(Journals(), ElementsAre("1.8.json", "1.9.json"));
}

TEST_F(JournalCopiesTest, WhatIsOpenIsLeftToWhoDrivesIt) {
  Store(own_, 4, Journal("spool"));
  Store(dc2_, 8, Journal("done"));
  Store(dc3_, 9, Journal("swap"));
  EXPECT_EQ(Copy(), 0U);
  EXPECT_THAT(Journals(), ElementsAre("1.4.json"));
}

TEST_F(JournalCopiesTest, WhatIsDamagedOrNotTheSameEverywhereIsNotCopied) {
  Store(own_, 4, Journal("spool"));
  Store(dc2_, 9, Journal("done"));
  Store(dc3_, 9, Journal("done", "another"));
  EXPECT_EQ(Copy(), 0U);
  const std::string text = Journal("done");
  ASSERT_TRUE(dc3_.Replace(paths::FailoverJournal({"1", 9}), text.substr(0, 40)).ok());
  EXPECT_EQ(Copy(), 0U);
  ASSERT_TRUE(dc3_.Replace(paths::FailoverJournal({"1", 9}), text).ok());
  EXPECT_EQ(Copy(), 1U);
}

// It may just have been purged here.
TEST_F(JournalCopiesTest, WhatIsNotThereAtAllIsNotMissed) {
  Store(dc2_, 9, Journal("done"));
  EXPECT_EQ(Copy(), 0U);
  EXPECT_THAT(Journals(), IsEmpty());
  Store(own_, 3, Journal("done"), "2");
  EXPECT_EQ(Copy(), 0U);
  EXPECT_THAT(Journals(), ElementsAre("2.3.json"));
}

TEST_F(JournalCopiesTest, ATreeThatDoesNotListMayHoldALaterRevision) {
  Store(own_, 4, Journal("spool"));
  Store(dc2_, 9, Journal("done"));
  ASSERT_TRUE(dc3_.Remove(paths::FailoverRoot()).ok());
  ASSERT_TRUE(dc3_.WriteFile(paths::FailoverRoot(), "no directory").ok());
  EXPECT_FALSE(CopyEndedJournals(own_, {&own_, &dc2_, &dc3_}, *random_).ok());
  EXPECT_THAT(Journals(), ElementsAre("1.4.json"));
}

}  // namespace
}  // namespace databus
