// For tests: a lease that lies elsewhere than in the tree, and is held or not as the test says.
#pragma once

#include <optional>
#include <set>

#include "lease/lease.h"

namespace databus {

class GivenLease final : public Lease {
 public:
  bool Held(View /*view*/, Group group) override {
    return held && (!share || share->contains(group));
  }
  bool HeldAny() override { return held && (!share || !share->empty()); }
  std::optional<std::set<Group>> Share() override {
    return share && !held ? std::set<Group>() : share;
  }
  std::string Holder() override { return Held(View::kLocal, 0) ? holder : "nobody"; }
  Status Tick() override {
    ++ticks;
    return Status::Ok();
  }
  Status Skip() override {
    ++skips;
    return Status::Ok();
  }
  Status Release() override {
    held = false;
    return Status::Ok();
  }
  std::chrono::nanoseconds Pace() override { return std::chrono::seconds(7); }
  std::string Where() const override { return "elsewhere"; }

  std::string holder;
  bool held = false;
  std::optional<std::set<Group>> share{};  // nothing: all groups are one
  int ticks = 0;
  int skips = 0;
};

// For a process of one cluster: whoever asks gets `lease`.
inline MakeLease Giving(const std::shared_ptr<GivenLease>& lease) {
  return [lease](const LeaseRequest& request) {
    lease->holder = request.holder;
    return lease;
  };
}

}  // namespace databus
