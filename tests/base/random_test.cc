#include "base/random.h"

#include <set>
#include <string>

#include <gtest/gtest.h>

namespace databus {
namespace {

TEST(SeededRandomTest, TheSameSeedGivesTheSameNumbers) {
  const auto a = SeededRandom(7);
  const auto b = SeededRandom(7);
  const auto other = SeededRandom(8);
  int same_as_other = 0;
  for (int i = 0; i < 100; ++i) {
    const uint64_t number = a->Next();
    ASSERT_EQ(number, b->Next());
    if (number == other->Next()) ++same_as_other;
  }
  EXPECT_EQ(same_as_other, 0);
}

TEST(RandomTest, BelowStaysBelowItsBoundAndReachesAllOfIt) {
  const auto random = SeededRandom(7);
  std::set<uint64_t> seen;
  for (int i = 0; i < 1000; ++i) seen.insert(random->Below(5));
  EXPECT_EQ(seen, (std::set<uint64_t>{0, 1, 2, 3, 4}));
}

TEST(RandomTest, HexHasTheLengthAskedForAndOnlyLowerCaseDigits) {
  const auto random = SeededRandom(7);
  for (int digits = 1; digits <= 32; ++digits) {
    const std::string text = random->Hex(digits);
    EXPECT_EQ(text.size(), static_cast<size_t>(digits));
    EXPECT_EQ(text.find_first_not_of("0123456789abcdef"), std::string::npos) << text;
  }
}

TEST(SystemRandomTest, DoesNotRepeatItself) {
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) seen.insert(SystemRandom().Hex(32));
  EXPECT_EQ(seen.size(), 1000U);
}

}  // namespace
}  // namespace databus
