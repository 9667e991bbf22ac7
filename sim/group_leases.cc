#include "sim/group_leases.h"

#include <algorithm>
#include <utility>

namespace databus::sim {
namespace {

// In a million looks.
constexpr uint64_t kLost = 20'000;
constexpr uint64_t kForgotten = 5'000;

}  // namespace

class GroupLeases final : public Lease {
 public:
  GroupLeases(LeaseServer& server, LeaseRequest request, Clock& clock)
      : server_(server), request_(std::move(request)), clock_(clock) {}

  bool Held(View /*view*/, Group group) override { return IsFresh() && held_.contains(group); }
  bool HeldAny() override { return IsFresh() && !held_.empty(); }
  std::optional<std::set<Group>> Share() override { return IsFresh() ? held_ : std::set<Group>(); }
  std::string Holder() override {
    return Held(View::kLocal, kClusterDuties) ? request_.holder
                                              : server_.HolderOf(request_.cluster, kClusterDuties);
  }
  Status Tick() override {
    const BootTime sent = clock_.Boot();
    auto held = server_.Hear(request_);
    if (!held) return {Code::kUnavailable, Where() + ": no answer"};
    held_ = *std::move(held);
    sent_ = sent;
    return Status::Ok();
  }
  Status Skip() override {
    if (sent_ && clock_.Boot() - *sent_ >= request_.timeout) return Release();
    return Status::Ok();
  }
  Status Release() override {
    held_.clear();
    server_.Leave(request_);
    return Status::Ok();
  }
  std::chrono::nanoseconds Pace() override { return request_.timeout / 6; }
  std::string Where() const override { return "the lease server"; }

 private:
  bool IsFresh() const { return sent_ && clock_.Boot() - *sent_ < request_.timeout * 2 / 3; }

  LeaseServer& server_;
  const LeaseRequest request_;
  Clock& clock_;
  std::set<Group> held_;
  std::optional<BootTime> sent_;
};

std::shared_ptr<Lease> LeaseServer::LeaseFor(const LeaseRequest& request, Clock& clock) {
  return std::make_shared<GroupLeases>(*this, request, clock);
}

void LeaseServer::Forget(Cluster& cluster, const std::string& holder) {
  std::erase_if(cluster.members, [&](const Member& member) { return member.holder == holder; });
  std::erase_if(cluster.claims, [&](const auto& claim) { return claim.second == holder; });
}

void LeaseServer::ForgetWhoIsSilent(Cluster& cluster) {
  std::vector<std::string> gone;
  for (const Member& member : cluster.members) {
    const bool silent = clock_.Boot() - member.heard >= member.timeout;
    if (silent || (faults_() && random_.Chance(kForgotten))) gone.push_back(member.holder);
  }
  for (const std::string& holder : gone) Forget(cluster, holder);
}

std::optional<std::set<Group>> LeaseServer::Hear(const LeaseRequest& request) {
  if (faults_() && random_.Chance(kLost)) return std::nullopt;
  Cluster& cluster = clusters_[request.cluster];
  ForgetWhoIsSilent(cluster);
  auto own = std::ranges::find(cluster.members, request.holder, &Member::holder);
  if (own == cluster.members.end()) {
    cluster.members.push_back({request.holder, {}, request.timeout});
    own = std::prev(cluster.members.end());
  }
  own->heard = clock_.Boot();
  for (const Group group : std::exchange(own->given_up, {})) cluster.claims.erase(group);
  const Group groups = request.spread_groups;
  const auto members = static_cast<Group>(cluster.members.size());
  const auto place = static_cast<Group>(own - cluster.members.begin());
  const size_t share = groups / members + (place < groups % members ? 1 : 0);
  std::set<Group> held;
  for (const auto& [group, holder] : cluster.claims) {
    if (holder == request.holder) held.insert(group);
  }
  for (; held.size() > share; held.erase(std::prev(held.end()))) {
    own->given_up.insert(*held.rbegin());
  }
  for (Group group = 0; group < groups && held.size() < share; ++group) {
    if (!own->given_up.empty() || cluster.claims.contains(group)) continue;
    cluster.claims[group] = request.holder;
    held.insert(group);
  }
  return held;
}

void LeaseServer::Leave(const LeaseRequest& request) {
  Forget(clusters_[request.cluster], request.holder);
}

std::string LeaseServer::HolderOf(const std::string& cluster, Group group) const {
  const auto known = clusters_.find(cluster);
  if (known == clusters_.end()) return "nobody";
  const auto claim = known->second.claims.find(group);
  return claim == known->second.claims.end() ? "nobody" : claim->second;
}

}  // namespace databus::sim
