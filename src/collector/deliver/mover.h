// From staged files to files in data/: the second half of a delivery (P20).
//
//            +---------------- name taken by another file: amend ---------------+
//            v                                                                  |
//   staged --rename--> delivered --announce, settle--> (forgotten)        (rename: exists)
//     ^  \                 ^
//     |   answer lost      | certainly absent from staging
//     |        v           |
//     +--- unknown --look--+        after a restart every intent is unknown
//
// An intent whose rename is refused stays staged, is reported, and is tried again; it stops nobody
// else (G11).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "collector/deliver/delivery.h"
#include "collector/deliver/intent_note.h"
#include "commit/cluster_id.h"

namespace databus {

enum class IntentState : uint8_t { kUnknown, kStaged, kDelivered };

// One thread at a time.
class Mover {
 public:
  Mover(const DeliverySeams& seams, const DeliverySettings& settings, DeliveryCounts& counts)
      : seams_(seams), settings_(settings), counts_(counts) {}

  // Takes charge of the sealed files of a cut.
  void Take(const SpoolCut& cut, IntentState state);

  // Brings every intent as far as it goes now. Not ok: the cluster did not answer (or the spool
  // could not record); try again later. kStopped: the spool
  // cannot know what it recorded, and has to be opened again.
  Status Run(const ClusterIdentity& cluster);

  // What looked delivered is looked at again at the next Run: the cluster has failed meanwhile, and
  // one that was mended may have forgotten a rename.
  void Doubt();

  // At the next Run staged files that are under no intent are removed. They are left by attempts
  // that failed, and by crashes.
  void SweepNext() { sweep_ = true; }

  bool idle() const { return intents_.empty(); }
  // Of the messages under an intent; nothing: there is none.
  std::optional<WallTime> OldestAccepted() const;
  // Adds one for each intent.
  void CountIntents(std::map<std::string, uint64_t>& intents) const;

 private:
  struct Tracked {
    SpoolIntent intent;
    IntentNote note;
    IntentState state = IntentState::kUnknown;
    BootTime not_before{};  // of the next rename
  };
  std::vector<Tracked*> Due();
  Status Look(const ClusterIdentity& cluster);
  Status Sweep(const std::vector<std::string>& names);
  Status MakeDirectories(const std::vector<Tracked*>& due);
  Status RenameDue();
  Status Collide(Tracked& tracked);
  Status AmendName(Tracked& tracked);
  Status Announce(const ClusterIdentity& cluster);
  Status Settle(const std::vector<Tracked*>& delivered);
  void Stuck(Tracked& tracked, const Status& why);
  static std::string ProblemKey(const Tracked& tracked);

  const DeliverySeams seams_;
  const DeliverySettings& settings_;
  DeliveryCounts& counts_;
  std::map<uint64_t, Tracked> intents_;  // by id
  std::set<std::string> streams_made_;   // whose directories in data/ are there, as far as we know
  bool sweep_ = true;
};

}  // namespace databus
