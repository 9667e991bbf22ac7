// The facts of heartbeats that other processes and commands act on: who says them, and what they
// mean. Written and read by these names only. A process that is older than a fact does not say it,
// and what is not said is not known: never 0, never "none".
#pragma once

namespace databus::facts {

// Of every process.
inline constexpr const char* kProgram = "program";                 // its version, for people
inline constexpr const char* kSteering = "steering";               // cluster/steering.h
inline constexpr const char* kTopologyEpoch = "topology_epoch";    // that it obeys
inline constexpr const char* kTopologyDigest = "topology_digest";  // of that epoch

// Of a collector.
inline constexpr const char* kHomeCluster = "cluster";  // whose it is, also in another's tree
inline constexpr const char* kAddress = "address";      // HOST:PORT where others reach it
inline constexpr const char* kPort = "port";            // where it listens
inline constexpr const char* kAllow = "allow";          // who may send: CIDR list; "": everybody
inline constexpr const char* kMode = "mode";            // by stream: deliver, spool, redirect
inline constexpr const char* kIncarnation = "incarnation";  // of its spool (P17)
// By incarnation of spools of this name, this one last: the deliveries that had begun in it.
inline constexpr const char* kSpools = "spools";
inline constexpr const char* kMarks = "marks";   // by sender's incarnation: received up to there
inline constexpr const char* kLagMs = "lag_ms";  // age of the oldest message in its spool
inline constexpr const char* kSpoolBytes = "spool_bytes";  // accepted, and not delivered
// Of those, what came before kTopologyEpoch was taken up.
inline constexpr const char* kSpoolBytesBeforeEpoch = "spool_bytes_before_epoch";
inline constexpr const char* kFreeBytes = "free_bytes";      // of the disk of its spool
inline constexpr const char* kOpenIntents = "open_intents";  // deliveries under way
// By stream, what the spool holds of it: kUnsealedBytes, kDeferredBytes, kOpenIntents.
inline constexpr const char* kBacklog = "backlog";
inline constexpr const char* kUnsealedBytes = "unsealed_bytes";
inline constexpr const char* kDeferredBytes = "deferred_bytes";
// More than 0 of any: it tells of messages which may never come, or twice (telemetry/told_loss.h).
inline constexpr const char* kMissingSegments = "missing_segments";
inline constexpr const char* kDamagedFiles = "damaged_files";
inline constexpr const char* kRenewed = "renewed";  // 1: nobody has looked yet after that (P17)
// In the problems that say more of that.
inline constexpr const char* kGoneFromSpool = "gone from the spool";
inline constexpr const char* kDamagedPieces = "damaged pieces of the spool";
inline constexpr const char* kOlderCopy = "the spool was an older copy of itself";

// Of a worker.
inline constexpr const char* kRunIntervalMs = "run_interval_ms";
inline constexpr const char* kLeaseHolder = "lease_holder";  // as far as it knows
inline constexpr const char* kLeaseIn = "lease_in";          // where it looks: Lease::Where
// Of one that works on some groups: "groups", a list of them, as far as it has looked at their
// merged streams since it holds them, and "of", how many there are. Who does not say it and works,
// works on all.
inline constexpr const char* kShare = "share";
inline constexpr const char* kClusterIds = "cluster_ids";  // of the clusters it has seen, by name
inline constexpr const char* kFrozen =
    "frozen";  // P30: by stream, its last minute; "": it has none
inline constexpr const char* kDivergent = "divergent";  // P32: by stream, what is being put right

}  // namespace databus::facts
