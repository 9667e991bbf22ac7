// Claimed files of one group that wait in staging, and are tried again. What is not allowed is
// tried seldom and little of it at a time, since only people mend that and there may be thousands:
// of files that may not be read some once a minute; of a stream that its view refuses one (P11),
// and all when that is taken. What did not answer is tried at the next run.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "commit/group_writer.h"
#include "telemetry/problems.h"
#include "worker/refusals.h"

namespace databus {

// How many unreadable ones are tried at a time.
inline constexpr size_t kWaitingClaimsAtOnce = 100;

// One thread at a time.
class WaitingClaims {
 public:
  // Those to be tried now, taken out. `epoch`: the writer's; what waited in another one was adopted
  // by it, and is forgotten.
  std::vector<Claim> Take(uint64_t epoch, BootTime now);

  // All of these REQUIRE: the claim is of the epoch of the last Take. Each claim comes last in
  // line.
  // It could not be read.
  void Add(Claim claim, const Status& why, BootTime now);
  // The view did not take it.
  void AddRefused(const std::string& stream, Claim claim, const std::string& why, BootTime now);
  // Whether its view refuses the stream, as far as is known; then the claim, unless it was taken
  // from here, need not be tried.
  bool IsRefused(const std::string& stream) const;
  void PutOff(const std::string& stream, Claim claim);
  // The view has taken a file of the stream.
  void Accepted(const std::string& stream);

  // Raises or clears what waits.
  void Tell(ProblemBoard& problems, const std::string& topic) const;

 private:
  struct Waiting {
    Claim claim;
    std::string why;
  };
  struct Refused {
    std::deque<Claim> claims;
    std::string why;
    RefusedPause pause;
    enum class View : uint8_t { kRefuses, kTakes } view = View::kRefuses;
  };
  void TakeRefused(BootTime now, std::vector<Claim>& claims);

  uint64_t epoch_ = 0;
  std::deque<Waiting> unreadable_;
  RefusedPause unreadable_pause_;           // begun by the last of them that may not be read
  std::map<std::string, Refused> refused_;  // by stream
};

}  // namespace databus
