// What stands for ZooKeeper where workers share the groups of a cluster: the rules of
// lease/zookeeper_group_leases.h, kept in memory. Some looks at it are lost, and now and then it
// forgets a session before its time, so that two hold the same groups for a moment: what keeps them
// apart then is the fence (P3).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "lease/lease.h"
#include "sim/random.h"

namespace databus::sim {

class LeaseServer {
 public:
  // `faults`: whether looks are lost and sessions forgotten at this moment.
  LeaseServer(const Clock& clock, uint64_t seed, std::function<bool()> faults)
      : clock_(clock), random_(seed, 16), faults_(std::move(faults)) {}

  // The lease of a process that measures time by `clock`. Both outlive it.
  std::shared_ptr<Lease> LeaseFor(const LeaseRequest& request, Clock& clock);

 private:
  friend class GroupLeases;
  struct Member {
    std::string holder;
    BootTime heard;
    std::chrono::nanoseconds timeout;
    std::set<Group> given_up{};  // at its last look
  };
  struct Cluster {
    std::vector<Member> members;  // in the order of their coming
    std::map<Group, std::string> claims;
  };
  // A sign of life: what its sender may work on from now on. Nothing: no answer.
  std::optional<std::set<Group>> Hear(const LeaseRequest& request);
  void Leave(const LeaseRequest& request);
  std::string HolderOf(const std::string& cluster, Group group) const;
  static void Forget(Cluster& cluster, const std::string& holder);
  void ForgetWhoIsSilent(Cluster& cluster);

  const Clock& clock_;
  SimRandom random_;
  const std::function<bool()> faults_;
  std::map<std::string, Cluster> clusters_;
};

}  // namespace databus::sim
