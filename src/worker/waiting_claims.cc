#include "worker/waiting_claims.h"

#include <algorithm>
#include <utility>

namespace databus {

std::vector<Claim> WaitingClaims::Take(uint64_t epoch, BootTime now) {
  if (std::exchange(epoch_, epoch) != epoch) {
    waiting_.clear();
    refused_.reset();
  }
  std::vector<Claim> claims;
  if (refused_ && now - *refused_ < kRefusedClaimsPause) return claims;
  refused_.reset();
  const size_t count = std::min(waiting_.size(), kWaitingClaimsAtOnce);
  for (size_t i = 0; i < count; ++i) {
    claims.push_back(std::move(waiting_.front().claim));
    waiting_.pop_front();
  }
  return claims;
}

void WaitingClaims::Add(Claim claim, const Status& why, BootTime now) {
  if (!why.unknown()) refused_ = now;
  waiting_.push_back({std::move(claim), why.ToString()});
}

void WaitingClaims::Tell(ProblemBoard& problems, const std::string& topic) const {
  std::vector<std::string> whats;
  whats.reserve(waiting_.size());
  for (const Waiting& one : waiting_) whats.push_back(one.claim.data_name + ": " + one.why);
  problems.RaiseEach(topic, whats,
                     refused_ ? "they wait in staging; let the worker's user read and write there"
                              : "they wait in staging; tried again at the next run");
}

}  // namespace databus
