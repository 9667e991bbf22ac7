#include "storage/fault/denial.h"

#include <gtest/gtest.h>

namespace databus {
namespace {

bool Holds(Access denied, Verb verb, const std::string& path, const std::string& to = "") {
  return Denial{"a/b", denied}.Holds({.verb = verb, .path = path, .to = to});
}

TEST(DenialTest, HoldsBelowTheDirectoryAndForItsListing) {
  EXPECT_TRUE(Holds(Access::kReading, Verb::kList, "a/b"));
  EXPECT_TRUE(Holds(Access::kReading, Verb::kListNames, "a/b/c"));
  EXPECT_TRUE(Holds(Access::kReading, Verb::kStat, "a/b/c"));
  EXPECT_FALSE(Holds(Access::kReading, Verb::kStat, "a/b"));
  EXPECT_FALSE(Holds(Access::kReading, Verb::kList, "a"));
  EXPECT_FALSE(Holds(Access::kReading, Verb::kOpen, "a/bc"));
}

TEST(DenialTest, HoldsForEitherEndOfARename) {
  EXPECT_TRUE(Holds(Access::kWriting, Verb::kRename, "x", "a/b/c"));
  EXPECT_TRUE(Holds(Access::kWriting, Verb::kRename, "a/b/c", "x"));
  EXPECT_FALSE(Holds(Access::kWriting, Verb::kRename, "a/b", "x"));
  EXPECT_FALSE(Holds(Access::kReading, Verb::kRename, "x", "a/b/c"));
}

TEST(DenialTest, HoldsForWhatIsDeniedOnly) {
  EXPECT_FALSE(Holds(Access::kListing, Verb::kOpen, "a/b/c"));
  EXPECT_TRUE(Holds(Access::kContents, Verb::kOpen, "a/b/c"));
  EXPECT_FALSE(Holds(Access::kContents, Verb::kList, "a/b"));
  EXPECT_FALSE(Holds(Access::kWriting, Verb::kOpen, "a/b/c"));
  EXPECT_TRUE(Holds(Access::kBoth, Verb::kOpen, "a/b/c"));
  EXPECT_TRUE(Holds(Access::kBoth, Verb::kMakeDir, "a/b/c"));
  EXPECT_FALSE(Holds(Access::kBoth, Verb::kRead, "a/b/c"));  // what is open stays open
}

}  // namespace
}  // namespace databus
