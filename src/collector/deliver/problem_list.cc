#include "collector/deliver/problem_list.h"

#include <algorithm>
#include <utility>

#include "telemetry/log.h"

namespace databus {

void ProblemList::Report(const std::string& key, std::string what, std::string next) {
  MutexLock lock(mutex_);
  auto [at, fresh] =
      problems_.try_emplace(key, Problem{.what = {}, .since = clock_.Wall(), .next = {}});
  if (at->second.what == what) return;
  LogWarning("collector", what, {{"next", next}});
  at->second.what = std::move(what);
  at->second.next = std::move(next);
}

void ProblemList::Solved(const std::string& key) {
  MutexLock lock(mutex_);
  const auto at = problems_.find(key);
  if (at == problems_.end()) return;
  LogInfo("collector", "solved", {{"problem", at->second.what}});
  problems_.erase(at);
}

std::vector<Problem> ProblemList::List() const {
  std::vector<Problem> list;
  {
    MutexLock lock(mutex_);
    for (const auto& [key, problem] : problems_) list.push_back(problem);
  }
  std::stable_sort(list.begin(), list.end(),
                   [](const Problem& a, const Problem& b) { return a.since < b.since; });
  return list;
}

}  // namespace databus
