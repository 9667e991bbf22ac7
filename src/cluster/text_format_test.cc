#include "cluster/text_format.h"

#include "base/crc32c.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace databus {
namespace {

std::string Example() {
  TextWriter writer("thing", 2);
  writer.Line({"first", "a b", ""});
  writer.Line({"second"});
  return std::move(writer).Finish();
}

TEST(TextFormat, IsReadableAndEndsWithItsChecksum) {
  const std::string text = Example();
  EXPECT_EQ(text.substr(0, text.size() - 9), "databus-thing 2\nfirst a%20b %\nsecond\nend ");
}

TEST(TextFormat, ComesBackFromItsText) {
  const auto lines = ParseText("thing", 2, Example(), "f");
  ASSERT_TRUE(lines.ok());
  EXPECT_EQ(*lines, (std::vector<TextLine>{{"first", "a b", ""}, {"second"}}));
}

RC_GTEST_PROP(TextFormat, AnyWordsComeBack, (const std::string& a, const std::string& b)) {
  TextWriter writer("thing", 1);
  writer.Line({a, b});
  const auto lines = ParseText("thing", 1, std::move(writer).Finish(), "f");
  RC_ASSERT(lines.ok());
  RC_ASSERT(*lines == (std::vector<TextLine>{{a, b}}));
}

TEST(TextFormat, CutAnywhereIsCorrupt) {
  const std::string text = Example();
  for (size_t length = 0; length < text.size(); ++length) {
    EXPECT_EQ(ParseText("thing", 2, text.substr(0, length), "f").code(), Code::kCorrupt) << length;
  }
}

// Nor is it taken for a newer version: what is damaged can be set aside, what is newer may not be.
TEST(TextFormat, AFlippedBitAnywhereIsCorrupt) {
  const std::string text = Example();
  for (size_t bit = 0; bit < text.size() * 8; ++bit) {
    std::string flipped = text;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_EQ(ParseText("thing", 2, flipped, "f").code(), Code::kCorrupt) << "bit " << bit;
  }
}

TEST(TextFormat, TheChecksumHasALineOfItsOwn) {
  const std::string body = "databus-thing 1\nword";
  EXPECT_EQ(ParseText("thing", 1, body + "end " + Hex32(Crc32c(body)) + "\n", "here").code(),
            Code::kCorrupt);
}

TEST(TextFormat, OlderIsReadAndNewerRefusedByName) {
  EXPECT_TRUE(ParseText("thing", 3, Example(), "f").ok());
  const auto newer = ParseText("thing", 1, Example(), "system/f");
  EXPECT_EQ(newer.code(), Code::kInvalid);
  EXPECT_EQ(newer.status().message(),
            "system/f: written by a newer Databus (databus-thing 2, this program reads up to 1)");
  EXPECT_EQ(ParseText("other", 2, Example(), "f").code(), Code::kCorrupt);
}

TEST(TextFormat, NumbersAreWholeWords) {
  EXPECT_EQ(*ParseNumber("18446744073709551615"), ~uint64_t{0});
  for (const std::string_view word : {"", "-1", "+1", " 1", "1 ", "x", "18446744073709551616"}) {
    EXPECT_FALSE(ParseNumber(word).ok()) << word;
  }
  EXPECT_EQ(Hex32(0xabc), "00000abc");
  EXPECT_EQ(*ParseHex32("00000abc"), 0xabcu);
  for (const std::string_view word : {"", "abc", "0x000abc", "-0000abc", "000000abc", "00000ABC"}) {
    EXPECT_FALSE(ParseHex32(word).ok()) << word;
  }
}

}  // namespace
}  // namespace databus
