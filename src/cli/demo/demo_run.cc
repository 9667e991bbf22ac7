#include "cli/demo/demo_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>

#include "cli/demo/services.h"
#include "telemetry/iso_time.h"

namespace databus {
namespace {

// Kills and starts again as planned.
class Striker {
 public:
  Striker(const std::vector<Strike>& strikes, DemoServices& services, const DemoEvents& events)
      : services_(services), events_(events) {
    for (const Strike& strike : strikes) {
      steps_.push_back({strike.at, strike.service, Step::kKill});
      steps_.push_back({strike.at + strike.down, strike.service, Step::kStart});
    }
    std::ranges::stable_sort(steps_, {}, &Action::at);
  }

  bool Done() const { return steps_.empty(); }

  Status DoWhatIsDue(Milliseconds elapsed) {
    for (; !steps_.empty() && steps_.front().at <= elapsed; steps_.pop_front()) {
      const Action& action = steps_.front();
      if (action.step == Step::kKill) {
        DATABUS_RETURN_IF_ERROR(services_.Kill(action.service));
        events_.on_event(fmt::format("kill -9 {}", action.service));
      } else {
        DATABUS_RETURN_IF_ERROR(services_.Start(action.service));
        events_.on_event(fmt::format("{} is started again", action.service));
      }
    }
    return Status::Ok();
  }

