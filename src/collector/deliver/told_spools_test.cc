// What is carried on from heartbeat to heartbeat of the spools of one name.
#include "collector/deliver/told_spools.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "telemetry/facts.h"

namespace databus {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

// Names that do not sort in the order in which they are told.
std::string NameOf(size_t i) { return "incarnation-" + std::to_string(99 - i); }

ToldSpools Told(size_t count) {
  ToldSpools told;
  for (size_t i = 0; i < count; ++i) told = TellSpool(std::move(told), NameOf(i), i + 1);
  return told;
}

ToldSpools ReadFact(nlohmann::ordered_json fact) {
  Heartbeat heartbeat;
  heartbeat.facts[facts::kSpools] = std::move(fact);
  return ReadToldSpools(heartbeat);
}

TEST(ToldSpoolsTest, TheOldestIsDroppedBeyondTheLimit) {
  ToldSpools told = Told(kToldSpoolsMax);
  ASSERT_EQ(told.size(), kToldSpoolsMax);
  EXPECT_EQ(LastToldOf(told, NameOf(0)), 1U);
  told = TellSpool(std::move(told), "newest", 77);
  ASSERT_EQ(told.size(), kToldSpoolsMax);
  EXPECT_EQ(LastToldOf(told, NameOf(0)), 0U);
  for (size_t i = 1; i < kToldSpoolsMax; ++i) {
    EXPECT_THAT(told[i - 1], Pair(NameOf(i), i + 1));
  }
  EXPECT_THAT(told.back(), Pair("newest", 77U));
}

TEST(ToldSpoolsTest, OneThatIsToldAgainIsTheNewestAndItsNumberNeverFalls) {
  ToldSpools told = TellSpool(Told(kToldSpoolsMax), NameOf(0), 50);
  EXPECT_EQ(told.size(), kToldSpoolsMax);
  EXPECT_THAT(told.back(), Pair(NameOf(0), 50U));
  told = TellSpool(std::move(told), NameOf(0), 3);
  EXPECT_THAT(told.back(), Pair(NameOf(0), 50U));
  told = TellSpool(std::move(told), "newest", 1);
  EXPECT_EQ(LastToldOf(told, NameOf(0)), 50U);
  EXPECT_EQ(LastToldOf(told, NameOf(1)), 0U);
}

TEST(ToldSpoolsTest, WhatIsToldIsReadInTheSameOrder) {
  const ToldSpools told = Told(kToldSpoolsMax);
  EXPECT_EQ(ReadFact(ToJson(told)), told);
}

TEST(ToldSpoolsTest, WhatIsNotAsItIsWrittenIsNotTold) {
  EXPECT_THAT(ReadToldSpools(Heartbeat{}), IsEmpty());
  for (const char* fact : {"null", "7", "\"a\"", "[1, 2]", "{}"}) {
    EXPECT_THAT(ReadFact(nlohmann::ordered_json::parse(fact)), IsEmpty()) << fact;
  }
  const auto odd = nlohmann::ordered_json::parse(
      R"({"a": -1, "b": 2, "c": "3", "d": 4.5, "e": null, "f": [6], "g": {"g": 7}, "h": true,
          "0": 18446744073709551615})");
  EXPECT_THAT(ReadFact(odd), ElementsAre(Pair("b", 2U), Pair("0", UINT64_MAX)));
}

}  // namespace
}  // namespace databus
