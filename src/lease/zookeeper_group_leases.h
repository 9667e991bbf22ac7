// The leases of a cluster's groups in ZooKeeper, spread over all workers of the cluster
// (docs/decisions/0013). Below `/databus/<cluster>_groups` lie ephemeral sequential nodes:
//
//   <token>-member-<number>      a worker; its data is the worker's name
//   <token>-group-<g>-<number>   its claim to group g; of several the lowest number holds
//
// Each worker may hold its even share: of g groups and n workers g / n, and the first g % n workers
// one more. Who holds too many gives the last ones up, who holds too few claims what nobody does.
// So a worker that comes gets its share from the others, and one that goes leaves it to them;
// nothing else moves, and nobody decides for others.
//
// What is given up is not held from that moment, and its claim goes one to two Ticks later: a
// commit that is under way can end before another worker fences it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "lease/zookeeper_member.h"

namespace databus {

class ZooKeeperGroupLeases final : public ZooKeeperMember {
 public:
  // REQUIRES: the request's spread_groups is not 0.
  ZooKeeperGroupLeases(Clock& clock, Random& random, const Options& options);
  // Gives all of them up.
  ~ZooKeeperGroupLeases() override;

  bool Held(View view, Group group) override;
  bool HeldAny() override;
  std::optional<std::set<Group>> Share() override;
  std::string Holder() override;

 private:
  struct Node {
    uint64_t number = 0;
    std::string token{};
    std::string name{};
    friend auto operator<=>(const Node&, const Node&) = default;
  };

  void Forget() override;
  void Judge(const std::vector<std::string>& names) override;
  std::optional<Call> Next() const override;
  void OnDone(const Call& call, const Answer& answer) override;
  void OnGone(const Call& call) override { Erase(call.node); }
  void OnTick() override;
  void OnConnected() override { renew_ = true; }
  bool HasNodes() const override { return FindOwn().has_value(); }

  // REQUIRES of all: mutex_ is held.
  bool IsOurs(Group group) const;
  bool HeldNow(Group group) const;
  std::set<Group> Claimed() const;      // those that are ours, given up or not
  std::optional<size_t> Place() const;  // ours among the members
  size_t OwnShare() const;
  void GiveUpSurplus();
  std::optional<std::string> FindOwn() const;       // any node of this session
  std::optional<std::string> FindOver() const;      // any node of a worker that is no more
  std::optional<std::string> FindNeedless() const;  // a claim of ours that is to go
  std::optional<Group> FindFree() const;
  void Erase(const std::string& node);

  const Group groups_;
  // What is known in one session, guarded by mutex_.
  std::vector<Node> members_;                  // in the order of their numbers
  std::map<Group, std::vector<Node>> claims_;  // the same
  std::map<std::string, std::string> names_;   // of workers, by token
  std::map<Group, uint64_t> given_up_;         // of ours: at which tick
  uint64_t ticks_ = 0;
  bool made_ = false;  // a member, since the last Tick: one that vanishes is not made on and on
  bool renew_ = false;
};

}  // namespace databus
