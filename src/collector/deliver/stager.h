// From ranges of the spool to staged files under an intent: the first half of a delivery (P20). The
// files are durable in system/tmp/data/<collector>/ before the spool's cut names them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "collector/deliver/delivery.h"
#include "collector/deliver/intent_note.h"
#include "collector/seal/regroup.h"
#include "collector/seal/sealer.h"

namespace databus {

// Staged files begin with the spool's incarnation, so that a collector knows its own.
std::string StagedPrefix(const SpoolIdentity& identity);

// One thread at a time.
class Stager {
 public:
  Stager(const DeliverySeams& seams, const DeliverySettings& settings, DeliveryCounts& counts)
      : seams_(seams), settings_(settings), counts_(counts) {}

  // Makes one cut of the front of `ranges` (in this order, at most settings.cut_bytes in all), and
  // records it; a cut without ranges when none of them could be read. Not ok: no cut was made, and
  // what was staged is under no intent; but kStopped: the spool cannot say whether the cut was
  // made, and nothing may be cleaned or cut until a restart.
  Result<SpoolCut> Cut(const std::vector<SpoolRange>& ranges);

 private:
  struct Plan {
    const StreamMessages* stream;
    SealRange range;
    SealFormat format;
  };
  Result<std::vector<SpoolRange>> Read(const std::vector<SpoolRange>& ranges, Regrouped& regrouped);
  Result<SpoolIntent> Stage(const Plan& plan, uint64_t counter, const SpoolIdentity& identity);

  Status Write(const std::string& path, const SealedFile& file);
  Status WriteGathered();

  const DeliverySeams seams_;
  const DeliverySettings& settings_;
  DeliveryCounts& counts_;
  Sealer sealer_;
  std::vector<SmallFile> gathered_;  // sealed, and not written yet
};

}  // namespace databus
