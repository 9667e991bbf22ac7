#include "worker/copier.h"

#include <gmock/gmock.h>

#include <memory>

#include "base/crc32c.h"
#include "base/sync.h"
#include "storage/borrowed_storage.h"
#include "storage/fault/fault_storage.h"
#include "storage/memory/memory_storage.h"

namespace databus {
namespace {

using testing::Each;
using testing::ElementsAre;

// Likes its small files in batches, as HDFS does.
class Together final : public BorrowedStorage {
 public:
  explicit Together(Storage& base) : BorrowedStorage(base) {}
  std::vector<Status> WriteFiles(std::span<const SmallFile> files) override {
    {
      MutexLock lock(mutex_);
      batches_.push_back(files.size());
    }
    return BorrowedStorage::WriteFiles(files);
  }
  size_t SmallFilesAtOnce() const override { return 4; }

  const std::vector<size_t>& batches() const { return batches_; }

 private:
  Mutex mutex_;  // guards the next one
  std::vector<size_t> batches_;
};

class CopierTest : public testing::Test {
 protected:
  CopierTest() {
    EXPECT_TRUE(source_.MakeDir("d").ok());
    EXPECT_TRUE(other_.MakeDir("d").ok());
    EXPECT_TRUE(memory_.MakeDir("s").ok());
  }
  void Add(Storage& source, const std::string& name, const std::string& content) {
    EXPECT_TRUE(source.WriteFile("d/" + name, content).ok());
    AddJob(source, name);
  }
  void AddJob(Storage& source, const std::string& name) {
    jobs_.push_back({&source, "d/" + name, "s/" + name});
  }
  std::vector<Code> Copy(int threads = 1) {
    outcomes_ = CopyFiles(target_, jobs_, threads);
    std::vector<Code> codes;
    for (const CopyOutcome& outcome : outcomes_) codes.push_back(outcome.status.code());
    return codes;
  }
  std::string Staged(const std::string& name) {
    const auto content = memory_.ReadFile("s/" + name);
    return content.ok() ? *content : content.status().ToString();
  }

  MemoryStorage source_;
  MemoryStorage other_;
  MemoryStorage memory_;
  FaultPlan plan_;
  FaultStorage faulty_{memory_, plan_};
  Together target_{faulty_};
  std::vector<CopyJob> jobs_;
  std::vector<CopyOutcome> outcomes_;
};

TEST_F(CopierTest, SmallFilesOfOneSourceAreWrittenTogether) {
  for (int i = 0; i < 6; ++i) Add(source_, std::to_string(i), std::to_string(i));
  for (int i = 6; i < 8; ++i) Add(other_, std::to_string(i), std::to_string(i));
  EXPECT_THAT(Copy(), Each(Code::kOk));
  EXPECT_THAT(target_.batches(), ElementsAre(4, 2, 2));
  for (int i = 0; i < 8; ++i) {
    EXPECT_EQ(Staged(std::to_string(i)), std::to_string(i));
    EXPECT_EQ(outcomes_[i].facts.file.length, 1U);
    EXPECT_EQ(outcomes_[i].facts.file.crc32c, Crc32c(std::to_string(i)));
  }
}

TEST_F(CopierTest, FactsAreTheSameOfEachSizeAndTogetherOrNot) {
  for (const size_t bytes : {0, 1, 262'144, 262'145, 5'000'000}) {
    Add(source_, std::to_string(bytes), std::string(bytes, 'x'));
  }
  EXPECT_THAT(Copy(), Each(Code::kOk));
  const std::vector<CopyOutcome> together = outcomes_;
  EXPECT_THAT(target_.batches(), ElementsAre(3));
  MemoryStorage alone;
  ASSERT_TRUE(alone.MakeDir("s").ok());
  outcomes_ = CopyFiles(alone, jobs_, 1);
  for (size_t i = 0; i < jobs_.size(); ++i) {
    EXPECT_EQ(together[i].facts.file, outcomes_[i].facts.file) << jobs_[i].from;
    EXPECT_TRUE(*memory_.ReadFile(jobs_[i].to) == *alone.ReadFile(jobs_[i].to));
  }
}

TEST_F(CopierTest, EachThreadGetsItsShareOfFewFiles) {
  for (int i = 0; i < 4; ++i) Add(source_, std::to_string(i), "content");
  EXPECT_THAT(Copy(2), Each(Code::kOk));
  EXPECT_THAT(target_.batches(), ElementsAre(2, 2));
}

TEST_F(CopierTest, MissingSourceAndFailedWriteAreTheOutcomeOfTheirOwnFileOnly) {
  Add(source_, "a", "1");
  AddJob(source_, "no");
  Add(source_, "b", "2");
  Add(source_, "c", "3");
  plan_.Add({.verb = Verb::kAppend, .path_part = "s/b", .fault = Fault::Refused(Code::kNoSpace)});
  EXPECT_THAT(Copy(), ElementsAre(Code::kOk, Code::kNotFound, Code::kNoSpace, Code::kOk));
  EXPECT_EQ(Staged("a"), "1");
  EXPECT_EQ(memory_.Stat("s/b").code(), Code::kNotFound) << "a part of it is left";
  EXPECT_EQ(Staged("c"), "3");
}

TEST_F(CopierTest, StagingThatIsGoneIsNoMissingSource) {
  Add(source_, "a", "1");
  Add(source_, "b", "2");
  ASSERT_TRUE(memory_.Rename("s", "elsewhere").ok());
  EXPECT_THAT(Copy(), Each(Code::kStale));
}

TEST_F(CopierTest, DeathOfTheProcessEndsAllThreads) {
  for (int i = 0; i < 40; ++i) Add(source_, std::to_string(i), "content");
  plan_.Add({.number = 17, .fault = Fault::CrashAfter()});
  EXPECT_THROW(Copy(2), Crash);
}

}  // namespace
}  // namespace databus
