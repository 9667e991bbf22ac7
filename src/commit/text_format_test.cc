#include "cluster/text_format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "base/crc32c.h"

namespace databus {
namespace {

using ::testing::HasSubstr;

RC_GTEST_PROP(TextFormatTest, AnyWordsComeBack, ()) {
  const auto lines = *rc::gen::container<std::vector<std::tuple<std::string, std::string>>>(
      rc::gen::arbitrary<std::tuple<std::string, std::string>>());
  TextWriter writer("thing", 3);
  std::vector<TextLine> written;
  for (const auto& [first, second] : lines) {
    writer.Line({first, second});
    written.push_back({first, second});
  }
  const auto read = ParseText("thing", 3, std::move(writer).Finish(), "here");
  RC_ASSERT(read.ok());
  RC_ASSERT(*read == written);
}

TEST(TextFormatTest, NewerVersionsAreRefusedByNameAndOlderOnesRead) {
  EXPECT_TRUE(ParseText("thing", 3, TextWriter("thing", 2).Finish(), "here").ok());
  const auto newer = ParseText("thing", 3, TextWriter("thing", 4).Finish(), "here");
  EXPECT_EQ(newer.code(), Code::kInvalid);
  EXPECT_THAT(newer.status().message(), HasSubstr("here: written by a newer Databus"));
}

TEST(TextFormatTest, OtherKindsCutAndDamagedTextsAreRefused) {
  TextWriter writer("thing", 1);
  writer.Line({"a", "b"});
  const std::string text = std::move(writer).Finish();
  EXPECT_EQ(ParseText("other", 1, text, "here").code(), Code::kCorrupt);
  for (size_t length = 0; length < text.size(); ++length) {
    EXPECT_FALSE(ParseText("thing", 1, text.substr(0, length), "here").ok()) << length;
  }
  for (size_t i = 0; i < text.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = text;
      damaged[i] = static_cast<char>(damaged[i] ^ (1 << bit));
      const auto read = ParseText("thing", 1, damaged, "here");
      EXPECT_TRUE(!read.ok() || *read == std::vector<TextLine>({{"a", "b"}})) << i;
    }
  }
}

}  // namespace
}  // namespace databus
