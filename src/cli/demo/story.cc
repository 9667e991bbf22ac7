#include "cli/demo/story.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <csignal>
#include <memory>
#include <optional>
#include <utility>

#include "cli/bench/child.h"
#include "cli/command.h"

namespace databus {
namespace {

// A command that runs beside everything else.
class Running {
 public:
  Running(CommandLine line, Tell tell, std::string* said)
      : line_(std::move(line)), tell_(std::move(tell)), said_(said) {}

  Status Begin() {
    DATABUS_ASSIGN_OR_RETURN(const std::vector<std::string> args, line_.args());
    return Begin(args);
  }

  Result<bool> IsOver() {
    while (child_->HasOutput()) {
      const auto line = child_->ReadLine();
      if (!line.ok()) return End();
      Hear(*line);
    }
    if (!line_.dies) return false;
    DATABUS_ASSIGN_OR_RETURN(const bool dies, line_.dies());
    if (!dies) return false;
    ::kill(child_->pid(), SIGKILL);
    DATABUS_ASSIGN_OR_RETURN(const ChildEnd end, child_->Wait());
    if (end.exit_code == 0) return true;  // it was faster
    DATABUS_RETURN_IF_ERROR(Begin(line_.again));
    again_ = true;
    return false;
  }

 private:
  Status Begin(const std::vector<std::string>& args) {
    shown_ = fmt::format("databus {}", fmt::join(args, " "));
    tell_(shown_);
    DATABUS_ASSIGN_OR_RETURN(Child child, Child::Start(line_.program, args, line_.log));
    child_.reset();
    child_.emplace(std::move(child));
    return Status::Ok();
  }
  void Hear(const std::string& line) {
    if (said_ != nullptr) *said_ += line + "\n";
    tell_("  " + line);
  }
  Result<bool> End() {
    DATABUS_ASSIGN_OR_RETURN(const ChildEnd end, child_->Wait());
    if (end.exit_code == 0) return true;
    // It had come to its end when it was killed.
    if (again_ && end.exit_code == static_cast<int>(Exit::kNothingToDo)) return true;
    return Status(Code::kUnavailable, fmt::format("{}: ended with {}", shown_, end.exit_code));
  }

  const CommandLine line_;
  const Tell tell_;
  std::string* const said_;
  std::string shown_;  // as somebody would have typed it
  std::optional<Child> child_;
  bool again_ = false;
};

}  // namespace

Status Story::Step(const Tell& tell) {
  while (!scenes_.empty()) {
    Scene& scene = scenes_.front();
    if (std::exchange(state_, State::kBegun) == State::kToBegin) {
      if (!scene.title.empty()) tell(scene.title);
      if (scene.begin) DATABUS_RETURN_IF_ERROR(scene.begin());
    }
    if (scene.is_over) {
      DATABUS_ASSIGN_OR_RETURN(const bool is_over, scene.is_over());
      if (!is_over) return Status::Ok();
    }
    scenes_.pop_front();
    state_ = State::kToBegin;
  }
  return Status::Ok();
}

Scene Pause(const Clock& clock, Milliseconds duration) {
  const auto end = std::make_shared<BootTime>();
  return {.begin =
              [&clock, duration, end] {
                *end = clock.Boot() + duration;
                return Status::Ok();
              },
          .is_over = [&clock, end]() -> Result<bool> { return clock.Boot() >= *end; }};
}

Scene Play(CommandLine command, Tell tell, std::string* said) {
  const auto running = std::make_shared<Running>(std::move(command), std::move(tell), said);
  return {.begin = [running] { return running->Begin(); },
          .is_over = [running] { return running->IsOver(); }};
}

}  // namespace databus
