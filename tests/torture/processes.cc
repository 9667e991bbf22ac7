#include "tests/torture/processes.h"

#include <fmt/format.h>

#include <csignal>
#include <filesystem>
#include <utility>

#include "base/sync.h"
#include "cli/installation.h"
#include "cluster/paths.h"
#include "cluster/text_format.h"

namespace databus {
namespace {

constexpr Milliseconds kRestartAfter{200};
constexpr std::chrono::seconds kStopWithin{40};
constexpr Milliseconds kLookEvery{20};
constexpr int kOfSignal = 128;

}  // namespace

Processes::Processes(const Installation& installation, const Clock& clock, Log log)
    : installation_(installation), clock_(clock), log_(std::move(log)) {
  for (const TortureProcess& process : installation.processes) {
    all_.push_back({.what = &process});
  }
}

Status Processes::StartAll() {
  for (State& state : all_) DATABUS_RETURN_IF_ERROR(Start(state));
  return Status::Ok();
}

Status Processes::Start(State& state) {
  const std::vector<std::string>& command = state.what->command;
  DATABUS_ASSIGN_OR_RETURN(Child child,
                           Child::Start(command.front(), {command.begin() + 1, command.end()},
                                        installation_.site.LogFile(state.what->name)));
  state.child.emplace(std::move(child));
  return Status::Ok();
}

Status Processes::Kill(State& state, Milliseconds down) {
  ::kill(state.child->pid(), SIGKILL);
  const auto end = state.child->Wait();
  state.child.reset();
  state.continue_at.reset();
  state.start_at = clock_.Boot() + down;
  return end.status();
}

void Processes::Pause(State& state, Milliseconds length) {
  state.taken_from = Holds(state) ? fmt::format(":{}%", state.child->pid()) : "";
  ::kill(state.child->pid(), SIGSTOP);
  state.continue_at = clock_.Boot() + length;
}

void Processes::Continue(State& state) {
  if (!state.taken_from.empty() &&
      LeaseOf(state.what->cluster).find(state.taken_from) == std::string::npos) {
    ++takeovers_;
    log_(fmt::format("{} wakes up, its lease was taken over", state.what->name));
  } else {
    log_(fmt::format("{} wakes up", state.what->name));
  }
  ::kill(state.child->pid(), SIGCONT);
  state.continue_at.reset();
}

Status Processes::Supervise() {
  const BootTime now = clock_.Boot();
  for (State& state : all_) {
    if (!state.child) {
      if (now >= state.start_at) DATABUS_RETURN_IF_ERROR(Start(state));
      continue;
    }
    if (state.continue_at && now >= *state.continue_at) Continue(state);
    if (state.child->Running()) continue;
    DATABUS_ASSIGN_OR_RETURN(const ChildEnd end, state.child->Wait());
    state.child.reset();
    if (end.exit_code >= kOfSignal) {
      return {Code::kInvalid,
              fmt::format("{} died of signal {}; see {}", state.what->name,
                          end.exit_code - kOfSignal, installation_.site.LogFile(state.what->name))};
    }
    ++own_ends_;
    log_(fmt::format("{} ended by itself with {}", state.what->name, end.exit_code));
    state.start_at = now + kRestartAfter;
  }
  return Status::Ok();
}

Status Processes::Mend() {
  for (State& state : all_) {
    if (!state.child) DATABUS_RETURN_IF_ERROR(Start(state));
    if (state.continue_at) Continue(state);
  }
  return Status::Ok();
}

Status Processes::RestartRetired() {
  for (State& state : all_) {
    if (state.what->kind != TortureProcess::Kind::kCollector || !state.child) continue;
    const auto beat = ReadTextFile(paths::Join(installation_.ClusterRoot(state.what->cluster),
                                               paths::StatusFile("collector-" + state.what->name)));
    if (!beat.ok() || beat->find("\"retired\": \"\"") != std::string::npos ||
        beat->find(fmt::format("\"pid\": {},", state.child->pid())) == std::string::npos) {
      continue;
    }
    ++retired_;
    log_(state.what->name + " has retired its disk and is restarted");
    DATABUS_RETURN_IF_ERROR(Kill(state, Milliseconds(0)));
  }
  return Status::Ok();
}

Status Processes::StopAll() {
  for (State& state : all_) {
    if (state.child) state.child->Terminate();
  }
  const BootTime deadline = clock_.Boot() + kStopWithin;
  StopFlag never;
  Status status;
  for (State& state : all_) {
    if (!state.child) continue;
    while (state.child->Running() && clock_.Boot() < deadline) {
      never.SleepUntil(clock_, clock_.Boot() + kLookEvery);
    }
    if (state.child->Running()) ::kill(state.child->pid(), SIGKILL);
    const auto end = state.child->Wait();
    state.child.reset();
    if (end.ok() && end->exit_code == 0) continue;
    status =
        Status(Code::kUnavailable, fmt::format("{} did not stop cleanly (exit {})",
                                               state.what->name, end.ok() ? end->exit_code : -1));
  }
  return status;
}

// A holder is written as NAME@HOST:PID#MACHINE, with # as %23.
bool Processes::Holds(const State& state) const {
  if (state.what->kind != TortureProcess::Kind::kWorker || !state.child) return false;
  return LeaseOf(state.what->cluster).find(fmt::format(":{}%", state.child->pid())) !=
         std::string::npos;
}

// The text of the newest record; empty when it cannot be read just now.
std::string Processes::LeaseOf(const std::string& cluster) const {
  const std::string directory = paths::Join(installation_.ClusterRoot(cluster), paths::Leases());
  uint64_t newest = 0;
  std::error_code error;
  std::filesystem::directory_iterator entries(directory, error);
  for (; !error && entries != std::filesystem::directory_iterator(); entries.increment(error)) {
    const auto number = ParseNumber(entries->path().filename().string());
    if (number.ok()) newest = std::max(newest, *number);
  }
  const auto text = ReadTextFile(paths::Join(directory, std::to_string(newest)));
  return text.ok() ? *text : "";
}

}  // namespace databus
