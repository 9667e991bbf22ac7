#include "failover/process_reader.h"

#include <algorithm>

#include "cluster/paths.h"

namespace databus::failover {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kHeartbeatBytesMax = size_t{16} << 20;
constexpr Milliseconds kGrace{3'000};  // for a machine that is busy

std::string Text(const Json& facts, std::string_view key) {
  const auto found = facts.find(key);
  return found != facts.end() && found->is_string() ? found->get<std::string>() : "";
}

// 0: absent, or no such number.
uint64_t Number(const Json& facts, std::string_view key) {
  const auto found = facts.find(key);
  return found != facts.end() && found->is_number_unsigned() ? found->get<uint64_t>() : 0;
}

// Calls `take(key, value)` for the members of an object.
template <typename Take>
void ForEachOf(const Json& facts, std::string_view key, Take&& take) {
  const auto found = facts.find(key);
  if (found == facts.end() || !found->is_object()) return;
  for (const auto& [name, value] : found->items()) take(name, value);
}

SeenCollector CollectorOf(const Heartbeat& beat, std::string cluster, std::string name) {
  SeenCollector seen;
  seen.cluster = std::move(cluster);
  seen.name = std::move(name);
  seen.written = beat.written;
  seen.epoch = Number(beat.facts, "topology_epoch");
  seen.digest = Text(beat.facts, "topology_digest");
  ForEachOf(beat.facts, "mode", [&](const std::string& stream, const Json& mode) {
    if (mode.is_string()) seen.modes[stream] = mode.get<std::string>();
  });
  ForEachOf(beat.facts, "backlog", [&](const std::string& stream, const Json& backlog) {
    seen.backlog[stream] = {Number(backlog, "unsealed_bytes"), Number(backlog, "deferred_bytes"),
                            Number(backlog, "open_intents")};
  });
  seen.open_intents = Number(beat.facts, "open_intents");
  seen.lag = Milliseconds(Number(beat.facts, "lag_ms"));
  seen.spool_bytes = Number(beat.facts, "spool_bytes");
  if (beat.facts.contains("free_bytes")) seen.free_bytes = Number(beat.facts, "free_bytes");
  const auto address = Endpoint::Parse(Text(beat.facts, "address"));
  seen.host = address ? address->host : beat.host;
  seen.port = address ? address->port : 0;
  seen.allow = Text(beat.facts, "allow");
  return seen;
}

SeenWorker WorkerOf(const Heartbeat& beat) {
  SeenWorker seen{.written = beat.written,
                  .epoch = Number(beat.facts, "topology_epoch"),
                  .digest = Text(beat.facts, "topology_digest"),
                  .run_interval = Milliseconds(Number(beat.facts, "run_interval_ms"))};
  ForEachOf(beat.facts, "frozen", [&](const std::string& stream, const Json& last) {
    if (last.is_string()) seen.frozen[stream] = Minute::ParseIso(last.get<std::string>());
  });
  ForEachOf(beat.facts, "divergent", [&](const std::string& stream, const Json& what) {
    seen.divergent[stream] = what.is_string() ? what.get<std::string>() : what.dump();
  });
  seen.alone = Text(beat.facts, "alone");
  return seen;
}

}  // namespace

Life ProcessReader::LifeOf(const Heartbeat& beat) const {
  if (beat.state == "stopped") return Life::kStopped;
  return now_ - beat.written > 3 * beat.interval + kGrace ? Life::kSilent : Life::kAlive;
}

Status ProcessReader::Read(const std::string& cluster, Storage& storage) {
  clock_ahead_.reset();
  const auto entries = storage.List(paths::StatusRoot());
  if (!entries.ok()) return entries.status();
  std::optional<WallTime> youngest;
  for (const DirEntry& entry : *entries) {
    if (!entry.name.ends_with(".json") || entry.info.kind != NodeKind::kFile) continue;
    const std::string path = paths::Join(paths::StatusRoot(), entry.name);
    const auto text = storage.ReadFile(path, kHeartbeatBytesMax);
    if (text.code() == Code::kNotFound) continue;
    if (!text.ok()) return text.status();
    // One that cannot be read is like one that is missing: its process is silent.
    const auto beat = DecodeHeartbeat(*text, path);
    if (!beat.ok()) continue;
    Take(cluster, *beat);
    if (youngest && beat->written <= *youngest) continue;
    youngest = beat->written;
    // What is dated in our future was written by a clock that is ahead, the tree's own or not.
    clock_ahead_ = std::max(entry.info.modified - beat->written, *youngest - now_);
  }
  return Status::Ok();
}

void ProcessReader::Take(const std::string& cluster, const Heartbeat& beat) {
  if (beat.kind == "worker" && beat.process == "worker-" + cluster) {
    SeenWorker seen = WorkerOf(beat);
    seen.life = LifeOf(beat);
    workers_[cluster] = std::move(seen);
  }
  if (beat.kind != "collector") return;
  constexpr std::string_view kPrefix = "collector-";
  std::string name = beat.process;
  if (name.starts_with(kPrefix)) name.erase(0, kPrefix.size());
  std::string home = Text(beat.facts, "cluster");
  if (const size_t at = name.rfind('@'); at != std::string::npos) {
    if (home.empty()) home = name.substr(at + 1);
    name.resize(at);
  }
  if (home.empty()) home = cluster;
  SeenCollector& known = collectors_[{home, name}];
  if (!known.name.empty() && known.written >= beat.written) return;
  known = CollectorOf(beat, home, name);
  known.life = LifeOf(beat);
}

std::vector<SeenCollector> ProcessReader::Collectors() && {
  std::vector<SeenCollector> collectors;
  for (auto& [key, collector] : collectors_) collectors.push_back(std::move(collector));
  return collectors;
}

}  // namespace databus::failover
