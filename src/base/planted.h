// Planted bugs: each removes one rule of the protocol (docs/protocol.md) or brings back a known
// mistake, so that the simulator's checkers can be seen to catch it (tests/negative). Only the
// `sim` preset has them; anywhere else Planted is constant false and costs nothing.
//
//   if (!Planted(Bug::kNoFence)) DATABUS_RETURN_IF_ERROR(FenceOlder(...));
#pragma once

#include <cstdint>
#ifdef DATABUS_SIM
#include <span>
#include <string_view>
#endif

namespace databus {

// In the order of the rules; each with its rule and what is wrong.
enum class Bug : uint8_t {
  kNone,
  kWrongTreeAccepted,      // P1: a tree with another cluster-id is believed
  kLeaseIgnored,           // P2: a standby works without the lease
  kLeaseNeverExpires,      // P2: a silent holder's lease is never taken over
  kEpochReused,            // P3: a holder goes on in the directory of the one before
  kEpochAnswerLost,        // P3: an epoch whose rename has no answer is taken for one's own
  kFencedNotCounted,       // P4: fenced names do not count when the next epoch is chosen
  kNoFence,                // P4: a new holder does not rename the older staging directories away
  kOvertakenGoesOn,        // P4: a holder that sees a higher epoch goes on
  kEpochsListedAsNone,     // P4: a listing of epochs that fails is taken for an empty one
  kFenceNotChecked,        // P5: what is gone from the own staging is done, staging or not
  kFencedRemoved,          // P6: fenced directories are removed recursively
  kOnlyNewestFenced,       // P6: only the newest fenced directory is emptied
  kNewestFirst,            // P6: fenced directories are emptied newest first
  kNoRecord,               // P7: moves are made without a record
  kRecordBeforeStage,      // P7: the record stands before what it names is staged
  kStagedNumbersReused,    // P7: numbers of adopted files are given again
  kQueueBeforeFiles,       // P8: queue entries are moved before the files that they name
  kManifestBeforeMoves,    // P8: a manifest is moved before the minutes and files
  kCleanUpsBeforeMoves,    // P8: sources and queue entries go before the moves are made
  kQueueEntriesForgotten,  // P8: a record's queue entries are not moved
  kGoesOnAfterFailure,     // P8: a writer goes on after a commit that failed, without recovery
  kNoSyncOfUnknownMoves,   // P8: clean-ups do not wait for the sync after a move of unknown outcome
  kRecordsNotFinished,     // P8: a taker does not apply the records that it finds
  kUnknownIsDone,          // P9: a move without answer counts as made
  kUnknownIsAbsent,        // P9: a source that cannot be looked at counts as gone
  kExistsIsDone,           // P9: a destination that exists counts as moved
  kRedoneUnderNewName,     // P9: a move whose answer was lost is made again under another name
  kRecordUnverified,       // P10: what a record names is published unseen
  kClaimsRemoved,          // P10: claims without record are removed
  kClaimsForgotten,        // P10: adopted claims are never published
  kClaimToView,            // P10: a file goes from data/ to the view without staging
  kUnreadableClaimDropped,  // P10: a claim that cannot be read now is left out for ever
  kClaimAnswerLost,         // P10: a claim without answer counts as not made
  kUnknownIsRefused,        // P11: a move without answer counts as refused
  kRefusedCleanedUp,        // P11: the queue lines of copies that were refused go
  kRefusedForgotten,        // P11: claims that a view refused are not tried again
  kPendingForgotten,        // P12: clean-ups that cannot be done now are forgotten
  kPendingDropped,          // P12: a taker drops the lists of pending clean-ups
  kPendingNotRetried,       // P12: pending clean-ups wait for a take-over
  kEarlierMinute,           // P13: the clock's minute is taken though a later one exists
  kClockNotCompared,        // P13: the clock is believed whatever the cluster's says
  kMinuteInPlace,           // P14: a minute is made by mkdir in place
  kIdleHoles,               // P14: idle streams get no empty minutes
  kCloseOnlyWithTraffic,    // P14: groups without new files are left alone
  kNextBeforeClosed,        // P15: files go to the next minute before the one before is closed
  kNoManifest,              // P15: minutes are closed without a manifest
  kOpenFilesForgotten,      // P15: a taker forgets what the open minute holds already
  kMirrorsOpenMinute,       // P16: a mirror does not wait for the primary's manifest
  kMirrorClosesUnequal,     // P16: a mirror closes a minute that differs from the primary's
  kMirrorByOwnClock,        // P16: a mirror publishes into its own clock's minute
  kMirrorByQueueOnly,       // P16: a mirror copies only what the queue names
  kMirrorBeginsAtNewest,    // P16: a mirror begins with the newest minute
  kCounterReused,           // P17: counters are not made durable before use
  kSameNameDropped,         // P18: another file of the same name counts as the same
  kMergeWithoutIndex,       // P19: nothing tells whether a queue line was merged before
  kIndexNotRebuilt,         // P19: the index is not extended after a take-over
  kIndexWithoutOpen,        // P19: the index lacks the open minute's files after a take-over
  kIntentAfterRename,       // P20: the intent is written after the rename into data/
  kIntentSettledEarly,      // P20: an intent is settled before the rename
  kRangeFreedEarly,         // P20: a range is freed before its intents are settled
  kUnknownRenameDelivered,  // P20: a delivery without answer counts as made
  kFailedListIsAbsent,      // P20: a staging that cannot be listed counts as empty
  kSweepsWanted,            // P20: files under an intent are swept
  kAnswerBeforeSync,        // P20: a batch is acknowledged before fdatasync
  kNoDirSync,               // P20: a segment's name is not synced
  kJournalNotSynced,        // P20: the spool's journal is not synced
  kFailedSyncTrusted,       // P21: a failed sync is tried again and believed
  kBrokenEndForgotten,      // P21: the end of a segment after a failed write is not recorded
  kRetiredGoesOn,           // P21: a call whose fate is unknown is answered instead of closed
  kTryLaterThoughKept,      // P21: TRY_LATER is answered for a batch that is kept
  kRefusedAnsweredOk,       // P21: OK is answered for a batch that is not kept
  kTailDropsLater,          // P21: what follows a damaged record is dropped
  kLastFlushBelieved,       // P21: the last flush of a killed run is believed as it lies there
  kMarksForgotten,          // P22: batch marks are not restored
  kMarkThoughRefused,       // P22: a batch that was not kept counts as seen
  kRepeatAnsweredEarly,     // P22: a repeat is acknowledged before the first is durable
  kGapAccepted,             // P22: a batch is taken though an earlier one is missing
  kUnansweredAcknowledged,  // P22: a publisher takes a broken connection for an acknowledgement
  kResentUnderNewIdentity,  // P22: a publisher sends again under another identity
  kHandOverRenumbered,      // P22: after a restart batches of a hand-over get new numbers
  kUnknownHandOverSettled,  // P22: a hand-over without answer counts as made
  kDeferredForgotten,       // P22: streams that were held back are forgotten at a restart
  kDeferredRangeFreed,      // P22: a range is freed though a stream of it is held back
  kQueueNamesRepeat,        // P23: queue entries are named without the epoch
  kQueueCleanedEarly,       // P24: a queue entry goes before all its lines are merged
  kUncopiedIsAbsent,        // P24: a copy that fails counts as a line whose file is absent
  kUnreadEntryIsEmpty,      // P24: a queue entry that cannot be read counts as empty
  kFailedLinesSettled,      // P24: lines of a commit that failed count as merged
  kNoFullScan,              // P25: only announced files are found
  kPurgedByAge,             // P26: retention looks at age only
  kCutIgnored,              // P13: a new primary publishes into minutes of the one before
  kOldQueueForgotten,       // P31: queue lines for a former primary stay where they are
  kFrozenPublished,         // P30: a frozen stream is published on
  kDrainNotAwaited,         // P30: the old primary is frozen whatever is still on its way to it
  kFrozenNotClosed,         // P30: a freeze is acknowledged before the last minute is closed
  kMirrorsNotAwaited,       // P30: roles are swapped before the mirrors have all
  kCatchUpNotAwaited,       // P35: a failback goes on before the mirrors have caught up
  kDivergentKept,           // P32: a mirror keeps what its primary has not got
  kMirrorsNotAsked,         // P32: a new primary does not copy what other mirrors have beyond it
  kEraNotAwaited,           // P32: a mirror compares before its new primary has begun
  kNothingSalvaged,         // P34: only queues say what is to be merged after a change of primary
  kAlonePublished,          // P28: a cut-off primary publishes streams that are to wait
  kDemotedRecordFinished,   // P33: a record of a stream that moved away is finished
  kDeniedMinutesAreNone,    // P13: minutes that may not be listed count as none
  kDeniedStagingIsEmpty,    // P20: a staging that may not be listed counts as empty
  kDeniedEntryIsEmpty,      // P24: a queue entry that may not be read counts as empty
  kAmendmentRemovedFirst,   // P11: an amendment goes before the record that it amends
  kLateClaimForgotten,      // P10: a claim without answer that is not there yet counts as not made
  kUnknownTakeRepeated,     // P32: a take of unknown outcome is made again by the same epoch
  kDeniedFlowIsNone,        // P30: what may not be looked at is not on its way to the old primary
};

#ifdef DATABUS_SIM
// Whether this one is in the program at present.
bool Planted(Bug bug);
// Puts it in, instead of the one before. Not thread-safe.
void Plant(Bug bug);

struct BugName {
  Bug bug;
  std::string_view name;  // "NoFence"
  std::string_view rule;  // "P4"
};
// All but kNone.
std::span<const BugName> BugNames();
#else
constexpr bool Planted(Bug /*bug*/) { return false; }
#endif

}  // namespace databus
