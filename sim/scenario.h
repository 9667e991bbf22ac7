// What one seed simulates: an installation, its traffic, and what goes wrong when. A value that can
// be printed and made smaller; everything else of a run follows from it and the seed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/fibers.h"
#include "cluster/paths.h"
#include "cluster/topology.h"
#include "sim/trigger.h"
#include "storage/fault/denial.h"

namespace databus::sim {

using fibers::SimTime;

struct ClusterPlan {
  std::string name;
  uint32_t groups = 0;  // 0: the worker initialises the tree itself
};

struct CollectorPlan {
  std::string host;
  std::string name;  // in paths; collectors of other clusters may have the same
  size_t cluster = 0;
  std::string config;  // a scribe.conf
};

struct WorkerPlan {
  std::string host;
  size_t site = 0;     // the data centre it runs in
  std::string config;  // a databus.cfg
};

enum class ClientKind : uint8_t {
  kPublisher,  // ours: batches with an identity, sent again until they are acknowledged
  kPlain,      // any Scribe client that never sends a message twice
};

struct ProducerPlan {
  ClientKind kind = ClientKind::kPublisher;
  size_t collector = 0;
  std::vector<std::string> streams;
  SimTime pause_max{};  // between two bursts
  uint32_t burst_max = 1;
};

// What an operator does with the commands of the program.
enum class Deed : uint8_t {
  kFailOver,  // planned
  kGiveUp,    // unplanned: `from` is lost; accepts what that may cost
  kFailBack,  // brings `to` back
  kResume,    // goes on with what somebody has left
  kAbort,
  kEdit,   // topology apply: adds a stream
  kSpool,  // topology mode: the collectors of `from` spool for a while
};
std::string_view DeedName(Deed deed);

struct OperatorTask {
  Deed deed = Deed::kFailOver;
  SimTime at{};  // not before, nor before the one before is done
  std::string from{};
  std::string to{};
};

struct OperatorPlan {
  std::string host;
  size_t site = 0;  // the data centre from where the clusters are seen
  std::vector<OperatorTask> tasks;
};

enum class IncidentKind : uint8_t {
  kKill,         // a process dies
  kPowerCut,     // and its machine loses what was not synced
  kPause,        // a process sleeps
  kRestart,      // an operator stops it and starts it again
  kNetworkCut,   // frames to and from a collector vanish; amount: 0 all, 1 those to it, 2 from it
  kUnreachable,  // a site cannot reach a cluster
  kAnswersLost,  // its requests arrive, the answers do not
  kDiskFull,     // a collector's spool disk
  kSyncFails,    // one sync of a collector's disk
  kTreeFull,     // a cluster refuses to write
  kClockStep,    // a machine's wall clock is set
  kClockDrift,
  kOneCall,      // nothing but the answer of its step
  kHintLost,     // the announcement or queue entry of its step is lost after it was written
  kBitFlip,      // in a segment of a collector's spool
  kStagedFlip,   // in a record, or in a claimed file that it names, as its step puts it in place
  kWrongMount,   // another cluster's tree, or an empty disk, is where a collector's should be
  kTreeCut,      // power cut of a cluster and of the workers beside it
  kReconfigure,  // an operator changes a process's settings and starts it again; amount: seconds
  kSiteCut,      // a data centre and the others cannot reach each other
  kSiteDown,     // and its processes are dead; amount: 1 power cut
  kDenied,       // `who`, or everybody, may not read or change what is below a directory
  // Of a cluster, to everybody (sim/hadoop.h).
  kNameNode,     // fails over: nobody is answered; what arrives is done, or not, or later
  kSafeMode,     // changes nothing for now, and can be read
  kNoDataNodes,  // names work, nothing can be written into a file
  kUnreadable,   // names work, what is in the files below a directory cannot be read
  kQuota,        // of a directory is used up: nothing new comes below it
};
inline constexpr int kIncidentKinds = 27;
inline constexpr int kIncidentKindsAnyTime = 12;  // the others need a step
std::string_view IncidentName(IncidentKind kind);

struct Incident {
  IncidentKind kind = IncidentKind::kKill;
  SimTime at{};
  SimTime lasts{};
  size_t who = 0;      // a process (collectors, workers, operators), or the site
  size_t cluster = 0;  // that is unreachable or full
  uint64_t calls = 0;  // kKill, kPowerCut: at its n-th seam call from then on
  int64_t amount = 0;  // of a step (ms) or drift (ppm), or which way a cut goes
  Trigger trigger{};   // waits for this, from `at` on
  Denial denial{};     // of kDenied; its directory also of kUnreadable and kQuota
  bool everybody = false;

