#include "cli/demo/traffic.h"

#include <algorithm>

#include "client/publisher.h"

namespace databus {
namespace {

constexpr Milliseconds kStep{20};       // events come in bursts of so much time
constexpr Milliseconds kBatchAge{100};  // how long a message waits for others to go with
constexpr Milliseconds kAttempt{200};

}  // namespace

struct Traffic::Source {
  Source(DemoSource named, uint16_t port, const TrafficSeams& seams)
      : name(std::move(named)),
        publisher({.host = "127.0.0.1",
                   .port = port,
                   .batch_age_max = kBatchAge,
                   .pause_max = Milliseconds(500)},
                  {seams.network, seams.clock, seams.random},
                  [this](const PublisherProgress& progress) { Note(progress); }) {}

  void Note(const PublisherProgress& progress) {
    sent = progress.accepted;
    acknowledged = progress.acknowledged;
    resent = progress.resent;
    failures = progress.failures;
    refused = progress.refused;
  }

  const DemoSource name;
  Publisher publisher;
  std::atomic<uint64_t> sent = 0;
  std::atomic<uint64_t> acknowledged = 0;
  std::atomic<uint64_t> resent = 0;
  std::atomic<uint64_t> failures = 0;
  std::atomic<uint64_t> refused = 0;
  std::atomic<int> done = 0;
  Thread thread;
};

Traffic::Traffic(const DemoSite& site, const DemoInput& input, TrafficOptions options,
                 TrafficSeams seams)
    : input_(input), options_(options), seams_(seams), started_(seams.clock.Boot()) {
  for (const StreamSpec& stream : site.topology.streams) {
    for (const DemoService& collector : site.collectors) {
      sources_.push_back(std::make_unique<Source>(DemoSource{stream.name, collector.name},
                                                  collector.port, seams_));
    }
  }
  for (const auto& source : sources_) {
    source->thread = Thread("source", [this, &source = *source] { Run(source); });
  }
}

Traffic::~Traffic() {
  stop_.Stop();
  for (const auto& source : sources_) source->publisher.Interrupt();
  for (const auto& source : sources_) source->thread.Join();
}

bool Traffic::Done() const {
  return std::ranges::all_of(sources_, [](const auto& source) { return source->done == 1; });
}

std::vector<SourceCount> Traffic::Counts() const {
  std::vector<SourceCount> counts;
  for (const auto& source : sources_) {
    const uint64_t acknowledged = source->acknowledged;  // first: it is never more than was sent
    counts.push_back({source->name, source->sent, acknowledged, source->resent, source->failures,
                      source->refused});
  }
  return counts;
}

Setbacks SetbacksOf(const std::vector<SourceCount>& sources) {
  Setbacks setbacks;
  for (const SourceCount& source : sources) {
    setbacks.refused += source.refused;
    setbacks.disconnected += source.failures - source.refused;
  }
  return setbacks;
}

void Traffic::Run(Source& source) {
  const double per_ms = options_.events_per_s / 1000.0 / static_cast<double>(sources_.size());
  const BootTime end = started_ + options_.duration;
  uint64_t number = 0;
  for (BootTime now = started_; now < end; now = seams_.clock.Boot()) {
    const std::chrono::duration<double, std::milli> elapsed = now - started_;
    const auto due = static_cast<uint64_t>(elapsed.count() * per_ms);
    while (number < due && seams_.clock.Boot() < end && PublishOne(source, number + 1)) ++number;
    source.publisher.Poll(now + kAttempt);
    source.Note(source.publisher.progress());
    if (stop_.SleepUntil(seams_.clock, now + kStep)) break;
  }
  const Status closed =
      source.publisher.Close(std::min(end, seams_.clock.Boot()) + options_.confirm_within);
  (void)closed;  // what it would say is in the counts
  source.Note(source.publisher.progress());
  source.done = 1;
}

bool Traffic::PublishOne(Source& source, uint64_t number) {
  return source.publisher
      .Publish(source.name.stream, input_.Message(source.name, number),
               seams_.clock.Boot() + kAttempt)
      .ok();
}

}  // namespace databus
