#include "sim/shrink.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace databus::sim {
namespace {

uint64_t& RateOf(Rates& rates, std::string_view name) {
  if (name == "answer_lost") return rates.answer_lost;
  if (name == "request_lost") return rates.request_lost;
  if (name == "no_space") return rates.no_space;
  if (name == "slow") return rates.slow;
  if (name == "stale_list") return rates.stale_list;
  if (name == "late") return rates.late;
  return rates.connection_breaks;
}

template <typename T>
std::vector<T> Without(const std::vector<T>& all, const std::set<size_t>& cut) {
  std::vector<T> rest;
  for (size_t i = 0; i < all.size(); ++i) {
    if (!cut.contains(i)) rest.push_back(all[i]);
  }
  return rest;
}

class Shrinker {
 public:
  Shrinker(const Scenario& scenario, const Outcome& failed, int runs_max,
           const std::function<void(const Cuts&)>& told)
      : scenario_(scenario),
        promise_(failed.violation->promise),
        at_(failed.violated_at),
        runs_left_(runs_max),
        told_(told) {}

  Cuts Run() {
    CutTime();
    for (const std::string_view rate : kRateNames) {
      Try([&](Cuts& cuts) { cuts.rates.insert(std::string(rate)); });
    }
    CutAll(scenario_.incidents.size(), &Cuts::incidents);
    CutAll(scenario_.producers.size(), &Cuts::producers);
    CutTime();
    return best_;
  }

 private:
  void Try(const std::function<void(Cuts&)>& change) {
    if (runs_left_-- <= 0) return;
    Cuts cuts = best_;
    change(cuts);
    const Outcome outcome = Simulate(Apply(scenario_, cuts));
    if (!outcome.violation || outcome.violation->promise != promise_) return;
    best_ = cuts;
    at_ = outcome.violated_at;
    told_(best_);
  }

  // First large pieces, then small ones.
  void CutAll(size_t count, std::set<size_t> Cuts::* cut) {
    for (size_t piece = std::max<size_t>(count / 2, 1); count > 0; piece /= 2) {
      for (size_t begin = 0; begin < count; begin += piece) {
        Try([&](Cuts& cuts) {
          for (size_t i = begin; i < std::min(begin + piece, count); ++i) (cuts.*cut).insert(i);
        });
      }
      if (piece == 1) return;
    }
  }

  void CutTime() {
    const SimTime until = at_ + std::chrono::seconds(1);
    if (until < scenario_.duration) Try([&](Cuts& cuts) { cuts.until = until; });
  }

  const Scenario& scenario_;
  const std::string promise_;
  SimTime at_;
  int runs_left_;
  const std::function<void(const Cuts&)>& told_;
  Cuts best_;
};

}  // namespace

std::string Cuts::ToString() const {
  std::string text;
  if (!incidents.empty()) {
    text += fmt::format(" --without-incidents {}", fmt::join(incidents, ","));
  }
  if (!producers.empty()) {
    text += fmt::format(" --without-producers {}", fmt::join(producers, ","));
  }
  if (!rates.empty()) text += fmt::format(" --without-rates {}", fmt::join(rates, ","));
  if (until.count() > 0) {
    text += fmt::format(" --until-ms {}",
                        std::chrono::duration_cast<std::chrono::milliseconds>(until).count());
  }
  return text;
}

Scenario Apply(const Scenario& scenario, const Cuts& cuts) {
  Scenario smaller = scenario;
  smaller.incidents = Without(scenario.incidents, cuts.incidents);
  smaller.producers = Without(scenario.producers, cuts.producers);
  for (const std::string& rate : cuts.rates) RateOf(smaller.rates, rate) = 0;
  if (cuts.until.count() > 0) {
    smaller.duration = cuts.until;
    smaller.seam_calls_min = 0;
    smaller.simulated_min = {};
  }
  return smaller;
}

Cuts Shrink(const Scenario& scenario, const Outcome& failed, int runs_max,
            const std::function<void(const Cuts&)>& told) {
  return Shrinker(scenario, failed, runs_max, told).Run();
}

}  // namespace databus::sim
