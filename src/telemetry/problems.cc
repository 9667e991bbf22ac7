#include "telemetry/problems.h"

#include <algorithm>
#include <utility>

#include "telemetry/log.h"

namespace databus {
namespace {

constexpr size_t kReportedMax = 50;
constexpr std::chrono::minutes kLogEvery{1};

}  // namespace

void ProblemBoard::Raise(const std::string& topic, const std::string& what, const std::string& next,
                         std::vector<std::string> streams) {
  MutexLock lock(mutex_);
  const auto [at, fresh] = standing_.try_emplace(topic);
  Standing& standing = at->second;
  if (fresh) standing.problem.since = clock_.Wall();
  standing.problem.what = what;
  standing.problem.next = next;
  standing.problem.streams = std::move(streams);
  standing.doubted = false;
  const BootTime now = clock_.Boot();
  if (!fresh && (standing.logged == what || now - standing.logged_at < kLogEvery)) return;
  standing.logged = what;
  standing.logged_at = now;
  LogWarning(process_, what, {{"topic", topic}, {"next", next}});
}

void ProblemBoard::Clear(const std::string& topic) {
  MutexLock lock(mutex_);
  const auto at = standing_.find(topic);
  if (at == standing_.end()) return;
  LogInfo(process_, "recovered", {{"topic", topic}, {"problem", at->second.problem.what}});
  standing_.erase(at);
}

void ProblemBoard::DoubtAll() {
  MutexLock lock(mutex_);
  for (auto& [topic, standing] : standing_) standing.doubted = true;
}

void ProblemBoard::Report(const std::string& what, const std::string& next) {
  MutexLock lock(mutex_);
  LogWarning(process_, what, {{"next", next}});
  reported_.push_back({.what = what, .since = clock_.Wall(), .next = next});
  if (reported_.size() > kReportedMax) reported_.erase(reported_.begin());
}

void ProblemBoard::RaiseEach(const std::string& topic, const std::vector<std::string>& whats,
                             const std::string& next, std::vector<std::string> streams) {
  if (whats.empty()) return Clear(topic);
  const size_t others = whats.size() - 1;
  Raise(topic,
        others == 0 ? whats.front() : whats.front() + " and " + std::to_string(others) + " more",
        next, std::move(streams));
}

void ProblemBoard::RaiseByStream(const std::string& topic,
                                 const std::map<std::string, std::string>& by_stream,
                                 const std::string& next) {
  std::vector<std::string> whats;
  std::vector<std::string> streams;
  for (const auto& [stream, what] : by_stream) {
    whats.push_back(what);
    streams.push_back(stream);
  }
  RaiseEach(topic, whats, next, std::move(streams));
}

std::vector<Problem> ProblemBoard::List() const {
  std::vector<Problem> all;
  {
    MutexLock lock(mutex_);
    for (const auto& [topic, standing] : standing_) {
      if (standing.doubted) continue;
      all.push_back(standing.problem);
      if (show_topic_ == ShowTopic::kYes) all.back().what = topic + ": " + standing.problem.what;
    }
    all.insert(all.end(), reported_.begin(), reported_.end());
  }
  std::ranges::stable_sort(all, {}, &Problem::since);
  return all;
}

}  // namespace databus
