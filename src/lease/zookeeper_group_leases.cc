#include "lease/zookeeper_group_leases.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "cluster/text_format.h"

namespace databus {
namespace {

constexpr std::string_view kMember = "-member-";
constexpr std::string_view kGroup = "-group-";
constexpr size_t kTokenLength = 16;

std::string TokenOf(std::string_view name) { return std::string(name.substr(0, kTokenLength)); }

// Of "<token>-group-<g>-<number>".
std::optional<Group> GroupOfClaim(std::string_view name) {
  if (!name.substr(std::min(kTokenLength, name.size())).starts_with(kGroup)) return std::nullopt;
  name.remove_prefix(kTokenLength + kGroup.size());
  const auto group = ParseNumber(name.substr(0, name.find('-')));
  if (!group.ok()) return std::nullopt;
  return static_cast<Group>(*group);
}

std::string ClaimTo(const std::string& token, Group group) {
  return fmt::format("{}{}{}-", token, kGroup, group);
}

}  // namespace

ZooKeeperGroupLeases::ZooKeeperGroupLeases(Clock& clock, Random& random, const Options& options)
    : ZooKeeperMember(clock, random, options, options.request.cluster + "_groups"),
      groups_(options.request.spread_groups) {}

ZooKeeperGroupLeases::~ZooKeeperGroupLeases() { End(); }

void ZooKeeperGroupLeases::Forget() {
  members_.clear();
  claims_.clear();
  names_.clear();
  given_up_.clear();
  made_ = renew_ = false;
}

// Claims are numbered in the order of their making, so once there is none below ours there will be
// none as long as ours stands; and a list that comes after our claim's making shows all below it.
bool ZooKeeperGroupLeases::IsOurs(Group group) const {
  const auto claims = claims_.find(group);
  return claims != claims_.end() && claims->second.front().token == token();
}

bool ZooKeeperGroupLeases::HeldNow(Group group) const {
  return IsFresh() && IsOurs(group) && !given_up_.contains(group);
}

bool ZooKeeperGroupLeases::Held(View /*view*/, Group group) {
  MutexLock lock(mutex_);
  return HeldNow(group);
}

bool ZooKeeperGroupLeases::HeldAny() {
  MutexLock lock(mutex_);
  return std::ranges::any_of(claims_, [this](const auto& of) { return HeldNow(of.first); });
}

std::optional<std::set<Group>> ZooKeeperGroupLeases::Share() {
  MutexLock lock(mutex_);
  std::set<Group> held = Claimed();
  std::erase_if(held, [this](Group group) { return !HeldNow(group); });
  return held;
}

std::string ZooKeeperGroupLeases::Holder() {
  MutexLock lock(mutex_);
  if (HeldNow(kClusterDuties)) return request().holder;
  const auto claims = claims_.find(kClusterDuties);
  if (claims == claims_.end() || IsOurs(kClusterDuties)) return "nobody";
  const auto name = names_.find(claims->second.front().token);
  return name == names_.end() ? "nobody" : name->second;
}

std::set<Group> ZooKeeperGroupLeases::Claimed() const {
  std::set<Group> ours;
  for (const auto& [group, claims] : claims_) {
    if (IsOurs(group)) ours.insert(group);
  }
  return ours;
}

std::optional<size_t> ZooKeeperGroupLeases::Place() const {
  const auto own = std::ranges::find(members_, token(), &Node::token);
  if (own == members_.end()) return std::nullopt;
  return own - members_.begin();
}

size_t ZooKeeperGroupLeases::OwnShare() const {
  const auto place = Place();
  return place ? FairShare(groups_, members_.size(), *place) : 0;
}

void ZooKeeperGroupLeases::Judge(const std::vector<std::string>& names) {
  members_.clear();
  claims_.clear();
  for (const std::string& name : names) {
    const auto group = GroupOfClaim(name);
    const auto number = NumberOfNode(name, group ? "-" : kMember);
    if (!number) continue;
    auto& nodes = group ? claims_[*group] : members_;
    nodes.push_back({*number, TokenOf(name), name});
  }
  std::ranges::sort(members_);
  for (auto& [group, claims] : claims_) std::ranges::sort(claims);
  // A claim may come after its member was taken away; whose it is has to be known then, too.
  std::erase_if(names_, [&](const auto& known) {
    return std::ranges::none_of(
        names, [&](const std::string& name) { return TokenOf(name) == known.first; });
  });
  GiveUpSurplus();
}

void ZooKeeperGroupLeases::GiveUpSurplus() {
  const std::set<Group> ours = Claimed();
  std::erase_if(given_up_, [&](const auto& given) { return !ours.contains(given.first); });
  const size_t share = OwnShare();
  size_t surplus = ours.size() - std::min(ours.size(), share);
  for (auto group = ours.rbegin(); group != ours.rend(); ++group) {
    if (surplus == 0) {
      given_up_.erase(*group);  // somebody has gone meanwhile
    } else {
      given_up_.try_emplace(*group, ticks_);
      --surplus;
    }
  }
}

void ZooKeeperGroupLeases::OnTick() {
  ++ticks_;
  made_ = false;
  renew_ = true;
  // Events tell of what changes; a path that was not there could not be watched.
  if (members_.empty()) ListAgain();
}

std::optional<ZooKeeperMember::Call> ZooKeeperGroupLeases::Next() const {
  if (Leaves()) {
    const auto own = FindOwn();
    return own ? std::optional(Call{Do::kDelete, *own}) : std::nullopt;
  }
  const auto place = Place();
  if (!place) {
    if (made_) return std::nullopt;
    return Call{Do::kCreate, token() + std::string(kMember)};
  }
  if (renew_) return Call{Do::kWrite, members_[*place].name};
  if (const auto over = FindOver()) return Call{Do::kDelete, *over};
  if (const auto needless = FindNeedless()) return Call{Do::kDelete, *needless};
  if (const auto free = FindFree()) return Call{Do::kCreate, ClaimTo(token(), *free)};
  for (const Node& member : members_) {
    if (member.token != token() && !names_.contains(member.token)) {
      return Call{Do::kRead, member.name};
    }
  }
  return std::nullopt;
}

std::optional<std::string> ZooKeeperGroupLeases::FindOwn() const {
  for (const auto& [group, claims] : claims_) {
    const auto own = std::ranges::find(claims, token(), &Node::token);
    if (own != claims.end()) return own->name;
  }
  const auto place = Place();
  return place ? std::optional(members_[*place].name) : std::nullopt;
}

// Its claims first: without its member nobody would know whose they are.
std::optional<std::string> ZooKeeperGroupLeases::FindOver() const {
  const auto is_over = [this](const Node& node) {
    const auto name = names_.find(node.token);
    return name != names_.end() && IsOver(name->second);
  };
  for (const auto& [group, claims] : claims_) {
    const auto over = std::ranges::find_if(claims, is_over);
    if (over != claims.end()) return over->name;
  }
  const auto over = std::ranges::find_if(members_, is_over);
  return over == members_.end() ? std::nullopt : std::optional(over->name);
}

std::optional<std::string> ZooKeeperGroupLeases::FindNeedless() const {
  for (const auto& [group, claims] : claims_) {
    const auto given = given_up_.find(group);
    const bool is_due = given != given_up_.end() && given->second + 1 < ticks_;
    const auto spare = is_due ? claims.begin() : std::next(claims.begin());
    const auto own = std::find_if(spare, claims.end(),
                                  [this](const Node& node) { return node.token == token(); });
    if (own != claims.end()) return own->name;
  }
  return std::nullopt;
}

// Each begins to look elsewhere, so that those who claim at the same moment seldom meet.
std::optional<Group> ZooKeeperGroupLeases::FindFree() const {
  const auto place = Place();
  if (!place || Claimed().size() >= OwnShare()) return std::nullopt;
  const auto first = static_cast<Group>(*place * groups_ / members_.size());
  for (Group i = 0; i < groups_; ++i) {
    const Group group = (first + i) % groups_;
    if (!claims_.contains(group)) return group;
  }
  return std::nullopt;
}

void ZooKeeperGroupLeases::OnDone(const Call& call, const Answer& answer) {
  switch (call.what) {
    case Do::kMakeParent:
    case Do::kList: break;
    case Do::kCreate:
      made_ = true;
      ListAgain();
      break;
    case Do::kWrite: renew_ = false; break;
    case Do::kRead: names_[TokenOf(call.node)] = answer.text; break;
    case Do::kDelete:
      Erase(call.node);
      ListAgain();
      break;
  }
}

void ZooKeeperGroupLeases::Erase(const std::string& node) {
  std::erase_if(members_, [&](const Node& member) { return member.name == node; });
  for (auto& [group, claims] : claims_) {
    std::erase_if(claims, [&](const Node& claim) { return claim.name == node; });
  }
  std::erase_if(claims_, [](const auto& of_group) { return of_group.second.empty(); });
}

}  // namespace databus
