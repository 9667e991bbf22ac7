#include "cli/bench/ingest.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "cli/bench/bench_collector.h"
#include "cli/bench/child.h"
#include "cli/bench/machine.h"
#include "cli/table.h"
#include "cluster/paths.h"

namespace databus {
namespace {

constexpr double kMega = 1e6;
constexpr double kGiga = 1e9;
constexpr Milliseconds kDeliverWithin{60'000};

// The load generator runs as a process of its own, so that its processor time is known.
Result<LoadResult> LoadFromChild(const IngestOptions& options, const IngestCase& size,
                                 uint16_t port) {
  DATABUS_ASSIGN_OR_RETURN(
      Child child, Child::Start(Child::kSelf,
                                {"bench", "load", fmt::format("--to=127.0.0.1:{}", port), "--json",
                                 fmt::format("--connections={}", size.connections),
                                 fmt::format("--batch={}", size.batch),
                                 fmt::format("--in-flight={}", size.in_flight),
                                 fmt::format("--duration-ms={}", options.duration.count())},
                                paths::Join(options.directory, "load.log")));
  DATABUS_ASSIGN_OR_RETURN(const ChildEnd end, child.Wait());
  if (end.exit_code != 0) {
    return Status(Code::kUnavailable,
                  "the load generator failed: see load.log in " + options.directory);
  }
  return LoadResultFromJson(end.output);
}

// One sample, in a directory of its own, so that all start alike.
class Sampling {
 public:
  Sampling(const IngestOptions& options, const IngestCase& size, Seams& seams)
      : options_(options),
        size_(size),
        seams_(seams),
        directory_(paths::Join(options.directory, "sample")) {}

  Result<IngestSample> Run() {
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directory(directory_);
    DATABUS_RETURN_IF_ERROR(MeasureCollector());
    DATABUS_RETURN_IF_ERROR(MeasureBare());
    DATABUS_ASSIGN_OR_RETURN(
        sample_.disk_bytes_per_s,
        SequentialWriteRate(seams_.disk, seams_.clock, directory_,
                            std::max<uint64_t>(1, static_cast<uint64_t>(sample_.flush_bytes)),
                            options_.duration / 2));
    std::filesystem::remove_all(directory_);
    return sample_;
  }

 private:
  Status MeasureCollector() {
    DATABUS_ASSIGN_OR_RETURN(BenchCollector collector, BenchCollector::Start(seams_, directory_));
    const pid_t pid = collector.child().pid();
    DATABUS_ASSIGN_OR_RETURN(const ProcessUse before, UseOf(pid));
    DATABUS_ASSIGN_OR_RETURN(sample_.collector, LoadFromChild(options_, size_, collector.port()));
    DATABUS_ASSIGN_OR_RETURN(const double flushes,
                             collector.Metric("databus_collector_flushes_total"));
    DATABUS_ASSIGN_OR_RETURN(sample_.drained,
                             collector.WaitUntilDelivered(seams_.clock, kDeliverWithin));
    DATABUS_ASSIGN_OR_RETURN(const ProcessUse after, UseOf(pid));
    const auto bytes = static_cast<double>(sample_.collector.bytes);
    if (bytes == 0) return {Code::kUnavailable, "the collector acknowledged nothing"};
    sample_.flush_bytes = bytes / std::max(1.0, flushes);
    sample_.cpu_s_per_gb = (after.cpu_s - before.cpu_s) / (bytes / kGiga);
    sample_.resident_bytes_max = static_cast<double>(after.resident_bytes_max);
    return collector.Stop();
  }

  Status MeasureBare() {
    DATABUS_ASSIGN_OR_RETURN(Child receiver,
                             Child::Start(Child::kSelf, {"bench", "receive"},
                                          paths::Join(options_.directory, "receive.log")));
    DATABUS_ASSIGN_OR_RETURN(const std::string port, receiver.ReadLine());
    DATABUS_ASSIGN_OR_RETURN(
        sample_.bare, LoadFromChild(options_, size_, static_cast<uint16_t>(std::stoi(port))));
    return Status::Ok();
  }

  const IngestOptions& options_;
  const IngestCase& size_;
  Seams& seams_;
  const std::string directory_;
  IngestSample sample_;
};

double Megabytes(const LoadResult& load) { return load.bytes_per_s() / kMega; }

struct Figure {
  const char* name;
  double (*value)(const IngestSample&);
};

constexpr Figure kFigures[] = {
    {"ratio", [](const IngestSample& s) { return s.ratio(); }},
    {"messages_per_s", [](const IngestSample& s) { return s.collector.messages_per_s(); }},
    {"collector_mb_per_s", [](const IngestSample& s) { return Megabytes(s.collector); }},
    {"bare_mb_per_s", [](const IngestSample& s) { return Megabytes(s.bare); }},
    {"disk_mb_per_s", [](const IngestSample& s) { return s.disk_bytes_per_s / kMega; }},
    {"flush_bytes", [](const IngestSample& s) { return s.flush_bytes; }},
    {"p50_ms", [](const IngestSample& s) { return s.collector.p50_us / 1e3; }},
    {"p99_ms", [](const IngestSample& s) { return s.collector.p99_us / 1e3; }},
    {"cpu_s_per_gb", [](const IngestSample& s) { return s.cpu_s_per_gb; }},
    {"resident_mb_max", [](const IngestSample& s) { return s.resident_bytes_max / kMega; }},
    {"generator_cpu_share",
     [](const IngestSample& s) { return s.collector.own_cpu_s / s.collector.elapsed_s; }},
    {"refused_calls",
     [](const IngestSample& s) { return static_cast<double>(s.collector.refused_calls); }},
    {"not_delivered_in_time", [](const IngestSample& s) { return s.drained ? 0.0 : 1.0; }},
};

}  // namespace

double IngestSample::limit_bytes_per_s() const {
  return std::min(bare.bytes_per_s(), disk_bytes_per_s);
}

Spread IngestCase::Over(double (*value)(const IngestSample&)) const {
  std::vector<double> values;
  for (const IngestSample& sample : samples) values.push_back(value(sample));
  return SpreadOf(std::move(values));
}

Result<std::vector<IngestCase>> MeasureIngest(const IngestOptions& options, Seams& seams,
                                              const std::function<void(std::string)>& progress) {
  std::vector<IngestCase> cases;
  for (const uint32_t batch : options.batches) {
    for (const uint32_t connections : options.connections) {
      cases.push_back({.batch = batch, .connections = connections, .in_flight = 1, .samples = {}});
    }
  }
  if (options.single_in_flight > 0) {
    cases.push_back(
        {.batch = 1, .connections = 1, .in_flight = options.single_in_flight, .samples = {}});
  }
  for (int round = 1; round <= options.rounds; ++round) {
    for (IngestCase& size : cases) {
      progress(fmt::format("round {} of {}: {} messages a call, {} connections", round,
                           options.rounds, size.batch, size.connections));
      DATABUS_ASSIGN_OR_RETURN(IngestSample sample, Sampling(options, size, seams).Run());
      size.samples.push_back(std::move(sample));
    }
  }
  return cases;
}

std::string ToText(const std::vector<IngestCase>& cases) {
  const auto number = [](const Spread& spread) {
    return Grouped(static_cast<uint64_t>(spread.median));
  };
  Table table({">batch", ">connections", ">in flight", ">ratio", ">messages/s", ">MB/s",
               ">bare MB/s", ">disk MB/s", ">flush KB", ">p50 ms", ">p99 ms", ">CPU s/GB",
               ">RSS MB", ">generator"});
  for (const IngestCase& size : cases) {
    std::vector<Spread> spreads;
    for (const Figure& figure : kFigures) spreads.push_back(size.Over(figure.value));
    table.Row({Grouped(size.batch), Grouped(size.connections), Grouped(size.in_flight),
               ToText(spreads[0], 2), number(spreads[1]), number(spreads[2]), number(spreads[3]),
               number(spreads[4]), number({.median = spreads[5].median / 1e3}),
               fmt::format("{:.2f}", spreads[6].median), fmt::format("{:.2f}", spreads[7].median),
               fmt::format("{:.1f}", spreads[8].median), number({.median = spreads[9].max}),
               fmt::format("{:.0f} %", spreads[10].median * 100)});
  }
  std::string text = table.ToString();
  for (const IngestCase& size : cases) {
    for (const IngestSample& sample : size.samples) {
      if (sample.collector.refused_calls == 0 && sample.drained) continue;
      text += fmt::format("batch {}, {} connections: {} calls refused; all delivered in time: {}\n",
                          size.batch, size.connections, sample.collector.refused_calls,
                          sample.drained ? "yes" : "no");
    }
  }
  return text;
}

nlohmann::ordered_json ToJson(const std::vector<IngestCase>& cases) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const IngestCase& size : cases) {
    nlohmann::ordered_json json = {
        {"batch", size.batch}, {"connections", size.connections}, {"in_flight", size.in_flight}};
    for (const Figure& figure : kFigures) {
      const Spread spread = size.Over(figure.value);
      json[figure.name] = {spread.min, spread.median, spread.max};
    }
    list.push_back(std::move(json));
  }
  return list;
}

}  // namespace databus
