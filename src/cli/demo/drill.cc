#include "cli/demo/drill.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "failover/journal.h"

namespace databus {
namespace {

// Between two kills, and how long the killed are down: so that some die together, and some while
// they recover.
constexpr int64_t kApartMsMin = 100;
constexpr int64_t kApartMsRange = 2'400;
constexpr int64_t kDownMsMin = 200;
constexpr int64_t kDownMsRange = 1'800;

Milliseconds Between(Random& random, int64_t min, int64_t range) {
  return Milliseconds(min + static_cast<int64_t>(random.Below(static_cast<uint64_t>(range))));
}

}  // namespace

Drill::Drill(const DrillOptions& options, World world)
    : options_(options), world_(std::move(world)), random_(SeededRandom(options.seed)) {}

void Drill::Begin() {
  left_ = options_.kills;
  step_.clear();
}

Status Drill::End() {
  left_ = 0;
  return Revive(BootTime::max());
}

void Drill::Hear(const std::string& line) {
  const size_t begin = line.find_first_not_of(' ');
  if (begin == std::string::npos) return;
  const std::string word = line.substr(begin, line.find(' ', begin) - begin);
  if (!failover::ParseStep(word)) return;
  if (step_.empty()) {
    next_ = world_.clock.Boot() + Between(*random_, kApartMsMin, kApartMsRange);
  }
  step_ = word;
}

Result<bool> Drill::Strike() {
  const BootTime now = world_.clock.Boot();
  DATABUS_RETURN_IF_ERROR(Revive(now));
  if (step_.empty() || left_ == 0 || now < next_) return false;
  next_ = now + Between(*random_, kApartMsMin, kApartMsRange);
  --left_;
  const std::vector<std::string> running = world_.services.Running();
  // Of the services as often as of the command.
  if (running.empty() || random_->Below(2) == 0) {
    TellDeath("the command");
    return true;
  }
  const std::string& victim = running[random_->Below(running.size())];
  DATABUS_RETURN_IF_ERROR(world_.services.Kill(victim));
  TellDeath(victim);
  down_[victim] = now + Between(*random_, kDownMsMin, kDownMsRange);
  return false;
}

Status Drill::Revive(BootTime until) {
  for (auto at = down_.begin(); at != down_.end();) {
    if (at->second > until) {
      ++at;
      continue;
    }
    DATABUS_RETURN_IF_ERROR(world_.services.Start(at->first));
    at = down_.erase(at);
  }
  return Status::Ok();
}

void Drill::TellDeath(const std::string& who) {
  deaths_.push_back({who, step_});
  world_.tell(fmt::format("kill -9 of {}, at {}", who, step_));
}

}  // namespace databus
