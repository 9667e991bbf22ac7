#include "base/settings.h"

#include <array>

#include <gtest/gtest.h>

namespace databus {
namespace {

TEST(NearestName, IsTheOneWithTheFewestSlips) {
  constexpr std::array<std::string_view, 3> kNames = {"port", "retry_interval", "retry_range"};
  EXPECT_EQ(NearestName("prot", kNames), "port");
  EXPECT_EQ(NearestName("retry_intervall", kNames), "retry_interval");
  EXPECT_EQ(NearestName("category", kNames), std::nullopt);
  EXPECT_EQ(NearestName("", std::span<const std::string_view>()), std::nullopt);
}

TEST(TrimmedLines, CountEveryLineAndDropBlanksCrlfAndByteOrderMark) {
  EXPECT_EQ(TrimmedLines("\xef\xbb\xbf a \r\n\n\tb"),
            (std::vector<std::string_view>{"a", "", "b"}));
  EXPECT_TRUE(TrimmedLines("").empty());
}

TEST(Quoted, ShowsUnprintableBytesAndCutsLongText) {
  EXPECT_EQ(Quoted(std::string_view("a\n\0\xff", 4)), "'a\\x0a\\x00\\xff'");
  EXPECT_EQ(Quoted(std::string(101, 'x')), "'" + std::string(100, 'x') + "...'");
}

TEST(Problems, StandInTheOrderOfLines) {
  Problems problems("f");
  EXPECT_TRUE(problems.ToStatus().ok());
  problems.Add(10, "b", "1", "2");
  problems.Add(9, "", "x", "y");
  problems.Add(0, "a", "nothing", "something");
  EXPECT_EQ(problems.ToStatus().code(), Code::kInvalid);
  EXPECT_EQ(problems.ToStatus().message(),
            "f: a: found nothing, expected something\n"
            "f:9: found x, expected y\n"
            "f:10: b: found 1, expected 2");
}

TEST(ParseSetting, KeepsToTheBounds) {
  const SettingSpec number{.name = "n", .kind = SettingKind::kNumber, .min = 2, .max = 4};
  EXPECT_EQ(ParseSetting(number, "2")->number, 2);
  EXPECT_EQ(ParseSetting(number, "4")->number, 4);
  for (const std::string_view text : {"1", "5", "", "2x", " 2", "0x2", "99999999999999999999"}) {
    EXPECT_FALSE(ParseSetting(number, text).ok()) << text;
  }
  const SettingSpec choice{.name = "c", .kind = SettingKind::kChoice, .choices = "yes|no"};
  EXPECT_TRUE(ParseSetting(choice, "yes")->IsYes());
  EXPECT_FALSE(ParseSetting(choice, "no")->IsYes());
  EXPECT_FALSE(ParseSetting(choice, "yes|no").ok());
  EXPECT_FALSE(ParseSetting(choice, "").ok());
}

}  // namespace
}  // namespace databus
