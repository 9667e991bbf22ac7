#include "cli/bench/bench_collector.h"

#include <fmt/format.h>
#include <httplib.h>

#include <charconv>
#include <fstream>
#include <memory>
#include <string_view>

#include "base/sync.h"
#include "cli/demo/example_files.h"
#include "cli/demo/site.h"
#include "cluster/paths.h"
#include "commit/cluster_id.h"

namespace databus {
namespace {

constexpr Milliseconds kStartWithin{20'000};
constexpr Milliseconds kPoll{20};
constexpr int kHttpTimeoutS = 10;

Status MakeCluster(Seams& seams, const std::string& url) {
  DATABUS_RETURN_IF_ERROR(seams.create_root(url, ""));
  DATABUS_ASSIGN_OR_RETURN(const std::unique_ptr<Storage> tree, seams.open_storage(url, ""));
  return InitializeTree(*tree, seams.random, kGroupsDefault).status();
}

// The last number of a line of the exposition format.
double ValueOf(std::string_view line) {
  const std::string_view text = line.substr(line.rfind(' ') + 1);
  double value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

}  // namespace

Result<uint16_t> FreePort(Network& network) {
  DATABUS_ASSIGN_OR_RETURN(const std::unique_ptr<FrameServer> server, network.Listen({}));
  return server->port();
}

Status WaitForListener(Seams& seams, const Child& child, uint16_t port, Milliseconds most) {
  StopFlag never;
  const BootTime deadline = seams.clock.Boot() + most;
  while (true) {
    const auto connected =
        seams.network.Connect({.host = "127.0.0.1", .port = port, .deadline = deadline});
    if (connected.ok()) return Status::Ok();
    if (!child.Running()) return {Code::kUnavailable, "it ended at once"};
    if (seams.clock.Boot() >= deadline) return connected.status();
    never.SleepUntil(seams.clock, seams.clock.Boot() + kPoll);
  }
}

Status WriteText(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  return file ? Status::Ok() : Status(Code::kRefused, "cannot write " + path);
}

Result<BenchCollector> BenchCollector::Start(Seams& seams, const std::string& directory) {
  const std::string url = fmt::format("file://{}/dc1/databus", directory);
  DATABUS_RETURN_IF_ERROR(MakeCluster(seams, url));
  DATABUS_ASSIGN_OR_RETURN(const uint16_t port, FreePort(seams.network));
  DATABUS_ASSIGN_OR_RETURN(const uint16_t http_port, FreePort(seams.network));
  const std::string config = paths::Join(directory, "scribe.conf");
  const std::string example = Filled(
      kExampleCollector,
      {{"@ROOT@", directory}, {"@DC@", "dc1"}, {"@NAME@", "c1"}, {"@PORT@", std::to_string(port)}});
  DATABUS_RETURN_IF_ERROR(
      WriteText(config, fmt::format("databus.http_port={}\n{}", http_port, example)));
  const std::string log = paths::Join(directory, "collector.log");
  DATABUS_ASSIGN_OR_RETURN(Child child,
                           Child::Start(Child::kSelf, {"collector", "--config", config}, log));
  const Status listens = WaitForListener(seams, child, port, kStartWithin);
  if (!listens.ok()) return listens.WithContext("the collector (its log is " + log + ")");
  return BenchCollector(std::move(child), port, http_port);
}

Result<double> BenchCollector::Metric(const std::string& name) const {
  httplib::Client client("127.0.0.1", http_port_);
  client.set_read_timeout(kHttpTimeoutS);
  const auto reply = client.Get("/metrics");
  if (!reply || reply->status != 200) {
    return Status(Code::kUnavailable, "the collector's /metrics does not answer");
  }
  double sum = 0;
  std::istringstream lines(reply->body);
  for (std::string line; std::getline(lines, line);) {
    const bool ours =
        line.starts_with(name) && (line[name.size()] == ' ' || line[name.size()] == '{');
    if (ours) sum += ValueOf(line);
  }
  return sum;
}

Result<bool> BenchCollector::WaitUntilDelivered(const Clock& clock, Milliseconds most) const {
  StopFlag never;
  for (const BootTime deadline = clock.Boot() + most; clock.Boot() < deadline;) {
    DATABUS_ASSIGN_OR_RETURN(const double left, Metric("databus_collector_spool_bytes"));
    if (left == 0) return true;
    never.SleepUntil(clock, clock.Boot() + kPoll * 5);
  }
  return false;
}

Status BenchCollector::Stop() {
  child_.Terminate();
  DATABUS_ASSIGN_OR_RETURN(const ChildEnd end, child_.Wait());
  if (end.exit_code == 0) return Status::Ok();
  return {Code::kUnavailable, fmt::format("the collector ended with {}", end.exit_code)};
}

}  // namespace databus
