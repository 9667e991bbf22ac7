// The lease of a cluster in ZooKeeper: an election by ephemeral sequential nodes below
// `/databus/<cluster>_`, where the original keeps that of a worker for this one cluster
// (docs/decisions/0012). The lowest node holds; it is gone with its session.
//
// Held() asks nobody: see ZooKeeperMember::IsFresh.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "lease/zookeeper_member.h"

namespace databus {

class ZooKeeperLease final : public ZooKeeperMember {
 public:
  ZooKeeperLease(Clock& clock, Random& random, const Options& options);
  // Gives the lease up.
  ~ZooKeeperLease() override;

  bool Held(View view, Group group) override;
  std::string Holder() override;

 private:
  void Forget() override { known_ = {}; }
  void Judge(const std::vector<std::string>& names) override;
  std::optional<Call> Next() const override;
  void OnDone(const Call& call, const Answer& answer) override;
  void OnGone(const Call& call) override;
  void OnTick() override;
  void OnConnected() override;
  bool HasNodes() const override { return !known_.own.empty(); }

  bool HeldNow() const { return IsFresh() && known_.leads; }  // REQUIRES: mutex_

  // What is known in one session.
  struct Known {
    std::string own{};     // this session's node, by name; empty: none that is known of
    std::string lowest{};  // the holder's node
    std::string read{};    // the node that `holder` was read from
    std::string holder{};  // empty: not read yet
    bool leads = false;    // `own` is `lowest`, which no later node can change
    bool made = false;     // a node, since the last Tick: one that vanishes is not made on and on
    bool renew = false;
    bool evict = false;  // the holder is certainly no more
  };
  Known known_;  // guarded by mutex_
};

}  // namespace databus
