#include "failover/process_reader.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "cluster/names.h"
#include "cluster/paths.h"
#include "telemetry/facts.h"
#include "telemetry/told_loss.h"

namespace databus::failover {
namespace {

using Json = nlohmann::ordered_json;

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
  seen.epoch = Number(beat.facts, facts::kTopologyEpoch);
  seen.digest = Text(beat.facts, facts::kTopologyDigest);
  ForEachOf(beat.facts, facts::kMode, [&](const std::string& stream, const Json& mode) {
    if (mode.is_string()) seen.modes[stream] = mode.get<std::string>();
  });
  ForEachOf(beat.facts, facts::kBacklog, [&](const std::string& stream, const Json& backlog) {
    seen.backlog[stream] = {Number(backlog, facts::kUnsealedBytes),
                            Number(backlog, facts::kDeferredBytes),
                            Number(backlog, facts::kOpenIntents)};
  });
  seen.open_intents = Number(beat.facts, facts::kOpenIntents);
  seen.lag = Milliseconds(Number(beat.facts, facts::kLagMs));
  seen.spool_bytes = Number(beat.facts, facts::kSpoolBytes);
  if (beat.facts.contains(facts::kSpoolBytesBeforeEpoch)) {
    seen.bytes_before_epoch = Number(beat.facts, facts::kSpoolBytesBeforeEpoch);
  }
  if (beat.facts.contains(facts::kFreeBytes))
    seen.free_bytes = Number(beat.facts, facts::kFreeBytes);
  const auto address = Endpoint::Parse(Text(beat.facts, facts::kAddress));
  seen.host = address ? address->host : beat.host;
  seen.port = address ? address->port : 0;
  seen.allow = Text(beat.facts, facts::kAllow);
  seen.program = Text(beat.facts, facts::kProgram);
  seen.steering = Number(beat.facts, facts::kSteering);
  seen.losses = LossesToldBy(beat);
  return seen;
}

SeenWorker WorkerOf(const Heartbeat& beat) {
  SeenWorker seen{.written = beat.written,
                  .epoch = Number(beat.facts, facts::kTopologyEpoch),
                  .digest = Text(beat.facts, facts::kTopologyDigest),
                  .run_interval = Milliseconds(Number(beat.facts, facts::kRunIntervalMs))};
  ForEachOf(beat.facts, facts::kFrozen, [&](const std::string& stream, const Json& last) {
    const std::string minute = last.is_string() ? last.get<std::string>() : "unknown";
    const auto parsed = Minute::ParseIso(minute);
    // Empty: it never had one. What cannot be read is no acknowledgement.
    if (parsed || minute.empty()) seen.frozen[stream] = parsed;
  });
  ForEachOf(beat.facts, facts::kDivergent, [&](const std::string& stream, const Json& what) {
    seen.divergent[stream] = what.is_string() ? what.get<std::string>() : what.dump();
  });
  seen.program = Text(beat.facts, facts::kProgram);
  seen.steering = Number(beat.facts, facts::kSteering);
  seen.problems = beat.problems;
  return seen;
}

}  // namespace

Life LifeWatch::LifeOf(const std::string& tree, const Heartbeat& beat, const Moment& now) {
  if (beat.state == "stopped") return Life::kStopped;
  const Milliseconds patience = 3 * beat.interval + kGrace;
  const auto [known, first] = last_.try_emplace({tree, beat.process});
  Last& last = known->second;
  if (first || last.written != beat.written) {
    last.spoke = !first;
    last.written = beat.written;
    last.since = now.boot;
  }
  if (now.boot - last.since > patience) return Life::kSilent;
  if (last.spoke) return Life::kAlive;
  return now.wall - beat.written > patience ? Life::kSilent : Life::kAlive;
}

Status ProcessReader::Read(const std::string& cluster, Storage& storage) {
  clock_ahead_.reset();
  TreeBeats beats;
  const Status read = ReadHeartbeats(storage, beats);
  for (const UnreadBeat& unread : beats.unread) TakeUnreadable(cluster, unread);
  // By the tree's clock: a clock that is right again does not overtake what was written while it
  // was ahead.
  std::optional<WallTime> youngest;
  for (const ReadBeat& one : beats.read) {
    Take(cluster, one.beat);
    if (youngest && one.modified <= *youngest) continue;
    youngest = one.modified;
    // What is dated in our future was written by a clock that is ahead, the tree's own or not.
    clock_ahead_ = std::max(one.modified - one.beat.written, one.beat.written - now_.wall);
  }
  return read;
}

