#include "base/minute.h"

#include <chrono>
#include <optional>
#include <string>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace databus {
namespace {

constexpr int64_t kLastMinute = 4'223'371'679;  // 9999-12-31T23:59Z

rc::Gen<Minute> AnyMinute() {
  return rc::gen::map(rc::gen::inRange<int64_t>(0, kLastMinute + 1),
                      [](int64_t since_epoch) { return Minute(since_epoch); });
}

TEST(MinuteTest, FormatsAreTheDocumentedOnes) {
  const auto minute = Minute::ParseIso("2031-05-06T10:04Z");
  ASSERT_TRUE(minute.has_value());
  EXPECT_EQ(minute->ToIso(), "2031-05-06T10:04Z");
  EXPECT_EQ(minute->ToPath(), "2031/05/06/10/04");
  EXPECT_EQ(minute->ToHourPath(), "2031/05/06/10");
  EXPECT_EQ(minute->ToDashed(), "2031-05-06-10-04");
}

TEST(MinuteTest, TheEndsOfTheRangeAreTheDocumentedOnes) {
  EXPECT_EQ(Minute(0).ToIso(), "1970-01-01T00:00Z");
  EXPECT_EQ(Minute(kLastMinute).ToIso(), "9999-12-31T23:59Z");
}

RC_GTEST_PROP(MinuteTest, EveryFormatRoundTrips, ()) {
  const Minute minute = *AnyMinute();
  RC_ASSERT(Minute::ParseIso(minute.ToIso()) == minute);
  RC_ASSERT(Minute::ParsePath(minute.ToPath()) == minute);
  RC_ASSERT(Minute::ParseDashed(minute.ToDashed()) == minute);
}

RC_GTEST_PROP(MinuteTest, TextSortsAsTimeDoes, ()) {
  const Minute a = *AnyMinute();
  const Minute b = *AnyMinute();
  RC_ASSERT((a < b) == (a.ToPath() < b.ToPath()));
  RC_ASSERT((a < b) == (a.ToDashed() < b.ToDashed()));
}

RC_GTEST_PROP(MinuteTest, OfIsTheMinuteThatHoldsTheTime, ()) {
  const Minute minute = *AnyMinute();
  const auto within = std::chrono::milliseconds(*rc::gen::inRange(0, 60'000));
  RC_ASSERT(Minute::Of(minute.Start() + within) == minute);
  RC_ASSERT(Minute::Of(minute.End()) == minute.Next());
}

TEST(MinuteTest, WhatIsNotExactlyAMinuteIsRefused) {
  for (const char* text :
       {"", "2031-05-06T10:04", "2031-05-06T10:04z", "2031-05-06 10:04Z", "2031-5-06T10:04Z",
        "2031-05-06T10:04ZZ", "2031-13-06T10:04Z", "2031-02-29T10:04Z", "2031-05-06T24:00Z",
        "2031-05-06T10:60Z", "1969-12-31T23:59Z", "-031-05-06T10:04Z", "2031-05-06T10:+4Z"}) {
    EXPECT_EQ(Minute::ParseIso(text), std::nullopt) << text;
  }
  for (const char* text :
       {"2031/05/06/10", "2031-05-06-10-04", "2031/05/06/10/04/", "2031/02/30/0/4"}) {
    EXPECT_EQ(Minute::ParsePath(text), std::nullopt) << text;
  }
  EXPECT_EQ(Minute::ParseDashed("2031/05/06/10/04"), std::nullopt);
}

TEST(MinuteTest, LeapDaysAreDays) {
  const auto leap = Minute::ParseIso("2032-02-29T00:00Z");
  ASSERT_TRUE(leap.has_value());
  EXPECT_EQ((*leap + 24 * 60).ToIso(), "2032-03-01T00:00Z");
}

}  // namespace
}  // namespace databus
