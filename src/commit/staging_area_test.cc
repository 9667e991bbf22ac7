#include "commit/staging_area.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "commit/test_world.h"

namespace databus {
namespace {

class StagingAreaTest : public ::testing::Test {
 protected:
  StagingAreaTest() { EXPECT_TRUE(process_.Open().ok()); }
  StagingArea& staging() { return process_.writer().staging(); }
  // Three files, named in this order.
  std::vector<SmallFile> ThreeFiles() {
    std::vector<SmallFile> files;
    for (const char* text : {"one", "two", "three"}) {
      files.push_back({staging().PathOf(staging().NewFileName()), text});
    }
    return files;
  }
  size_t CallsOf(Verb verb) {
    const std::vector<Call> trace = process_.plan().trace();
    return static_cast<size_t>(std::count_if(trace.begin(), trace.end(),
                                             [&](const Call& call) { return call.verb == verb; }));
  }

  World world_;
  Process process_{world_};
};

TEST_F(StagingAreaTest, FilesAreStagedTogether) {
  const std::vector<SmallFile> files = ThreeFiles();
  ASSERT_TRUE(staging().StageFiles(files).ok());
  for (const SmallFile& file : files) EXPECT_EQ(*world_.dc1.ReadFile(file.path), file.content);
}

TEST_F(StagingAreaTest, FailureOfOneFileIsTheAnswer) {
  const std::vector<SmallFile> files = ThreeFiles();
  process_.plan().Add({.path_part = files[1].path, .fault = Fault::Full()});
  EXPECT_EQ(staging().StageFiles(files).code(), Code::kNoSpace);
}

TEST_F(StagingAreaTest, FencedDirectoryIsStale) {
  const std::vector<SmallFile> files = ThreeFiles();
  ASSERT_TRUE(world_.dc1.Rename(staging().dir(), staging().dir() + ".away").ok());
  EXPECT_EQ(staging().StageFiles(files).code(), Code::kStale);
}

// Queue entries, manifest and record wait for the disk together; the record must not count before
// all of them are durable.
TEST_F(StagingAreaTest, RecordIsNotPlacedWhenOneOfItsFilesCannotBeStaged) {
  world_.Deliver("clicks", "c1", StartMinute(), 1);
  ASSERT_TRUE(process_.Take().ok());
  const size_t before = CallsOf(Verb::kCreate);
  const size_t renames = CallsOf(Verb::kRename);
  process_.plan().Add({.verb = Verb::kCreate, .fault = Fault::Full()});
  EXPECT_EQ(process_.Publish(StartMinute()).code(), Code::kNoSpace);
  EXPECT_EQ(CallsOf(Verb::kCreate), before + 3);  // two queue entries and the record
  EXPECT_EQ(CallsOf(Verb::kRename), renames);
}

}  // namespace
}  // namespace databus