  std::string ToString() const;
};

// Of a storage call, in a million.
struct Rates {
  uint64_t answer_lost = 0;
  uint64_t request_lost = 0;
  uint64_t no_space = 0;
  uint64_t slow = 0;        // takes seconds
  uint64_t stale_list = 0;  // is answered later than it was looked at
  uint64_t connection_breaks = 0;
  uint64_t late = 0;  // its caller is told "unknown", and it is done later
};

// What the clocks of the clusters say when a run begins.
WallTime SimulatedStart();

// What a seed amounts to at least, or it proves too little.
inline constexpr uint64_t kSeamCallsMin = 5'000;
inline constexpr size_t kClustersMin = 2;
inline constexpr std::chrono::minutes kSimulatedMin{10};

// Most seeds are small, so that many can be run; each finds what the others are too small, too
// slow or too short for.
enum class Size : uint8_t {
  kCompact,   // ten minutes of a small installation
  kOrdinary,  // of a busy one
  kHours,     // long enough for retention and purge
};
inline constexpr size_t kSizes = 3;
std::string_view SizeName(Size size);

// A consumer of a stream.
struct ReaderPlan {
  size_t cluster = 0;
  View view = View::kLocal;
  std::string stream;
  SimTime pause{};  // between two polls
};

struct Scenario {
  uint64_t seed = 0;
  Size size = Size::kCompact;
  SimTime duration{};       // with faults; longer if it takes longer to make so many calls:
  SimTime simulated_min{};  // in all
  uint64_t seam_calls_min = 0;
  SimTime settle_within{};  // G10: everything due is visible so soon after the last fault
  std::vector<ClusterPlan> clusters;
  std::string topology_xml;
  Topology topology;
  std::vector<CollectorPlan> collectors;
  std::vector<WorkerPlan> workers;
  std::vector<ProducerPlan> producers;
  std::vector<ReaderPlan> readers;
  std::vector<OperatorPlan> operators;
  SimTime operators_within{};  // faults stopped so long ago: what they do has ended
  Rates rates;
  std::vector<Incident> incidents;

  std::string ToString() const;
};

// Whether directories are denied to processes (sim/denials.h).
enum class Denials : uint8_t {
  kNone,  // seeds are as before there were any
  kDrawn,
  kMany,
};

// Whether servers behave as those of HDFS do and a local tree does not (sim/hadoop.h).
enum class Hadoop : uint8_t {
  kNone,  // seeds are as before there was any
  kDrawn,
  kMany,
};

// What is not drawn.
struct Wanted {
  std::optional<Size> size{};
  // One of StoryNames() (sim/correlated.h) or TaleNames() (sim/tales.h), or kDenialStory
  // (sim/denials.h), or kHadoopStory (sim/hadoop.h); empty: only what is drawn.
  std::string story{};
  Denials denials = Denials::kDrawn;
  Hadoop hadoop = Hadoop::kDrawn;
  // Each cluster has two or three workers that share its groups (docs/decisions/0013).
  bool share = false;
};
Scenario DrawScenario(uint64_t seed, const Wanted& wanted = {});

}  // namespace databus::sim
