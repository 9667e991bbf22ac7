#include "worker/problem_board.h"

#include "telemetry/log.h"

namespace databus {
namespace {

constexpr size_t kReportedMax = 50;

}  // namespace

void ProblemBoard::Raise(const std::string& topic, const std::string& what,
                         const std::string& next) {
  MutexLock lock(mutex_);
  const auto [it, fresh] = standing_.try_emplace(topic);
  const bool changed = it->second.what != what;
  if (fresh) it->second.since = clock_.Wall();
  it->second.what = what;
  it->second.next = next;
  // Details (a number, a temporary name) may change at every try; the log hears of it once a
  // minute.
  const BootTime now = clock_.Boot();
  BootTime& logged = logged_[topic];
  if (!fresh && (!changed || now - logged < std::chrono::minutes(1))) return;
  logged = now;
  LogWarning("worker", what, {{"topic", topic}, {"next", next}});
}

void ProblemBoard::Clear(const std::string& topic) {
  MutexLock lock(mutex_);
  if (standing_.erase(topic) > 0) LogInfo("worker", "recovered", {{"topic", topic}});
}

void ProblemBoard::Report(const std::string& what, const std::string& next) {
  MutexLock lock(mutex_);
  LogWarning("worker", what, {{"next", next}});
  reported_.push_back({what, clock_.Wall(), next});
  if (reported_.size() > kReportedMax) reported_.erase(reported_.begin());
}

void ProblemBoard::RaiseEach(const std::string& topic, const std::vector<std::string>& whats,
                             const std::string& next) {
  if (whats.empty()) return Clear(topic);
  const size_t others = whats.size() - 1;
  Raise(topic,
        others == 0 ? whats.front() : whats.front() + " and " + std::to_string(others) + " more",
        next);
}

std::vector<Problem> ProblemBoard::List() const {
  MutexLock lock(mutex_);
  std::vector<Problem> all;
  for (const auto& [topic, problem] : standing_) {
    all.push_back(problem);
    all.back().what = topic + ": " + problem.what;
  }
  all.insert(all.end(), reported_.begin(), reported_.end());
  return all;
}

}  // namespace databus
