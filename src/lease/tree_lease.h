// The lease of a cluster as a record in the cluster's own tree.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "base/status.h"
#include "base/sync.h"
#include "cluster/paths.h"
#include "lease/lease.h"
#include "storage/storage.h"

namespace databus {

// The embedded default: one record in the cluster's own tree for all views and groups of the
// cluster (docs/decisions/0003), `system/leases/<n>`; the highest n rules. It is renewed by
// renaming n to n + 1, which fails when somebody else was faster; taken over by renaming a record
// of one's own to n + 1 after `timeout` without a change, by the watcher's own boot clock. So it
// needs nothing but rename without overwrite, no clocks that agree, and no lock.
class TreeLease final : public Lease {
 public:
  struct Options {
    std::string holder;  // unique to this process
    std::chrono::nanoseconds timeout{std::chrono::seconds(10)};
    // Whether a holder is certainly no more, so that nobody need wait for the timeout: a process of
    // this machine that has died. Absent: nobody can tell. Being wrong costs a take-over.
    std::function<bool(const std::string& holder)> holder_is_gone{};
  };
  TreeLease(Storage& storage, Clock& clock, Random& random, Options options);

  bool Held(View view, Group group) override;
  std::string Holder() override;

  // Not ok when the tree did not answer; a lease that was held stays held until `timeout` has
  // passed since the last renewal that was answered.
  Status Tick() override;
  Status Release() override;
  std::chrono::nanoseconds Pace() override { return options_.timeout / 4; }
  std::string Where() const override { return "the tree"; }

 private:
  struct Seen {
    uint64_t number = 0;  // 0: no record
    std::string holder;
    BootTime since;  // when this number was first seen
  };
  Status Renew();
  Status Watch();
  Status Take(uint64_t after);
  Result<std::vector<uint64_t>> ListRecords();

  Storage& storage_;
  Clock& clock_;
  Random& random_;
  const Options options_;

  Mutex mutex_;        // guards what follows; never held across a storage call
  uint64_t mine_ = 0;  // the record's number while we hold the lease, else 0
  BootTime renewed_;   // before the last renewal that was answered was sent
  Seen seen_;
};

}  // namespace databus
