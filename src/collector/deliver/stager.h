// From ranges of the spool to staged files: the first half of a delivery (P20). The files are
// durable in system/tmp/data/<collector>/ before the spool's cut names them.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "collector/deliver/batches.h"
#include "collector/deliver/delivery.h"
#include "collector/deliver/intent_note.h"
#include "collector/seal/regroup.h"
#include "collector/seal/sealer.h"

namespace databus {

// Staged files begin with the spool's incarnation, so that a collector knows its own.
std::string StagedPrefix(const SpoolIdentity& identity);
// Under which incarnation the file of an intent is sealed: not the spool's, if that was renewed.
std::string IncarnationOf(const SpoolIntent& intent);

// What lies in some ranges of the spool.
struct SpoolLook {
  std::vector<SpoolRange> ranges{};  // those that could be read
  std::unique_ptr<Regrouped> regrouped = std::make_unique<Regrouped>();
  std::vector<RecordView> records{};
  // The last batch of each sender that is in there.
  std::map<uint64_t, BatchMark> marks{};

  // Each stream, how much of it there is, and how old it is.
  std::vector<SpoolDeferral> Shares() const;
  // The same name, valid as long as the look. REQUIRES: there is something of the stream.
  std::string_view NameOf(std::string_view stream) const { return regrouped->NameOf(stream); }
};

// One thread at a time.
class Stager {
 public:
  Stager(const DeliverySeams& seams, const DeliverySettings& settings, DeliveryCounts& counts)
      : seams_(seams), settings_(settings), counts_(counts) {}

  // Reads the front of unsealed ranges, in this order, at most settings.cut_bytes in all. Ranges
  // that cannot be read are reported and left out.
  SpoolLook Look(const std::vector<SpoolRange>& ranges);
  // Reads the ranges of a cut again. Errors of the disk.
  Result<SpoolLook> LookAgain(const std::vector<SpoolRange>& ranges);

  using Streams = std::unordered_set<std::string_view>;
  // Numbers for as many files as these streams fill. An error is the spool's.
  Result<std::vector<uint64_t>> Number(const SpoolLook& look, const Streams& streams);
  // Stages these streams. Not ok: the cluster failed; what was staged is under no intent.
  Result<std::vector<SpoolIntent>> Stage(const SpoolLook& look, const Streams& streams,
                                         const std::vector<uint64_t>& counters);

 private:
  struct Plan {
    const StreamMessages* stream;
    SealRange range;
    SealFormat format;
  };
  void Add(const SpoolRecord& record, SpoolLook& look);
  // Reads the ranges but `unreadable`. False: one more of them is.
  bool TryLook(const std::vector<SpoolRange>& ranges, std::set<SpoolRange>& unreadable,
               SpoolLook& look);
  std::vector<Plan> PlanFiles(const SpoolLook& look, const Streams& streams) const;
  Result<SpoolIntent> StageOne(const Plan& plan, uint64_t counter, const SpoolIdentity& identity);

  Status Write(const std::string& path, const SealedFile& file);
  Status WriteGathered();

  const DeliverySeams seams_;
  const DeliverySettings& settings_;
  DeliveryCounts& counts_;
  Sealer sealer_;
  std::vector<SmallFile> gathered_;  // sealed, and not written yet
};

}  // namespace databus