 private:
  enum class Step : uint8_t { kKill, kStart };
  struct Action {
    Milliseconds at;
    std::string service;
    Step step;
  };
  DemoServices& services_;
  const DemoEvents& events_;
  std::deque<Action> steps_;
};

std::vector<StreamProgress> Progress(const Topology& topology, const Traffic& traffic,
                                     const HopWatch& watch) {
  std::vector<StreamProgress> all;
  const std::vector<SourceCount> counts = traffic.Counts();
  for (const StreamSpec& stream : topology.streams) {
    StreamProgress& progress = all.emplace_back();
    progress.stream = stream.name;
    for (const SourceCount& count : counts) {
      if (count.source.stream != stream.name) continue;
      progress.sent += count.sent;
      progress.acknowledged += count.acknowledged;
    }
    for (size_t hop = 0; hop < kAllHops.size(); ++hop) {
      progress.visible[hop] = watch.Count(stream.name, kAllHops[hop]).messages;
    }
  }
  return all;
}

bool AllVisible(const std::vector<StreamProgress>& all) {
  return std::ranges::all_of(all, [](const StreamProgress& progress) {
    return std::ranges::all_of(progress.visible,
                               [&](uint64_t visible) { return visible >= progress.acknowledged; });
  });
}

// What the parts of a demo share while it runs.
struct Stage {
  const DemoSite& site;
  const DemoInput& input;
  const DemoOptions& options;
  const DemoEvents& events;
  Seams& seams;
  DemoServices& services;
  HopWatch& watch;
};

// With a story events are sent for as long as it takes.
TrafficOptions TrafficOf(const DemoOptions& options) {
  TrafficOptions traffic = options.traffic;
  if (options.story != DemoStory::kKills) traffic.duration = std::chrono::hours(24);
  return traffic;
}

std::vector<Scene> ScenesOf(const Stage& stage, const Traffic& traffic, StoryFigures& figures,
                            Drill& drill) {
  const StreamSpec& spec = stage.site.topology.streams.front();
  return ScenesOf(
      stage.options.story,
      {.site = stage.site,
       .services = stage.services,
       .seams = stage.seams,
       .absence = stage.options.absence,
       .program = stage.options.program,
       .tell = stage.events.on_event,
       .setbacks = [&traffic] { return SetbacksOf(traffic.Counts()); },
       // Of the stream that dc1 is the primary of at the beginning.
       .merged =
           [&watch = stage.watch, spec](std::string_view cluster) {
             const bool first = cluster == spec.Primary();
             return watch.Count(spec.name, first ? Hop::kMerged : Hop::kMirror).messages;
           },
       .figures = figures,
       .drill = drill});
}

// Traffic, strikes and the story, until everything has arrived or its time is over.
Status Carry(const Stage& stage, DemoReport& report, StopFlag& stop) {
  const Clock& clock = stage.seams.clock;
  const BootTime started = clock.Boot();
  Traffic traffic(stage.site, stage.input, TrafficOf(stage.options),
                  {stage.seams.network, clock, stage.seams.random});
  Striker striker(stage.options.strikes, stage.services, stage.events);
  Drill drill(stage.options.drill, {stage.services, clock, stage.events.on_event});
  Story story(ScenesOf(stage, traffic, report.story, drill));
  enum class Phase : uint8_t { kSending, kArriving } phase = Phase::kSending;
  BootTime deadline;
  for (;;) {
    const BootTime now = clock.Boot();
    const auto elapsed = std::chrono::duration_cast<Milliseconds>(now - started);
    DATABUS_RETURN_IF_ERROR(striker.DoWhatIsDue(elapsed));
    DATABUS_RETURN_IF_ERROR(stage.services.Check());
    stage.watch.Look();
    const std::vector<StreamProgress> progress =
        Progress(stage.site.topology, traffic, stage.watch);
    stage.events.on_progress(progress, stage.watch);
    if (elapsed >= stage.options.traffic.duration && striker.Done()) {
      DATABUS_RETURN_IF_ERROR(story.Step(stage.events.on_event));
      if (story.IsOver()) traffic.Stop();
    }
    if (phase == Phase::kSending && traffic.Done()) {
      phase = Phase::kArriving;
      deadline = now + stage.options.arrive_within;
      stage.events.on_event("everything is sent; waiting until it has arrived");
    }
    if (phase == Phase::kArriving) {
      report.arrived = AllVisible(progress);
      if (report.arrived || now > deadline) break;
    }
    if (stop.SleepUntil(clock, now + stage.options.look_every)) return {Code::kStopped, "stopped"};
  }
  report.sources = traffic.Counts();
  report.story.kills = drill.deaths();
  return Status::Ok();
}

Status Verify(const DemoSite& site, const std::string& program, DemoReport& report) {
  DATABUS_ASSIGN_OR_RETURN(
      Child child,
      Child::Start(program, {"verify", "--topology", site.topology_file, "--wait", "30s", "--deep"},
                   site.LogFile("verify")));
  DATABUS_ASSIGN_OR_RETURN(const ChildEnd end, child.Wait());
  report.verify_output = end.output;
  report.verify_exit = end.exit_code;
  return Status::Ok();
}

}  // namespace

bool DemoReport::LossIsRecovered() const {
  return kind != DemoStory::kUnplanned || (figures.loss && figures.loss->AllRecovered());
}

bool DemoReport::Clean() const {
  return arrived && LossIsRecovered() && verify_exit == 0 && stopped.ok() && !sequences.empty() &&
         std::ranges::all_of(sequences, [](const auto& result) { return result.Clean(); });
}

Result<DemoReport> RunDemo(const DemoSite& site, const DemoInput& input, const DemoOptions& options,
                           const DemoEvents& events, Seams& seams, StopFlag& stop) {
  DemoReport report;
  report.kind = options.story;
  DemoServices services(site, options.program, seams.clock);
  const Status ready = services.StartAll(seams, stop);
  HopWatch watch(site.topology, seams);
  const Status carried =
      !ready.ok() ? ready
                  : Carry({site, input, options, events, seams, services, watch}, report, stop);
  if (!carried.ok()) {
    const Status stopped = services.StopAll();
    if (!stopped.ok()) events.on_event(stopped.message());
    return carried;
  }
  events.on_event("databus verify --deep");
  DATABUS_RETURN_IF_ERROR(Verify(site, options.program, report));
  report.stopped = services.StopAll();
  for (size_t hop = 0; hop < kAllHops.size(); ++hop) {
    for (const StreamSpec& stream : site.topology.streams) {
      const HopCount count = watch.Count(stream.name, kAllHops[hop]);
      report.lags_ms[hop].insert(report.lags_ms[hop].end(), count.lags_ms.begin(),
                                 count.lags_ms.end());
    }
  }
  events.on_event("reading every message of every view");
  DATABUS_ASSIGN_OR_RETURN(report.sequences,
                           CheckSequences(site.topology, input, report.sources, seams));
  report.figures = FiguresOf(report.story, site, seams);
  report.figures.lost = 0;
  report.figures.doubled = 0;
  for (const SequenceResult& result : report.sequences) {
    *report.figures.lost += result.lost;
    *report.figures.doubled += result.doubled;
  }
  return report;
}

}  // namespace databus
