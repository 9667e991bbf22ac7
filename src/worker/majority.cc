#include "worker/majority.h"

#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/planted.h"
#include "control/epoch_store.h"

namespace databus {
namespace {

constexpr std::chrono::seconds kAskAgain{1};

}  // namespace

Majority::Majority(const ObeyedTopology& obeyed, std::string cluster, Clusters& clusters,
                   const Clock& clock)
    : obeyed_(obeyed), cluster_(std::move(cluster)), clusters_(clusters), clock_(clock) {}

Status Majority::Check() {
  if (obeyed_.epoch.stored.alone == cluster_ || Planted(Bug::kAlonePublished)) return Status::Ok();
  const Status lately = CheckOnce();
  if (lately.ok()) return lately;
  Ask();
  return CheckOnce();
}

void Majority::Ask() {
  const BootTime now = clock_.Boot();
  std::map<std::string, Witness> witnesses;
  {
    MutexLock lock(mutex_);
    if (asked_ && now - *asked_ < kAskAgain) return;
    asked_ = now;
    witnesses = witnesses_;
  }
  for (const ClusterSpec& cluster : obeyed_.topology.clusters) {
    Witness& witness = witnesses[cluster.name];
    const BootTime asked = clock_.Boot();  // the answer may take long
    const Status read = Read(cluster.name, witness);
    witness.why = read.message();
    if (read.ok()) witness.agreed_at = asked;
    // Known for certain, however lately it was otherwise.
    if (read.code() == Code::kStale) witness.agreed_at.reset();
  }
  MutexLock lock(mutex_);
  witnesses_ = std::move(witnesses);
}

// kStale: another topology rules there.
Status Majority::Read(const std::string& cluster, Witness& witness) {
  const auto answers = [&] {
    clusters_.CheckOne(cluster);
    return clusters_.Find(cluster);
  };
  Storage* const storage = answers();
  if (storage == nullptr) return {Code::kUnavailable, clusters_.WhyAway(cluster)};
  DATABUS_ASSIGN_OR_RETURN(const std::optional<uint64_t> newest, NewestEpoch(*storage));
  const TopologyEpoch& ours = obeyed_.epoch;
  if (newest && *newest > ours.stored.epoch) {
    return {Code::kStale, fmt::format("has stored topology epoch {}, {} is obeyed here", *newest,
                                      ours.stored.epoch)};
  }
  if (newest && *newest != witness.epoch) {
    DATABUS_ASSIGN_OR_RETURN(const TopologyEpoch theirs, ReadEpoch(*storage, *newest));
    witness.epoch = *newest;
    witness.digest = theirs.digest;
  }
  if (newest && witness.digest != ours.digest && !ours.stored.Follows(witness.digest)) {
    return {Code::kStale,
            fmt::format("has stored another topology, epoch {}, which the one obeyed here does not "
                        "follow",
                        *newest)};
  }
  // P1: nothing is absent from a cluster that went away in the middle.
  if (answers() == nullptr) return {Code::kUnavailable, clusters_.WhyAway(cluster)};
  return Status::Ok();
}

Status Majority::CheckOnce() const {
  const BootTime now = clock_.Boot();
  std::vector<std::string> away;
  MutexLock lock(mutex_);
  for (const ClusterSpec& cluster : obeyed_.topology.clusters) {
    const auto witness = witnesses_.find(cluster.name);
    const bool known = witness != witnesses_.end();
    if (known && witness->second.agreed_at && now - *witness->second.agreed_at <= kAloneAfter) {
      continue;
    }
    away.push_back(known && !witness->second.why.empty()
                       ? fmt::format("{} ({})", cluster.name, witness->second.why)
                       : cluster.name);
  }
  const size_t all = obeyed_.topology.clusters.size();
  if (all - away.size() >= all / 2 + 1) return Status::Ok();
  return {
      Code::kUnavailable,
      fmt::format("{} has read {} of {} clusters, and no newer topology there, in the last {} s, "
                  "less than a majority: not {}",
                  cluster_, all - away.size(), all, kAloneAfter.count(), fmt::join(away, ", "))};
}

}  // namespace databus
