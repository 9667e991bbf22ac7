#include "telemetry/iso_time.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace databus {
namespace {

TEST(IsoTimeTest, AMomentHasMillisecondsAndIsUtc) {
  EXPECT_EQ(ToIsoMs(WallTime{}), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(ToIsoMs(WallTime(Milliseconds(1'935'828'245'678))), "2031-05-06T10:04:05.678Z");
}

RC_GTEST_PROP(IsoTimeTest, WhatWasWrittenIsReadBack, ()) {
  const WallTime time(Milliseconds(*rc::gen::inRange<int64_t>(0, 253'402'300'799'999)));
  RC_ASSERT(ParseIsoMs(ToIsoMs(time)) == time);
}

TEST(IsoTimeTest, NothingElseIsAMoment) {
  for (const char* text :
       {"", "2031-05-06T10:04:05Z", "2031-05-06T10:04:60.000Z", "2031-05-06T10:04:05.67xZ",
        "2031-13-06T10:04:05.678Z", "2031-05-06T10:04:05.678+", "2031-05-06 10:04:05.678Z"}) {
    EXPECT_EQ(ParseIsoMs(text), std::nullopt) << text;
  }
}

TEST(IsoTimeTest, SpansReadAsPeopleSayThem) {
  using std::chrono::seconds;
  EXPECT_EQ(ToHuman(Milliseconds(850)), "850 ms");
  EXPECT_EQ(ToHuman(Milliseconds(4'270)), "4.2 s");
  EXPECT_EQ(ToHuman(seconds(200)), "3 min 20 s");
  EXPECT_EQ(ToHuman(seconds(7500)), "2 h 5 min");
  EXPECT_EQ(ToHuman(seconds(3 * 86400 + 4 * 3600)), "3 d 4 h");
  EXPECT_EQ(ToHuman(Milliseconds(-5)), "-5 ms");
}

}  // namespace
}  // namespace databus
