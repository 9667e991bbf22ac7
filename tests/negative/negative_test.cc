// Each bug that can be planted breaks a promise within a few seeds, or the simulator proves
// nothing. docs/planted-bugs.md lists them, and those that nothing catches yet.
#include <algorithm>
#include <map>
#include <optional>
#include <ostream>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/planted.h"
#include "sim/world.h"
#include "telemetry/log.h"

namespace databus::sim {
namespace {

using testing::Contains;

std::string NameOf(Bug bug) {
  for (const BugName& one : BugNames()) {
    if (one.bug == bug) return std::string(one.name);
  }
  return "None";
}

struct Case {
  Bug bug;
  std::set<std::string> promises;  // any of these may be the first that is seen broken
  uint64_t seeds;                  // 1 to this; at least three times what was needed
  Wanted wanted{.denials = Denials::kNone, .hadoop = Hadoop::kNone};  // in each of these seeds
};
void PrintTo(const Case& one, std::ostream* out) { *out << NameOf(one.bug); }

Wanted Telling(const char* story) {
  return {.story = story, .denials = Denials::kNone, .hadoop = Hadoop::kNone};
}
// What is denied to whom is drawn only where a bug is about that.
// What servers of HDFS do is drawn only where a bug is about that.
Wanted Serving(const char* story) {
  return {.story = story, .denials = Denials::kNone, .hadoop = Hadoop::kMany};
}
Wanted Denying(const char* story) {
  return {.story = story, .denials = Denials::kMany, .hadoop = Hadoop::kNone};
}

const std::vector<Case> kQuick = {
    {Bug::kWrongTreeAccepted, {"G10"}, 30, Telling("mount")},
    {Bug::kLeaseNeverExpires, {"G10"}, 30},
    {Bug::kEpochReused, {"G3", "G4", "G6", "G7", "G8", "G10"}, 30},
    {Bug::kNoFence, {"G3", "G7", "G8", "G10"}, 30},
    {Bug::kOvertakenGoesOn, {"G3", "G7", "G8", "G10"}, 30},
    {Bug::kFencedRemoved, {"G7", "G10"}, 30},
    {Bug::kOnlyNewestFenced, {"G10"}, 60},
    {Bug::kNoRecord, {"G3", "G5", "G6", "G10"}, 75},
    {Bug::kRecordBeforeStage, {"G2", "G3", "G5", "G6", "G10"}, 30},
    {Bug::kQueueBeforeFiles, {"G7", "G10", "P30"}, 30},
    {Bug::kCleanUpsBeforeMoves, {"G7", "G10"}, 30},
    {Bug::kQueueEntriesForgotten, {"G2", "G10", "P30"}, 30},
    {Bug::kGoesOnAfterFailure, {"G3", "G4", "G5", "G6", "G10"}, 30},
    {Bug::kNoSyncOfUnknownMoves, {"G5", "G6", "G7", "G10"}, 40, Telling("tree-power")},
    {Bug::kRecordsNotFinished, {"G3", "G5", "G6", "G7", "G10"}, 80},
    {Bug::kUnknownIsDone, {"G3", "G5", "G6", "G7", "G10"}, 50},
    {Bug::kRedoneUnderNewName, {"G3", "G6", "G10"}, 90},
    {Bug::kRecordUnverified, {"G2", "G7"}, 30, Telling("staged-bits")},
    {Bug::kClaimsRemoved, {"G7", "G10"}, 30},
    {Bug::kClaimsForgotten, {"G10"}, 30},
    {Bug::kClaimToView, {"G8", "G10"}, 30},
    {Bug::kUnreadableClaimDropped, {"G10"}, 100},
    {Bug::kUnknownIsRefused, {"G3", "G5", "G6", "G7", "G10"}, 50},
    {Bug::kClockNotCompared, {"P13"}, 30, Telling("clock")},
    {Bug::kMinuteInPlace, {"G8"}, 30},
    {Bug::kIdleHoles, {"G5", "G6"}, 30},
    {Bug::kCloseOnlyWithTraffic, {"G5", "G10"}, 30},
    {Bug::kNextBeforeClosed, {"G3", "G4", "G5", "G6", "G10", "P30"}, 30},
    {Bug::kOpenFilesForgotten, {"G3", "G4", "G6", "G10"}, 30},
    {Bug::kMirrorsOpenMinute, {"G6"}, 30},
    {Bug::kMirrorClosesUnequal, {"G6", "G7", "G10"}, 45},
    {Bug::kMirrorByOwnClock, {"G6", "G10"}, 30},
    {Bug::kMirrorByQueueOnly, {"G4", "G6", "G10"}, 30, Telling("queue-entry")},
    {Bug::kMirrorBeginsAtNewest, {"G7", "G10"}, 30},
    {Bug::kCounterReused, {"G3", "G7", "G10"}, 30},
    {Bug::kSameNameDropped, {"G6", "G7", "G10"}, 75},
    {Bug::kMergeWithoutIndex, {"G3"}, 60},
    {Bug::kIndexNotRebuilt, {"G3"}, 60},
    {Bug::kIndexWithoutOpen, {"G3"}, 60},
    {Bug::kIntentAfterRename, {"G3"}, 60},
    {Bug::kIntentSettledEarly, {"G10"}, 30},
    {Bug::kUnknownRenameDelivered, {"G10"}, 75},
    {Bug::kSweepsWanted, {"G10"}, 30},
    {Bug::kAnswerBeforeSync, {"G10"}, 30},
    {Bug::kNoDirSync, {"G10"}, 45},
    {Bug::kJournalNotSynced, {"G3", "G10"}, 30},
    {Bug::kFailedSyncTrusted, {"G10"}, 40},
    {Bug::kBrokenEndForgotten, {"G1", "G3", "G10"}, 60},
    {Bug::kRetiredGoesOn, {"G10"}, 30},
    {Bug::kTryLaterThoughKept, {"G1"}, 30},
    {Bug::kRefusedAnsweredOk, {"G10"}, 30},
    {Bug::kTailDropsLater, {"G10"}, 30, Telling("spool-bits")},
    {Bug::kLastFlushBelieved, {"G1", "G3", "G10"}, 40, Telling("unsynced")},
    {Bug::kMarksForgotten, {"G3"}, 40},
    {Bug::kMarkThoughRefused, {"G10"}, 30},
    {Bug::kRepeatAnsweredEarly, {"G10"}, 45},
    {Bug::kGapAccepted, {"G10"}, 50},
    {Bug::kUnansweredAcknowledged, {"G10"}, 30},
    {Bug::kResentUnderNewIdentity, {"G3"}, 30},
    {Bug::kQueueNamesRepeat, {"G7", "G10"}, 160},
    {Bug::kQueueCleanedEarly, {"G7", "G10"}, 30},
    {Bug::kUncopiedIsAbsent, {"G7", "G10"}, 60},
    {Bug::kUnreadEntryIsEmpty, {"G7", "G10"}, 60},
    {Bug::kFailedLinesSettled, {"G7", "G10"}, 30},
    {Bug::kNoFullScan, {"G10"}, 30},
    {Bug::kPendingForgotten,
     {"G3", "G10"},
     300,
     {.size = Size::kOrdinary, .denials = Denials::kNone, .hadoop = Hadoop::kNone}},
    {Bug::kEarlierMinute,
     {"G4", "G5"},
     30,
     {.size = Size::kOrdinary, .denials = Denials::kNone, .hadoop = Hadoop::kNone}},
    {Bug::kHandOverRenumbered, {"G3", "G10"}, 30, Telling("failback")},
    {Bug::kUnknownHandOverSettled, {"G10"}, 30, Telling("failback")},
    {Bug::kDeferredForgotten, {"G10"}, 30, Telling("failback")},
    {Bug::kDeferredRangeFreed, {"G10"}, 30, Telling("failback")},
    {Bug::kOldQueueForgotten, {"G10"}, 30, Telling("unplanned")},
    {Bug::kFrozenPublished, {"G2", "G4", "G6", "P30"}, 45, Telling("failover")},
    {Bug::kDrainNotAwaited, {"P30"}, 30, Telling("failover")},
    {Bug::kFrozenNotClosed, {"P30"}, 30, Telling("failover")},
    {Bug::kMirrorsNotAwaited, {"G6"}, 30, Telling("failover")},
    {Bug::kCatchUpNotAwaited, {"P35"}, 45, Telling("failback")},
    {Bug::kDivergentKept, {"G3", "G4", "G6", "G10"}, 30, Telling("return")},
    {Bug::kEraNotAwaited, {"G4", "G6", "G10"}, 30, Telling("return")},
    {Bug::kAlonePublished, {"P28"}, 60, Telling("return")},
    {Bug::kNothingSalvaged, {"G2", "G10"}, 30, Telling("unplanned")},
    {Bug::kDeniedMinutesAreNone, {"G3", "G4", "G5", "G6", "G10"}, 80, Denying("denied")},
    {Bug::kRefusedCleanedUp, {"G7", "G10"}, 40, Denying("denied")},
    {Bug::kRefusedForgotten, {"G7", "G10"}, 40, Denying("denied")},
    {Bug::kDeniedStagingIsEmpty, {"G2", "G10"}, 30, Denying("denied")},
    {Bug::kDeniedEntryIsEmpty, {"G7", "G10"}, 30, Denying("denied")},
    {Bug::kLateClaimForgotten, {"G3", "G7", "G10"}, 130, Serving("hadoop")},
};

// Those that need more seeds than a test in passing should take.
const std::vector<Case> kNightly = {
    {Bug::kLeaseIgnored, {"G10"}, 150},
    {Bug::kClaimAnswerLost, {"G3", "G10"}, 180},
    {Bug::kUnknownIsAbsent,
     {"G3", "G5", "G6", "G7", "G10"},
     110,
     {.size = Size::kOrdinary, .denials = Denials::kNone, .hadoop = Hadoop::kNone}},
    {Bug::kPendingNotRetried,
     {"G3", "G10"},
     45,
     {.size = Size::kOrdinary, .denials = Denials::kNone, .hadoop = Hadoop::kNone}},
    {Bug::kFailedListIsAbsent,
     {"G2", "G10"},
     120,
     {.size = Size::kOrdinary, .denials = Denials::kNone, .hadoop = Hadoop::kNone}},
    {Bug::kEpochAnswerLost,
     {"G3", "G7", "G10"},
     180,
     {Size::kOrdinary, "taking", Denials::kNone, Hadoop::kNone}},
    {Bug::kFenceNotChecked,
     {"G3", "G7", "G10"},
     180,
     {Size::kOrdinary, "sleep", Denials::kNone, Hadoop::kNone}},
    {Bug::kNoManifest,
     {"G3", "G10"},
     120,
     {Size::kOrdinary, "take-overs", Denials::kNone, Hadoop::kNone}},
    {Bug::kAmendmentRemovedFirst,
     {"G3", "G7", "G10"},
     430,
     {.story = "unplanned", .denials = Denials::kMany, .hadoop = Hadoop::kMany}},
    {Bug::kUnknownTakeRepeated,
     {"G3", "G4", "G6", "G7", "G10"},
     510,
     {.story = "unplanned", .hadoop = Hadoop::kMany}},
    {Bug::kDeniedFlowIsNone, {"P30"}, 130, Denying("failover")},
    {Bug::kPurgedByAge,
     {"G9"},
     30,
     {.size = Size::kHours, .denials = Denials::kNone, .hadoop = Hadoop::kNone}},
};

class NegativeTest : public testing::TestWithParam<Case> {
 protected:
  static void SetUpTestSuite() { static_cast<void>(StartLog({.level = LogLevel::kError})); }
  void TearDown() override { Plant(Bug::kNone); }
};

TEST_P(NegativeTest, APlantedBugBreaksAPromise) {
  Plant(GetParam().bug);
  for (uint64_t seed = 1; seed <= GetParam().seeds; ++seed) {
    const Outcome outcome = Simulate(DrawScenario(seed, GetParam().wanted));
    if (!outcome.violation) continue;
    EXPECT_THAT(GetParam().promises, Contains(outcome.violation->promise))
        << "seed " << seed << ": " << outcome.violation->what << " " << outcome.violation->path;
    RecordProperty("seed", static_cast<int>(seed));
    return;
  }
  FAIL() << GetParam().seeds << " seeds broke nothing";
}

const auto kNameOfCase = [](const testing::TestParamInfo<Case>& info) {
  return NameOf(info.param.bug);
};
INSTANTIATE_TEST_SUITE_P(Quick, NegativeTest, testing::ValuesIn(kQuick), kNameOfCase);
INSTANTIATE_TEST_SUITE_P(Nightly, NegativeTest, testing::ValuesIn(kNightly), kNameOfCase);

TEST(NegativeCleanTest, TheSameSeedsBreakNothingWithoutABug) {
  // Seeds, by what is wanted.
  using Drawn = std::tuple<std::optional<Size>, std::string, Denials, Hadoop>;
  std::map<Drawn, uint64_t> most;
  for (const Case& one : kQuick) {
    const Wanted& w = one.wanted;
    uint64_t& seeds = most[{w.size, w.story, w.denials, w.hadoop}];
    seeds = std::max(seeds, one.seeds);
  }
  for (const auto& [wanted, seeds] : most) {
    const auto& [size, story, denials, hadoop] = wanted;
    for (uint64_t seed = 1; seed <= seeds; ++seed) {
      const Outcome outcome = Simulate(DrawScenario(seed, {size, story, denials, hadoop}));
      ASSERT_FALSE(outcome.violation)
          << "seed " << seed << ", story '" << story << "': " << outcome.violation->promise << " "
          << outcome.violation->what;
    }
  }
}

}  // namespace
}  // namespace databus::sim
