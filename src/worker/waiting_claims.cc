#include "worker/waiting_claims.h"

#include <algorithm>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "base/planted.h"
#include "cluster/names.h"
#include "worker/refusals.h"

namespace databus {
namespace {

// Of a stream whose view takes files again.
constexpr size_t kTakenAtOnce = 1000;

}  // namespace

std::vector<Claim> WaitingClaims::Take(uint64_t epoch, BootTime now) {
  if (std::exchange(epoch_, epoch) != epoch) {
    unreadable_.clear();
    unreadable_pause_ = {};
    refused_.clear();
  }
  std::vector<Claim> claims;
  TakeRefused(now, claims);
  if (!unreadable_pause_.IsOver(now)) return claims;
  unreadable_pause_ = {};
  const size_t count = std::min(unreadable_.size(), kWaitingClaimsAtOnce);
  for (size_t i = 0; i < count; ++i) {
    claims.push_back(std::move(unreadable_.front().claim));
    unreadable_.pop_front();
  }
  return claims;
}

void WaitingClaims::TakeRefused(BootTime now, std::vector<Claim>& claims) {
  for (auto at = refused_.begin(); at != refused_.end();) {
    Refused& stream = at->second;
    const bool takes = stream.view == Refused::View::kTakes;
    if (!takes && !stream.pause.IsOver(now)) {
      ++at;
      continue;
    }
    stream.pause.Begin(now);
    for (size_t most = takes ? kTakenAtOnce : 1; most > 0 && !stream.claims.empty(); --most) {
      claims.push_back(std::move(stream.claims.front()));
      stream.claims.pop_front();
    }
    // One that is out on trial comes back if it is refused again.
    at = stream.claims.empty() ? refused_.erase(at) : std::next(at);
  }
}

void WaitingClaims::Add(Claim claim, const Status& why, BootTime now) {
  if (!why.unknown()) unreadable_pause_.Begin(now);
  unreadable_.push_back({std::move(claim), why.ToString()});
}

void WaitingClaims::AddRefused(const std::string& stream, Claim claim, const std::string& why,
                               BootTime now) {
  if (Planted(Bug::kRefusedForgotten)) return;
  Refused& of_stream = refused_[stream];
  of_stream.claims.push_back(std::move(claim));
  of_stream.why = why;
  of_stream.pause.Begin(now);
  of_stream.view = Refused::View::kRefuses;
}

bool WaitingClaims::IsRefused(const std::string& stream) const {
  const auto known = refused_.find(stream);
  return known != refused_.end() && known->second.view == Refused::View::kRefuses;
}

void WaitingClaims::PutOff(const std::string& stream, Claim claim) {
  refused_.at(stream).claims.push_back(std::move(claim));
}

void WaitingClaims::Accepted(const std::string& stream) {
  const auto known = refused_.find(stream);
  if (known != refused_.end()) known->second.view = Refused::View::kTakes;
}

void WaitingClaims::Tell(ProblemBoard& problems, const std::string& topic) const {
  std::vector<std::string> whats;
  whats.reserve(unreadable_.size() + refused_.size());
  std::set<std::string> streams;
  for (const auto& [stream, of_stream] : refused_) {
    streams.insert(stream);
    whats.push_back(
        fmt::format("{} files of {}: {}", of_stream.claims.size(), stream, of_stream.why));
  }
  for (const Waiting& one : unreadable_) {
    whats.push_back(one.claim.data_name + ": " + one.why);
    if (const auto name = DataFileName::ParseAny(one.claim.data_name)) streams.insert(name->stream);
  }
  const bool refused = unreadable_pause_.HasBegun() || !refused_.empty();
  problems.RaiseEach(
      topic, whats,
      refused ? fmt::format("they wait in staging; {}; tried again once a minute", kLetReadAndWrite)
              : "they wait in staging; tried again at the next run",
      {streams.begin(), streams.end()});
}

}  // namespace databus
