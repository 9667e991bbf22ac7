#include "base/crc32c.h"

#include <cstddef>
#include <string>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace databus {
namespace {

std::string Counting(int first, int step) {
  std::string bytes;
  for (int i = 0; i < 32; ++i) bytes.push_back(static_cast<char>(first + step * i));
  return bytes;
}

// RFC 3720, appendix B.4. The RFC prints the bytes in the order of transmission.
TEST(Crc32cTest, AgreesWithTheVectorsOfRfc3720) {
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8a9136aaU);
  EXPECT_EQ(Crc32c(std::string(32, '\xff')), 0x62a8ab43U);
  EXPECT_EQ(Crc32c(Counting(0, 1)), 0x46dd794eU);
  EXPECT_EQ(Crc32c(Counting(31, -1)), 0x113fdb5cU);
}

TEST(Crc32cTest, AgreesWithTheUsualCheckValue) { EXPECT_EQ(Crc32c("123456789"), 0xe3069283U); }

TEST(Crc32cTest, OfNothingIsZero) { EXPECT_EQ(Crc32c(""), 0U); }

RC_GTEST_PROP(Crc32cTest, ContinuingIsTheSameAsOneCall, (const std::string& bytes)) {
  const auto cut = *rc::gen::inRange<size_t>(0, bytes.size() + 1);
  RC_ASSERT(Crc32c(bytes.substr(cut), Crc32c(bytes.substr(0, cut))) == Crc32c(bytes));
}

RC_GTEST_PROP(Crc32cTest, AnyFlippedBitChangesIt, (std::string bytes)) {
  RC_PRE(!bytes.empty());
  const uint32_t before = Crc32c(bytes);
  const auto bit = *rc::gen::inRange<size_t>(0, bytes.size() * 8);
  bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
  RC_ASSERT(Crc32c(bytes) != before);
}

}  // namespace
}  // namespace databus
