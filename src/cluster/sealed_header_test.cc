#include "cluster/sealed_header.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "base/crc32c.h"
#include "cluster/names.h"
#include "cluster/test_generators.h"

namespace databus {
namespace {

constexpr size_t kVersionAt = 16;  // behind gzip's fixed part, XLEN, id and length

SealedHeader Example() {
  SealedHeader header;
  header.identity = {"dc1", "0123456789abcdef", 42};
  header.stream = "clicks";
  header.collector = "web-1";
  header.messages = 1000;
  header.first_accepted = WallTime(Milliseconds(1'000'000'000'123));
  header.last_accepted = WallTime(Milliseconds(1'000'000'060'456));
  header.raw_bytes = 300'000;
  header.payload_bytes = 60'000;
  header.payload_crc32c = 0xdeadbeef;
  return header;
}

// The bytes with the version replaced and the checksum made right again.
std::string WithVersion(std::string bytes, char version) {
  bytes[kVersionAt] = version;
  const size_t end = bytes.size() - 4;
  const uint32_t crc = Crc32c(std::string_view(bytes).substr(kVersionAt, end - kVersionAt));
  for (size_t i = 0; i < 4; ++i) bytes[end + i] = static_cast<char>(crc >> (8 * i));
  return bytes;
}

RC_GTEST_PROP(SealedHeader, ComesBackFromItsBytes,
              (uint64_t messages, uint64_t counter, int64_t first, int64_t last, uint32_t crc)) {
  SealedHeader header = Example();
  header.identity.cluster = *NameGen();
  header.identity.counter = counter;
  header.stream = *NameGen();
  header.collector = *NameGen();
  header.messages = messages;
  header.first_accepted = WallTime(Milliseconds(first));
  header.last_accepted = WallTime(Milliseconds(last));
  header.payload_crc32c = crc;
  const std::string bytes = EncodeSealedHeader(header);
  const auto decoded = DecodeSealedHeader(bytes + "payload");
  RC_ASSERT(decoded.ok());
  RC_ASSERT(decoded->header == header);
  RC_ASSERT(decoded->header_bytes == bytes.size());
}

TEST(SealedHeader, FitsIntoTheFirstBytesWhateverTheNames) {
  SealedHeader header = Example();
  header.identity.cluster = header.stream = header.collector = std::string(kNameBytesMax, 'x');
  const std::string bytes = EncodeSealedHeader(header);
  EXPECT_LE(bytes.size(), kSealedHeaderBytesMax);
  ASSERT_TRUE(DecodeSealedHeader(bytes).ok());
}

// Byte for byte as RFC 1952 says, so that other readers skip it.
TEST(SealedHeader, IsAGzipHeaderWithOneExtraField) {
  const std::string bytes = EncodeSealedHeader(Example());
  EXPECT_EQ(bytes.substr(0, 10), std::string("\x1f\x8b\x08\x04\0\0\0\0\0\xff", 10));
  const auto at = [&](size_t i) { return static_cast<size_t>(static_cast<uint8_t>(bytes[i])); };
  EXPECT_EQ(at(10) + 256 * at(11), bytes.size() - 12);
  EXPECT_EQ(bytes.substr(12, 2), "DB");
  EXPECT_EQ(at(14) + 256 * at(15), bytes.size() - 16);
}

TEST(SealedHeader, ForeignFilesAreNotFound) {
  const std::string plain_gzip("\x1f\x8b\x08\0\0\0\0\0\0\x03 data data", 20);
  const std::string named("\x1f\x8b\x08\x08\0\0\0\0\0\x03name\0 data", 20);
  const std::string other_field("\x1f\x8b\x08\x04\0\0\0\0\0\x03\x06\0XY\x02\0ab rest", 23);
  const std::string long_field(
      "\x1f\x8b\x08\x04\0\0\0\0\0\x03\xff\xff"
      "DB\x02\0ab rest",
      23);
  const std::string bad_field("\x1f\x8b\x08\x04\0\0\0\0\0\x03\x05\0XY\xff\0ab rest", 22);
  for (const std::string& bytes : {std::string(), std::string("x"), std::string("plain text, long"),
                                   plain_gzip, named, other_field, long_field, bad_field}) {
    EXPECT_EQ(DecodeSealedHeader(bytes).code(), Code::kNotFound) << EscapeWord(bytes);
  }
}

TEST(SealedHeader, IsFoundBehindAnotherField) {
  const std::string bytes = EncodeSealedHeader(Example());
  std::string two = bytes.substr(0, 10);
  const size_t extra = bytes.size() - 12 + 6;
  two += static_cast<char>(extra & 0xff);
  two += static_cast<char>(extra >> 8);
  two += std::string("XY\x02\0ab", 6) + bytes.substr(12);
  const auto decoded = DecodeSealedHeader(two);
  ASSERT_TRUE(decoded.ok()) << decoded.status().ToString();
  EXPECT_EQ(decoded->header, Example());
}

TEST(SealedHeader, CutAnywhereIsCorrupt) {
  const std::string bytes = EncodeSealedHeader(Example());
  for (size_t length = 1; length < bytes.size(); ++length) {
    EXPECT_EQ(DecodeSealedHeader(std::string_view(bytes).substr(0, length)).code(), Code::kCorrupt)
        << length;
  }
}

TEST(SealedHeader, NoFlippedBitGoesUnnoticed) {
  const std::string bytes = EncodeSealedHeader(Example());
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string flipped = bytes;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    const size_t at = bit / 8;
    const bool in_time_or_system = at >= 4 && at <= 9;  // gzip's MTIME, XFL, OS: nothing of ours
    EXPECT_EQ(DecodeSealedHeader(flipped).ok(), in_time_or_system) << "bit " << bit;
  }
}

TEST(SealedHeader, OfANewerVersionIsRefusedByName) {
  const auto decoded = DecodeSealedHeader(WithVersion(EncodeSealedHeader(Example()), 2));
  EXPECT_EQ(decoded.code(), Code::kInvalid);
  EXPECT_EQ(
      decoded.status().message(),
      "sealed file header: written by a newer Databus (version 2, this program reads up to 1)");
}

TEST(SealedHeader, ImpossibleNamesAreCorruptThoughTheChecksumIsRight) {
  for (const std::string& name : {std::string("../etc"), std::string(), std::string("a\0b", 3)}) {
    SealedHeader header = Example();
    header.stream = name;
    EXPECT_EQ(DecodeSealedHeader(EncodeSealedHeader(header)).code(), Code::kCorrupt);
    header = Example();
    header.collector = name;
    EXPECT_EQ(DecodeSealedHeader(EncodeSealedHeader(header)).code(), Code::kCorrupt);
    header = Example();
    header.identity.cluster = name;
    EXPECT_EQ(DecodeSealedHeader(EncodeSealedHeader(header)).code(), Code::kCorrupt);
    header = Example();
    header.identity.incarnation = name;
    EXPECT_EQ(DecodeSealedHeader(EncodeSealedHeader(header)).code(), Code::kCorrupt);
  }
}

RC_GTEST_PROP(SealedHeader, AnyBytesAreDecodedOrRefused, (const std::string& bytes)) {
  RC_ASSERT(!DecodeSealedHeader(bytes).ok());
  RC_ASSERT(!DecodeSealedHeader(std::string("\x1f\x8b\x08\x04\0\0\0\0\0\xff", 10) + bytes).ok());
}

}  // namespace
}  // namespace databus
