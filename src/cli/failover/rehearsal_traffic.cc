#include "cli/failover/rehearsal_traffic.h"

#include <fmt/format.h>

#include <charconv>

#include "client/publisher.h"

namespace databus {
namespace {

constexpr Milliseconds kEvery{50};
constexpr std::chrono::minutes kAnswersWithin{1};
constexpr size_t kNameDigits = 12;

// Takes the next word off a line.
std::string_view Word(std::string_view& rest) {
  const std::string_view word = rest.substr(0, rest.find(' '));
  rest.remove_prefix(std::min(rest.size(), word.size() + 1));
  return word;
}

}  // namespace

struct RehearsalTraffic::Producer {
  void Note(const PublisherProgress& progress, WallTime now) {
    if (progress.acknowledged > acknowledged) marks.push_back({now, progress.acknowledged});
    sent = progress.accepted;
    acknowledged = progress.acknowledged;
    resent = progress.resent;
    failures = progress.failures;
    refused = progress.refused;
  }

  std::string label;
  std::string cluster;
  std::unique_ptr<Publisher> publisher;
  std::atomic<uint64_t> sent{0};
  std::atomic<uint64_t> acknowledged{0};
  std::atomic<uint64_t> resent{0};
  std::atomic<uint64_t> failures{0};
  std::atomic<uint64_t> refused{0};
  std::vector<Mark> marks;  // the thread's until it is joined
  Thread thread;
};

RehearsalTraffic::RehearsalTraffic(const std::string& stream, const failover::Observation& seen,
                                   Seams& seams)
    : stream_(stream), name_(seams.random.Hex(kNameDigits)), seams_(seams) {
  for (const failover::SeenCollector& collector : seen.collectors) {
    if (collector.life != failover::Life::kAlive || collector.port == 0) continue;
    auto producer = std::make_unique<Producer>();
    producer->label = collector.Label();
    producer->cluster = collector.cluster;
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
  const auto note = [&] { producer.Note(publisher.progress(), seams_.clock.Wall()); };
  for (uint64_t number = 1; !stop_.SleepUntil(seams_.clock, seams_.clock.Boot() + kEvery);) {
    const BootTime soon = seams_.clock.Boot() + kEvery;
    const std::string message = fmt::format("{} {} {}", name_, producer.label, number);
    if (publisher.Publish(stream_, message, soon).ok()) ++number;
    publisher.Poll(soon);
    note();
  }
  const Status closed = publisher.Close(seams_.clock.Boot() + kAnswersWithin);
  (void)closed;  // what it would say is in the counts
  note();
}

std::vector<SourceCount> RehearsalTraffic::Counts() const {
  std::vector<SourceCount> counts;
  for (const auto& producer : producers_) {
    const uint64_t acknowledged = producer->acknowledged;  // first: never more than was sent
    counts.push_back({{stream_, producer->label},
                      producer->sent,
                      acknowledged,
                      producer->resent,
                      producer->failures,
                      producer->refused});
  }
  return counts;
}

std::optional<NumberedMessage> RehearsalTraffic::Recognise(std::string_view line) const {
  if (Word(line) != name_) return std::nullopt;
  NumberedMessage message{{stream_, std::string(Word(line))}};
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), message.number);
  const bool whole = error == std::errc() && end == line.data() + line.size();
  return whole && message.number > 0 ? std::optional(message) : std::nullopt;
}

std::vector<RehearsalTraffic::History> RehearsalTraffic::Histories() const {
  std::vector<History> histories;
  for (const auto& producer : producers_) {
    histories.push_back({{stream_, producer->label}, producer->cluster, producer->marks});
  }
  return histories;
}

}  // namespace databus
