#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/test_world.h"

namespace databus {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class CollapseTest : public ::testing::Test {
 protected:
  void Put(const std::string& name, int n) {
    const std::string line =
        fmt::format("file:///dc1/databus/streams/clicks/2031/05/06/10/58/c-{}.gz\n", n);
    ASSERT_TRUE(world_.Put("dc1", paths::Join(paths::Mirrors("dc2"), name), line).ok());
  }
  Ran Run(const std::string& directory, std::vector<std::string> more = {}) {
    std::vector<std::string> args = {"collapse", "file:///dc1", directory};
    args.insert(args.end(), more.begin(), more.end());
    return world_.Run(args);
  }
  std::vector<DirEntry> Entries() { return *world_.trees["dc1"]->List(paths::Mirrors("dc2")); }

  TestWorld world_;
};

TEST_F(CollapseTest, ManyEntriesBecomeOneAndItSaysSo) {
  for (int n = 0; n < 5; ++n) Put(fmt::format("12.3.{}", n), n);
  const Ran dry = Run("/databus/system/mirrors/dc2", {"--dry-run"});
  EXPECT_EQ(dry.code, 0) << dry.err;
  EXPECT_THAT(dry.out, HasSubstr("5 entries before, 1 after it (nothing was changed)"));
  EXPECT_THAT(Entries(), SizeIs(5));
  const Ran ran = Run("file:///dc1/databus/system/mirrors/dc2/");
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("5 entries before, 1 after\n"));
  EXPECT_THAT(Entries(), SizeIs(1));
  EXPECT_EQ(Run("/databus/system/mirrors/dc2").code, 3);
  const Ran json = Run("/databus/system/mirrors/dc2", {"--json"});
  EXPECT_THAT(json.out, HasSubstr("\"entries_before\": 1"));
}

TEST_F(CollapseTest, WhatIsNoQueueIsRefusedAndNothingIsTouched) {
  for (const char* directory :
       {"/databus/streams/clicks", "/databus/system/mirrors", "system/tmp", "/databus", "/", "",
        "/databus/system/mirrors/../tmp", "/databus/xsystem/mirrors/dc2"}) {
    const Ran ran = Run(directory);
    EXPECT_EQ(ran.code, 2) << directory;
    EXPECT_THAT(ran.out, IsEmpty());
  }
  const Ran unknown = Run("/databus/system/mirrors/dc9");
  EXPECT_EQ(unknown.code, 1);
  EXPECT_THAT(unknown.err, HasSubstr("system/mirrors/dc9: there is no such queue"));
}

TEST_F(CollapseTest, ATreeWithoutAnIdIsRefused) {
  Put("12.3.1", 1);
  Put("12.3.2", 2);
  ASSERT_TRUE(world_.trees["dc1"]->Remove(paths::ClusterId()).ok());
  const Ran ran = Run("/databus/system/mirrors/dc2");
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.err, HasSubstr("has no system/cluster-id"));
  EXPECT_THAT(Entries(), SizeIs(2));
}

}  // namespace
}  // namespace databus
