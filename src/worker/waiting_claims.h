// Claimed files of one group that cannot be read, or that the view refuses (P11): they wait in
// staging, and are tried again. What is not allowed is tried seldom and a few at a time, since only
// people mend that and there may be thousands; what did not answer, at the next run.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "commit/group_writer.h"
#include "telemetry/problems.h"

namespace databus {

// How long they are left alone after one was refused, and how many are tried
// then.
inline constexpr std::chrono::minutes kRefusedClaimsPause{1};
inline constexpr size_t kWaitingClaimsAtOnce = 100;

// One thread at a time.
class WaitingClaims {
 public:
  // Those to be tried now, taken out. `epoch`: the writer's; what waited in another one was adopted
  // by it, and is forgotten.
  std::vector<Claim> Take(uint64_t epoch, BootTime now);
  // It could not be read or published: last in line. REQUIRES: it is of the epoch of the last Take.
  void Add(Claim claim, const Status& why, BootTime now);
  // Raises or clears what waits.
  void Tell(ProblemBoard& problems, const std::string& topic) const;

 private:
  struct Waiting {
    Claim claim;
    std::string why;
  };
  uint64_t epoch_ = 0;
  std::deque<Waiting> waiting_;
  std::optional<BootTime> refused_;  // the last that was
};

}  // namespace databus
