// A demo from its start to its verdict: an installation of real processes, traffic, kill -9, and
// the count of every message. The command `demo` prints what it says; the end-to-end test asserts
// it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/sync.h"
#include "cli/bench/child.h"
#include "cli/demo/drill.h"
#include "cli/demo/failover_story.h"
#include "cli/demo/hop_watch.h"
#include "cli/demo/input.h"
#include "cli/demo/sequence_check.h"
#include "cli/demo/site.h"
#include "cli/demo/traffic.h"
#include "cli/seams.h"

namespace databus {

// One kill -9: `service` dies `at` after the traffic began and is started again after `down`.
struct Strike {
  std::string service;
  Milliseconds at{0};
  Milliseconds down{0};
};

struct DemoOptions {
  std::string program = std::string(Child::kSelf);
  TrafficOptions traffic;
  std::vector<Strike> strikes;  // those of one service must not overlap
  // What is played after the strikes; events are sent until it is over, and `traffic.duration` at
  // least.
  DemoStory story = DemoStory::kKills;
  Absence absence{};
  // While a command of the story runs.
  DrillOptions drill{};
  // Between two looks at the views: each costs several calls for each of them.
  Milliseconds look_every{100};
  // After the traffic, for all of it to become visible everywhere.
  Milliseconds arrive_within{90'000};
};

struct StreamProgress {
  std::string stream;
  uint64_t sent = 0;
  uint64_t acknowledged = 0;
  std::array<uint64_t, kAllHops.size()> visible{};
};

struct DemoEvents {
  // Several times a second. `watch` may be asked for lags.
  std::function<void(const std::vector<StreamProgress>& progress, const HopWatch& watch)>
      on_progress;
  // One line for people: what is done now.
  std::function<void(const std::string& text)> on_event;
};

struct DemoReport {
  DemoStory kind = DemoStory::kKills;
  StoryFigures story;
  FailoverFigures figures;
  bool arrived = false;  // all of it was visible everywhere in time
  std::vector<SourceCount> sources;
  std::vector<SequenceResult> sequences;
  std::string verify_output;
  int verify_exit = 0;
  Status stopped;  // whether all processes ended cleanly
  std::array<std::vector<int64_t>, kAllHops.size()> lags_ms;

  // Of an unplanned failover; true of others.
  bool LossIsRecovered() const;
  bool Clean() const;
};

// Not ok: it could not be carried through; the message says where to look. kStopped: by `stop`.
Result<DemoReport> RunDemo(const DemoSite& site, const DemoInput& input, const DemoOptions& options,
                           const DemoEvents& events, Seams& seams, StopFlag& stop);

}  // namespace databus
