#include "cli/failover/rehearsal_traffic.h"

#include <fmt/format.h>

#include "client/publisher.h"

namespace databus {
namespace {

constexpr Milliseconds kEvery{50};
constexpr std::chrono::minutes kAnswersWithin{1};

}  // namespace

struct RehearsalTraffic::Producer {
  std::string label;
  std::unique_ptr<Publisher> publisher;
  std::atomic<uint64_t> sent{0};
  std::atomic<uint64_t> acknowledged{0};
  std::atomic<uint64_t> failures{0};
  Thread thread;
};

RehearsalTraffic::RehearsalTraffic(const std::string& stream, const failover::Observation& seen,
                                   Seams& seams)
    : stream_(stream), seams_(seams) {
  for (const failover::SeenCollector& collector : seen.collectors) {
    if (collector.life != failover::Life::kAlive || collector.port == 0) continue;
    auto producer = std::make_unique<Producer>();
    producer->label = collector.Label();
    producer->publisher = std::make_unique<Publisher>(
        PublisherOptions{.host = collector.host, .port = collector.port, .batch_age_max = kEvery},
        PublisherSeams{seams.network, seams.clock, seams.random});
    producers_.push_back(std::move(producer));
  }
  for (const auto& producer : producers_) {
    producer->thread = Thread("rehearsal", [this, &each = *producer] { Run(each); });
  }
}

RehearsalTraffic::~RehearsalTraffic() { Finish(); }

void RehearsalTraffic::Finish() {
  stop_.Stop();
  for (const auto& producer : producers_) producer->thread.Join();
}

void RehearsalTraffic::Run(Producer& producer) {
  Publisher& publisher = *producer.publisher;
  const auto note = [&] {
    producer.sent = publisher.progress().accepted;
    producer.acknowledged = publisher.progress().acknowledged;
    producer.failures = publisher.progress().failures;
  };
  for (uint64_t number = 1; !stop_.SleepUntil(seams_.clock, seams_.clock.Boot() + kEvery);) {
    const BootTime soon = seams_.clock.Boot() + kEvery;
    const std::string message = fmt::format("{} {}", producer.label, number);
    if (publisher.Publish(stream_, message, soon).ok()) ++number;
    publisher.Poll(soon);
    note();
  }
  const Status closed = publisher.Close(seams_.clock.Boot() + kAnswersWithin);
  (void)closed;  // what it would say is in the counts
  note();
}

uint64_t RehearsalTraffic::sent() const {
  uint64_t sum = 0;
  for (const auto& producer : producers_) sum += producer->sent;
  return sum;
}
uint64_t RehearsalTraffic::acknowledged() const {
  uint64_t sum = 0;
  for (const auto& producer : producers_) sum += producer->acknowledged;
  return sum;
}
uint64_t RehearsalTraffic::refused() const {
  uint64_t sum = 0;
  for (const auto& producer : producers_) sum += producer->failures;
  return sum;
}

}  // namespace databus
