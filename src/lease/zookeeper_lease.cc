#include "lease/zookeeper_lease.h"

#include <utility>

namespace databus {
namespace {

constexpr std::string_view kLock = "lock-";  // as the original's recipe names its nodes

}  // namespace

ZooKeeperLease::ZooKeeperLease(Clock& clock, Random& random, const Options& options)
    : ZooKeeperMember(clock, random, options, options.request.cluster + "_") {}

ZooKeeperLease::~ZooKeeperLease() { End(); }

bool ZooKeeperLease::Held(View /*view*/, Group /*group*/) {
  MutexLock lock(mutex_);
  return HeldNow();
}

std::string ZooKeeperLease::Holder() {
  MutexLock lock(mutex_);
  if (HeldNow()) return request().holder;
  return known_.leads || known_.holder.empty() ? "nobody" : known_.holder;
}

void ZooKeeperLease::OnTick() {
  known_.made = false;
  OnConnected();
}

void ZooKeeperLease::OnConnected() {
  if (known_.leads) {
    known_.renew = true;
  } else {
    ListAgain();
  }
}

std::optional<ZooKeeperMember::Call> ZooKeeperLease::Next() const {
  if (Leaves()) {
    return HasNodes() ? std::optional(Call{Do::kDelete, known_.own}) : std::nullopt;
  }
  if (known_.own.empty()) {
    if (known_.made) return std::nullopt;
    return Call{Do::kCreate, token() + "-" + std::string(kLock)};
  }
  if (known_.leads && known_.renew) return Call{Do::kWrite, known_.own};
  if (known_.leads) return std::nullopt;
  if (known_.read != known_.lowest) return Call{Do::kRead, known_.lowest};
  if (known_.evict) return Call{Do::kDelete, known_.lowest};
  return std::nullopt;
}

void ZooKeeperLease::OnDone(const Call& call, const Answer& answer) {
  switch (call.what) {
    case Do::kMakeParent:
    case Do::kList: break;
    case Do::kCreate:
      known_.own = paths::BaseName(answer.text);
      known_.made = true;
      ListAgain();
      break;
    case Do::kWrite: known_.renew = false; break;
    case Do::kRead:
      known_.read = call.node;
      known_.holder = answer.text.empty() ? call.node : answer.text;
      known_.evict = IsOver(known_.holder);
      break;
    case Do::kDelete:
      if (call.node == known_.own) known_.own.clear();
      known_.evict = false;
      ListAgain();
      break;
  }
}

// Whose it was, the list tells.
void ZooKeeperLease::OnGone(const Call& call) {
  if (call.node == known_.own) known_.own.clear();
  known_.leads = known_.leads && !known_.own.empty();
}

// Nodes are numbered in the order of their making, so once there is none below ours there will be
// none as long as ours stands; and a list that comes after our node's making shows all below it.
void ZooKeeperLease::Judge(const std::vector<std::string>& names) {
  const std::string* lowest = nullptr;
  const std::string* own = nullptr;
  for (const std::string& name : names) {
    const auto number = NumberOfNode(name, kLock);
    if (!number) continue;  // it takes no part in the election
    if (lowest == nullptr || *number < *NumberOfNode(*lowest, kLock)) lowest = &name;
    if (!name.starts_with(token())) continue;
    if (own == nullptr || *number < *NumberOfNode(*own, kLock)) own = &name;
  }
  const bool led = known_.leads;
  known_.own = own == nullptr ? "" : *own;
  known_.lowest = lowest == nullptr ? "" : *lowest;
  known_.leads = own != nullptr && own == lowest;
  if (known_.leads && !led) known_.renew = true;
  const bool read = known_.read == known_.lowest;
  known_.evict = read && !known_.leads && IsOver(known_.holder);
}

}  // namespace databus
