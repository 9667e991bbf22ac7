#include "audit/identity_index.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace databus {
namespace {

ManifestFile Sealed(const std::string& incarnation, uint64_t counter) {
  ManifestFile file;
  file.identity = FileIdentity{"dc1", incarnation, counter};
  return file;
}

TEST(IdentityIndexTest, AFileIsTheSameWhateverItsNameIs) {
  IdentityIndex index;
  EXPECT_TRUE(index.Add("clicks", "a.gz", Sealed("i1", 7)));
  EXPECT_FALSE(index.Add("clicks", "renamed.gz", Sealed("i1", 7)));
  EXPECT_TRUE(index.Contains("clicks", "other.gz", Sealed("i1", 7)));
}

TEST(IdentityIndexTest, TheSameCounterOfAnotherStreamOrIncarnationIsAnotherFile) {
  IdentityIndex index;
  EXPECT_TRUE(index.Add("clicks", "a.gz", Sealed("i1", 7)));
  EXPECT_TRUE(index.Add("orders", "a.gz", Sealed("i1", 7)));
  EXPECT_TRUE(index.Add("clicks", "a.gz", Sealed("i2", 7)));
}

TEST(IdentityIndexTest, ForeignFilesAreTheSameByNameLengthAndChecksum) {
  IdentityIndex index;
  ManifestFile file;
  file.length = 10;
  file.crc32c = 1;
  EXPECT_TRUE(index.Add("clicks", "a.gz", file));
  EXPECT_FALSE(index.Add("clicks", "a.gz", file));
  EXPECT_TRUE(index.Add("clicks", "b.gz", file));
  file.crc32c = 2;
  EXPECT_FALSE(index.Contains("clicks", "a.gz", file));
}

TEST(IdentityIndexTest, AFileOfTheOriginalIsKnownByItsNameAlone) {
  IdentityIndex index;
  index.AddName("clicks", "a.gz");
  ManifestFile foreign;
  foreign.length = 10;
  EXPECT_TRUE(index.Contains("clicks", "a.gz", foreign));
  EXPECT_FALSE(index.Contains("orders", "a.gz", foreign));
  EXPECT_FALSE(index.Contains("clicks", "a.gz", Sealed("i1", 7)));
}

TEST(CounterSetTest, ConsecutiveCountersCostOneInterval) {
  CounterSet set;
  for (uint64_t counter = 1000; counter > 0; --counter) set.Add(counter);
  EXPECT_EQ(set.Intervals(), 1u);
}

RC_GTEST_PROP(CounterSetTest, HoldsExactlyWhatWasAdded, (const std::vector<uint8_t>& counters)) {
  CounterSet set;
  std::set<uint64_t> model;
  for (const uint8_t counter : counters)
    RC_ASSERT(set.Add(counter) == model.insert(counter).second);
  for (uint64_t counter = 0; counter < 300; ++counter) {
    RC_ASSERT(set.Contains(counter) == model.contains(counter));
  }
}

}  // namespace
}  // namespace databus
