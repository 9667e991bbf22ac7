#include "storage/local/sync_batch.h"

#include <gmock/gmock.h>

#include <algorithm>

#include "storage/contract.h"

namespace databus {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class SyncBatchTest : public testing::Test {
 protected:
  std::vector<Code> Finish() {
    std::vector<Code> codes;
    for (const Status& answer : std::move(batch_).Finish(syncs_)) codes.push_back(answer.code());
    return codes;
  }
  void AddMany(size_t directories) {
    for (size_t i = 0; i < directories; ++i) batch_.Add(Status::Ok(), {std::to_string(i)});
  }

  SyncBatch batch_;
  std::string broken_ = "none";
  std::vector<std::string> synced_;
  int all_synced_ = 0;
  Status all_answer_;
  const SyncBatch::Syncs syncs_{[this](const std::string& directory) {
                                  synced_.push_back(directory);
                                  return directory == broken_ ? Status(Code::kUnavailable, "sync")
                                                              : Status::Ok();
                                },
                                [this] {
                                  ++all_synced_;
                                  return all_answer_;
                                }};
};

TEST_F(SyncBatchTest, EachDirectoryIsSyncedOnce) {
  batch_.Add(Status::Ok(), {"a", "b"});
  batch_.Add(Status::Ok(), {"b", "a"});
  batch_.Add(Status::Ok(), {"a", "a"});
  EXPECT_THAT(Finish(), ElementsAre(Code::kOk, Code::kOk, Code::kOk));
  EXPECT_THAT(synced_, ElementsAre("a", "b"));
}

TEST_F(SyncBatchTest, NothingIsSyncedForWhatFailed) {
  batch_.Add({Code::kExists, ""}, {"a"});
  EXPECT_THAT(Finish(), ElementsAre(Code::kExists));
  EXPECT_THAT(synced_, IsEmpty());
}

TEST_F(SyncBatchTest, FailedSyncIsTheAnswerToWhatWaitedForIt) {
  broken_ = "b";
  batch_.Add(Status::Ok(), {"a"});
  batch_.Add(Status::Ok(), {"a", "b"});
  batch_.Add({Code::kNotFound, ""}, {"b"});
  EXPECT_THAT(Finish(), ElementsAre(Code::kOk, Code::kUnavailable, Code::kNotFound));
}

TEST_F(SyncBatchTest, ManyDirectoriesAreOneSyncOfTheFileSystem) {
  AddMany(SyncBatch::kDirectoriesMax + 1);
  EXPECT_THAT(Finish(), testing::Each(Code::kOk));
  EXPECT_EQ(all_synced_, 1);
  EXPECT_THAT(synced_, IsEmpty());
}

TEST_F(SyncBatchTest, FewDirectoriesDoNotWaitForTheRestOfTheFileSystem) {
  AddMany(SyncBatch::kDirectoriesMax);
  EXPECT_THAT(Finish(), testing::Each(Code::kOk));
  EXPECT_EQ(all_synced_, 0);
  EXPECT_EQ(synced_.size(), SyncBatch::kDirectoriesMax);
}

TEST_F(SyncBatchTest, FailedSyncOfTheFileSystemIsTheAnswerToAllThatWaited) {
  all_answer_ = Status(Code::kUnavailable, "sync");
  batch_.Add({Code::kExists, ""}, {"a"});
  AddMany(SyncBatch::kDirectoriesMax + 1);
  const std::vector<Code> codes = Finish();
  EXPECT_EQ(codes.front(), Code::kExists);
  EXPECT_EQ(std::count(codes.begin(), codes.end(), Code::kUnavailable),
            static_cast<ptrdiff_t>(SyncBatch::kDirectoriesMax + 1));
}

}  // namespace
}  // namespace databus