// Its process is silent, but for what it says elsewhere: it may be of a newer version.
void ProcessReader::TakeUnreadable(const std::string& cluster, const UnreadBeat& unread) {
  if (IsWorkerProcess(unread.process)) workers_[cluster].why_unreadable = unread.why.message();
  const auto name = CollectorProcessName::Parse(unread.process);
  if (!name) return;
  const std::string& home = name->Home(cluster);
  SeenCollector& known = collectors_[{home, name->collector}];
  if (!known.name.empty()) return;
  known.cluster = home;
  known.name = name->collector;
  known.life = Life::kSilent;
  known.why_unreadable = unread.why.message();
}

void ProcessReader::Take(const std::string& cluster, const Heartbeat& beat) {
  const Life life = watch_.LifeOf(cluster, beat, now_);
  if (beat.kind == "worker") TakeWorker(cluster, beat, life);
  if (beat.kind != "collector") return;
  constexpr std::string_view kPrefix = "collector-";
  std::string name = beat.process;
  if (name.starts_with(kPrefix)) name.erase(0, kPrefix.size());
  std::string home = Text(beat.facts, facts::kHomeCluster);
  if (const size_t at = name.rfind('@'); at != std::string::npos) {
    if (home.empty()) home = name.substr(at + 1);
    name.resize(at);
  }
  if (home.empty()) home = cluster;
  SeenCollector& known = collectors_[{home, name}];
  if (!known.name.empty() && known.written >= beat.written) return;
  known = CollectorOf(beat, home, name);
  known.life = life;
}

void ProcessReader::TakeWorker(const std::string& cluster, const Heartbeat& beat, Life life) {
  AtWork& known = workers_[cluster];
  const bool leads =
      beat.process == WorkerProcessName(cluster, WorkerPart::kLeads, beat.host, beat.pid);
  if (beat.state == "standby") {
    if (life != Life::kAlive) return;
    known.standby = fmt::format("{} waits for {}", beat.process, beat.waiting_on);
    return;
  }
  SeenWorker seen = WorkerOf(beat);
  seen.life = life;
  if (auto share = ShareOf(beat)) known.shares.push_back({seen, *std::move(share)});
  if (leads) known.leader = std::move(seen);
}

// A share of whoever is silent is on its way to another: until that one says so, it is nobody's.
SeenWorker ProcessReader::AtWork::Together() const {
  SeenWorker all = leader.value_or(SeenWorker{});
  all.standby = standby;
  all.why_unreadable = why_unreadable;
  std::set<Group> held;
  Group groups = 0;
  for (const auto& [worker, share] : shares) {
    groups = std::max<Group>(groups, share.of);
    if (worker.life != Life::kAlive) continue;
    const bool first = held.empty();
    held.insert(share.groups.begin(), share.groups.end());
    if (first || worker.epoch < all.epoch) {
      all.epoch = worker.epoch;
      all.digest = worker.digest;
    } else if (worker.epoch == all.epoch && worker.digest != all.digest) {
      all.digest.clear();  // in conflict (P27): together they obey neither
    }
    if (first) all.frozen.clear();
    if (first) all.divergent.clear();
    if (first) all.problems.clear();
    all.frozen.insert(worker.frozen.begin(), worker.frozen.end());
    all.divergent.insert(worker.divergent.begin(), worker.divergent.end());
    all.problems.insert(all.problems.end(), worker.problems.begin(), worker.problems.end());
    all.run_interval = std::max(all.run_interval, worker.run_interval);
    all.steering = first ? worker.steering : std::min(all.steering, worker.steering);
    if (all.program.empty()) all.program = worker.program;
  }
  if (held.empty()) return all;
  for (Group group = 0; group < groups; ++group) {
    if (!held.contains(group)) all.unheld.push_back(group);
  }
  all.life = all.unheld.empty() ? Life::kAlive : Life::kSilent;
  return all;
}

std::map<std::string, SeenWorker> ProcessReader::Workers() const {
  std::map<std::string, SeenWorker> workers;
  for (const auto& [cluster, at_work] : workers_) workers[cluster] = at_work.Together();
  return workers;
}

std::vector<SeenCollector> ProcessReader::Collectors() && {
  std::vector<SeenCollector> collectors;
  collectors.reserve(collectors_.size());
  for (auto& [key, collector] : collectors_) collectors.push_back(std::move(collector));
  return collectors;
}

}  // namespace databus::failover
