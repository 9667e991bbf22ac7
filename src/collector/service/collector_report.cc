// What a collector says about itself: heartbeat, problems of its spool, metrics.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <set>

#include "cluster/names.h"
#include "cluster/paths.h"
#include "cluster/steering.h"
#include "collector/service/collector_impl.h"
#include "collector/service/metrics.h"
#include "collector/spool/files.h"
#include "net/batch_id.h"
#include "telemetry/facts.h"

namespace databus {

// What the spool cannot mend by itself, and what it keeps from its producers or its readers.
void CollectorImpl::WatchSpool() {
  spool_->LookForRoom();
  spool_->LookAtFiles();
  const SpoolStats spool = spool_->Stats();
  const ConfigSnapshot config = config_.Get();
  const std::string& dir = config->spool_directory;
  const auto tell = [&](const std::string& key, bool wrong, const std::string& what,
                        const std::string& next) {
    wrong ? problems_.Raise(key, what, next) : problems_.Clear(key);
  };
  const std::string missing =
      spool.damaged_missing_bytes == 0
          ? ""
          : fmt::format(
                "; {} bytes of what was set aside since the start are missing: the files "
                "ended before them",
                spool.damaged_missing_bytes);
  tell("damaged", spool.damaged_files > 0,
       fmt::format("{} {} are set aside in {}/damaged; what was acknowledged in them, if anything, "
                   "is not delivered, but for what went before{}",
                   spool.damaged_files, facts::kDamagedPieces, dir, missing),
       fmt::format(
           "look at them with databus spool ls {}, publish what can be saved of them (databus "
           "spool cat) and is in no view yet, then move them away",
           dir));
  tell(
      "missing", !spool.missing_segments.empty(),
      fmt::format(
          "{}: {}; what was in there and not sealed, or was held back, is lost, unless the file "
          "comes back",
          facts::kGoneFromSpool, fmt::join(spool.missing_segments, ", ")),
      "put the files back; or stop the collector, put an empty file in the place of each that is "
      "gone for good, start it again; all else is delivered, but of streams that were held back in "
      "them nothing goes before that");
  tell("returned", !spool.returned_segments.empty(),
       fmt::format("segments that were gone when the collector was started are there again: {}",
                   fmt::join(spool.returned_segments, ", ")),
       "restart the collector: it reads them then");
  tell("strays", !spool.stray_segments.empty(),
       fmt::format("segments that the spool had removed, as they were delivered, set aside as "
                   "damaged or given up, are there again: {}; "
                   "they are not read, so that nothing goes twice",
                   fmt::join(spool.stray_segments, ", ")),
       "move them out of the spool; before you delete one, compare what 'databus spool cat' prints "
       "of it with the views");
  tell("renewed", !spool.renewed.empty(), spool.renewed,
       fmt::format(
           "publish what is missing from the spool that was replaced, if it is there (databus "
           "spool cat), or was staged by it in {}; then remove {}/{}",
           paths::CollectorStaging(self_.name), dir, kRenewed));
  const bool refusing = !spool.refusing.empty() && spool.retired.empty();
  tell("refusing", refusing,
       fmt::format("producers are told TRY_LATER: {} ({} bytes free for {})", spool.refusing,
                   spool.free_bytes, dir),
       "free space there, or mend the disk, or lower databus.collector.disk_reserve_bytes; it goes "
       "on by itself");
  tell("retired", !spool.retired.empty(), fmt::format("{}: {}", dir, spool.retired),
       "mend the disk; the collector opens its spool again by itself when a write succeeds");
  const uint64_t rejected = handler_->counts().received_bad.load();
  tell("rejected", rejected > 0,
       fmt::format("entries of calls were rejected since the start; they are kept, with the "
                   "reason, in {}/rejected",
                   dir),
       "mend the producer that sends them");
}

namespace {

// Marks in a heartbeat at most, the newest.
constexpr size_t kMarksMax = 1'000;

nlohmann::ordered_json ModesOf(const Routes& routes,
                               const std::map<std::string, StreamBacklog>& backlog) {
  auto modes = nlohmann::ordered_json::object();
  const auto add = [&](const std::string& stream) {
    modes[stream] = DeliveryModeName(routes.Of(stream).mode);
  };
  const std::shared_ptr<const ObeyedTopology>& obeyed = routes.orders().topology;
  std::set<std::string> streams;
  if (obeyed != nullptr) {
    for (const StreamSpec& stream : obeyed->topology.streams) streams.insert(stream.name);
  }
  for (const auto& [stream, state] : backlog) streams.insert(stream);
  for (const std::string& stream : streams) add(stream);
  return modes;
}

uint64_t SpoolingStreams(const Routes& routes) {
  const std::shared_ptr<const ObeyedTopology>& obeyed = routes.orders().topology;
  if (obeyed == nullptr) return 0;
  const auto spools = [&](const StreamSpec& stream) {
    return routes.Of(stream.name).mode == DeliveryMode::kSpool;
  };
  return static_cast<uint64_t>(std::ranges::count_if(obeyed->topology.streams, spools));
}

nlohmann::ordered_json BacklogOf(const std::map<std::string, StreamBacklog>& backlog) {
  auto all = nlohmann::ordered_json::object();
  for (const auto& [stream, state] : backlog) {
    all[stream] = {{facts::kUnsealedBytes, state.unsealed_bytes},
                   {facts::kDeferredBytes, state.deferred_bytes},
                   {facts::kOpenIntents, state.open_intents}};
  }
  return all;
}

nlohmann::ordered_json MarksOf(std::vector<BatchMark> marks) {
  std::ranges::sort(marks, std::greater<>(), &BatchMark::seen);
  if (marks.size() > kMarksMax) marks.resize(kMarksMax);
  auto all = nlohmann::ordered_json::object();
  for (const BatchMark& mark : marks) {
    all[FormatSender(mark.sender)] = std::to_string(mark.number);
  }
  return all;
}

}  // namespace

int64_t CollectorImpl::LagMs(const SpoolStats& stats) const {
  std::optional<WallTime> oldest = stats.oldest_unsealed;
  const std::optional<WallTime> sealed = deliverer_->OldestSealed();
  for (const std::optional<WallTime>& other : {sealed, stats.oldest_deferred}) {
    if (other && (!oldest || *other < *oldest)) oldest = other;
  }
  if (!oldest) return 0;
  return std::max<int64_t>(0, (seams_.clock.Wall() - *oldest).count());
}

Heartbeat CollectorImpl::Describe() const {
  const SpoolStats spool = spool_->Stats();
  const SpoolIdentity identity = spool_->identity();
  const DeliveryCounts& delivered = deliverer_->counts();
  const ScribeCounts& received = handler_->counts();
  const std::shared_ptr<const Routes> routes = Told();
  Heartbeat beat;
  beat.process = CollectorProcess(self_.name);
  beat.kind = "collector";
  beat.host = process_.host;
  beat.pid = process_.pid;
  beat.cluster = routes->orders().cluster.empty() ? identity.cluster_id : routes->orders().cluster;
  beat.written = seams_.clock.Wall();
  beat.interval = kBeatInterval;
  beat.state = stopping_ ? "stopped" : "running";
  if (seams_.cluster != nullptr && !deliverer_->reached()) {
    beat.waiting_on = "cluster " + seams_.cluster->Describe();
  }
  beat.problems = problems_.List();
  auto& facts = beat.facts;
  facts[facts::kProgram] = ProgramVersion();
  facts[facts::kSteering] = kSteeringVersion;
  facts[facts::kPort] = server_ ? server_->port() : config_.Get()->port;
  facts[facts::kAddress] = Address().ToString();
  facts[facts::kIncarnation] = identity.incarnation;
  facts[facts::kSpools] =
      ToJson(TellSpool(deliverer_->ToldOfSpools(), identity.incarnation, spool.last_intent));
  facts["cluster_id"] = identity.cluster_id;
  facts[facts::kLagMs] = LagMs(spool);
  facts[facts::kSpoolBytes] = spool.unsealed_bytes + spool.sealed_bytes;
  facts[facts::kUnsealedBytes] = spool.unsealed_bytes;
  facts["sealed_bytes"] = spool.sealed_bytes;
  facts["queued_bytes"] = spool.queued_bytes;
  facts["segments"] = spool.segments;
  facts[facts::kOpenIntents] = spool.open_intents;
  if (spool.free_bytes > 0) facts[facts::kFreeBytes] = spool.free_bytes;
  facts[facts::kDamagedFiles] = spool.damaged_files;
  facts[facts::kMissingSegments] = spool.missing_segments.size();
  facts[facts::kRenewed] = spool.renewed.empty() ? 0U : 1U;
  facts["retired"] = spool.retired;
  facts["refusing"] = spool.refusing;
  facts["messages_received"] = received.received_good.load();
  facts["entries_rejected"] = received.received_bad.load();
  facts["calls_try_later"] = received.try_later.load();
  facts["peers_refused"] = handler_->refused_peers();
  facts["reloads"] = reloads_.load();
  facts["reloads_refused"] = refused_reloads_.load();
  facts["repeats"] = spool.repeats;
  facts["messages_delivered"] = delivered.messages.load();
  facts["files_delivered"] = delivered.files.load();
  facts["name_collisions"] = delivered.collisions.load();
  if (seams_.calls != nullptr) {
    if (auto by_tree = seams_.calls->All(); !by_tree.empty()) {
      facts["storage_calls"]["by_tree"] = std::move(by_tree);
    }
  }
  TellWays(*routes, facts);
  return beat;
}

// How streams go, for who steers and for who hands over to this one.
void CollectorImpl::TellWays(const Routes& routes, nlohmann::ordered_json& facts) const {
  const ObeyedTopology* const obeyed = routes.orders().topology.get();
  if (obeyed != nullptr) {
    facts[facts::kTopologyEpoch] = obeyed->epoch.stored.epoch;
    facts[facts::kTopologyDigest] = obeyed->epoch.digest;
    facts[facts::kSpoolBytesBeforeEpoch] = HeldFromBefore();
  }
  const DeliveryCounts& delivered = deliverer_->counts();
  const std::map<std::string, StreamBacklog> backlog = deliverer_->Backlog();
  facts["handed_over"] = delivered.handed_over.load();
  facts["possible_duplicates"] = delivered.possible_duplicates.load();
  const std::optional<IpBlocks>& allow = routes.config()->allow;
  facts[facts::kAllow] = allow ? allow->ToString() : "";
  facts[facts::kMode] = ModesOf(routes, backlog);
  facts[facts::kBacklog] = BacklogOf(backlog);
  facts[facts::kMarks] = MarksOf(spool_->Marks());
}

// Where other collectors connect.
Endpoint CollectorImpl::Address() const {
  const ConfigSnapshot config = config_.Get();
  const std::string& host = config->advertised_host;
  const int port = server_ ? server_->port() : config->port;
  return {host.empty() ? process_.host : host, static_cast<uint16_t>(port)};
}

std::shared_ptr<const Routes> CollectorImpl::Told() const {
  MutexLock lock(mutex_);
  return told_;
}

// What the spool holds still of what came before the topology that is named was taken up. After
// Told: never from before an older one.
uint64_t CollectorImpl::HeldFromBefore() const {
  SpoolEnd taken;
  {
    MutexLock lock(mutex_);
    taken = epoch_taken_;
  }
  return spool_->BytesBefore(taken);
}

void CollectorImpl::Export(Metrics& metrics) const {
  const SpoolStats spool = spool_->Stats();
  const DeliveryCounts& delivered = deliverer_->counts();
  const ScribeCounts& received = handler_->counts();
  const std::shared_ptr<const Routes> told = Told();
  const std::shared_ptr<const ObeyedTopology>& obeyed = told->orders().topology;
  // In the order of kCollectorMetrics.
  const uint64_t values[] = {received.received_good,
                             received.received_bad,
                             received.try_later,
                             received.undecodable,
                             spool.repeats,
                             spool.flushes,
                             spool.failed_flushes,
                             delivered.files,
                             delivered.messages,
                             delivered.bytes,
                             delivered.collisions,
                             delivered.failed_attempts,
                             delivered.handed_over,
                             delivered.possible_duplicates,
                             handler_->refused_peers(),
                             reloads_,
                             refused_reloads_,
                             seams_.calls == nullptr ? 0U : seams_.calls->Sum(),
                             spool.queued_bytes,
                             spool.unsealed_bytes + spool.sealed_bytes,
                             spool.free_bytes,
                             spool.deferred_bytes,
                             spool.open_intents,
                             static_cast<uint64_t>(LagMs(spool)),
                             spool.damaged_files,
                             spool.missing_segments.size(),
                             deliverer_->reached() ? 1U : 0U,
                             SpoolingStreams(*told),
                             obeyed == nullptr ? 0U : obeyed->epoch.stored.epoch};
  static_assert(std::size(values) == std::size(kCollectorMetrics));
  for (size_t i = 0; i < std::size(values); ++i) {
    const MetricSpec& spec = kCollectorMetrics[i];
    if (spec.kind == MetricKind::kGauge) {
      metrics.Set(spec, {}, static_cast<double>(values[i]));
    } else {
      metrics.CountUpTo(spec, {}, values[i]);
    }
  }
}

}  // namespace databus
