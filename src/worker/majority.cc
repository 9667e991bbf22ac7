#include "worker/majority.h"

#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/planted.h"

namespace databus {
namespace {

constexpr std::chrono::seconds kAskAgain{1};

}  // namespace

Majority::Majority(const Topology& topology, std::string cluster, std::string alone,
                   Clusters& clusters, const Clock& clock)
    : topology_(topology),
      cluster_(std::move(cluster)),
      alone_(std::move(alone)),
      clusters_(clusters),
      clock_(clock) {}

Status Majority::Check() {
  if (alone_ == cluster_ || Planted(Bug::kAlonePublished)) return Status::Ok();
  const Status lately = CheckOnce();
  if (lately.ok()) return lately;
  const BootTime now = clock_.Boot();
  {
    MutexLock lock(mutex_);
    if (asked_ && now - *asked_ < kAskAgain) return lately;
    asked_ = now;
  }
  clusters_.Check();
  return CheckOnce();
}

Status Majority::CheckOnce() const {
  const BootTime now = clock_.Boot();
  std::vector<std::string> away;
  for (const ClusterSpec& cluster : topology_.clusters) {
    const auto answered = clusters_.AnsweredAt(cluster.name);
    if (!answered || now - *answered > kAloneAfter) away.push_back(cluster.name);
  }
  const size_t all = topology_.clusters.size();
  if (all - away.size() >= all / 2 + 1) return Status::Ok();
  return {
      Code::kUnavailable,
      fmt::format("{} has read {} of {} clusters in the last {} s, less than a majority: not {}",
                  cluster_, all - away.size(), all, kAloneAfter.count(), fmt::join(away, ", "))};
}

}  // namespace databus
