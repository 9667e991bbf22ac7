#include "collector/service/collector.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <atomic>
#include <optional>
#include <string_view>
#include <utility>
#include <variant>

#include "base/sync.h"
#include "cluster/names.h"
#include "cluster/paths.h"
#include "collector/deliver/deliverer.h"
#include "collector/service/metrics.h"
#include "collector/service/scribe_handler.h"
#include "collector/spool/files.h"
#include "telemetry/log.h"

namespace databus {
namespace {

constexpr std::chrono::milliseconds kHeartbeatInterval{3'000};
constexpr std::chrono::milliseconds kNamePoll{500};

constexpr char kReloadProblem[] = "reload";

SealFormat FormatOf(const CollectorConfig& config, std::string_view stream) {
  // A stream of the spool that the present configuration does not know is delivered all the same.
  const StoreSpec* store = config.FindStore(stream);
  const auto& primary =
      std::get<ClusterPrimary>((store != nullptr ? *store : config.stores.front()).primary);
  return {.framing = primary.add_newlines ? Framing::kNewline : Framing::kNone,
          .encoding = primary.encode_base64 ? Encoding::kBase64 : Encoding::kPlain,
          .compression = config.compress ? Compression::kGzip : Compression::kNone,
          .bytes_max = static_cast<uint64_t>(primary.seal_bytes)};
}

// One cut is of all streams, so the most impatient store sets the rhythm.
DeliverySettings SettingsOf(const ConfigSnapshot& snapshot, const std::string& name) {
  const CollectorConfig& config = *snapshot;
  const StoreSpec& first = config.stores.front();
  DeliverySettings settings;
  settings.collector = name;
  settings.rotate_period = std::get<ClusterPrimary>(first.primary).rotate_period;
  settings.retry_interval = first.retry_interval;
  settings.retry_interval_range = first.retry_interval_range;
  settings.backlog_cuts = first.buffer_send_rate;
  settings.backlog_interval = config.check_interval;
  for (const StoreSpec& store : config.stores) {
    settings.rotate_period =
        std::min(settings.rotate_period, std::get<ClusterPrimary>(store.primary).rotate_period);
    if (store.retry_interval < settings.retry_interval) {
      settings.retry_interval = store.retry_interval;
      settings.retry_interval_range = store.retry_interval_range;
    }
    settings.backlog_cuts = std::max(settings.backlog_cuts, store.buffer_send_rate);
  }
  settings.format = [snapshot](std::string_view stream) { return FormatOf(*snapshot, stream); };
  return settings;
}

FrameLimits LimitsOf(const CollectorConfig& config) {
  return {.frame_bytes_max = static_cast<uint32_t>(config.frame_bytes_max),
          .connections_max = static_cast<uint32_t>(config.connections_max)};
}

SpoolOptions SpoolOptionsOf(const CollectorConfig& config, const std::string& name) {
  SpoolOptions options;
  options.dir = config.spool_directory;
  options.collector = name;
  options.segment_bytes = static_cast<uint64_t>(config.segment_bytes);
  options.disk_reserve_bytes = static_cast<uint64_t>(config.disk_reserve_bytes);
  return options;
}

class CollectorImpl final : public Collector {
 public:
  CollectorImpl(const CollectorSeams& seams, CollectorConfig config, CollectorProcessInfo process,
                std::string name)
      : seams_(seams),
        config_(std::move(config)),
        process_(std::move(process)),
        name_(std::move(name)),
        problems_(seams.clock, "collector", ShowTopic::kNo) {}

  // Threads end in the order in which they use each other.
  ~CollectorImpl() override {
    if (server_) server_->Shutdown(BootTime{});
    EndThreads();
    spool_.reset();
  }

  Status OpenSpool();

  Status Start(Drive drive) override;
  Status Stop(BootTime deadline) override;
  Status Reload(const Result<CollectorConfig>& next) override;
  ConfigSnapshot config() const override { return config_.Get(); }
  bool WantsReopening() override;
  BootTime Step() override;
  bool FlushOnce() override { return spool_->FlushOnce(); }
  uint16_t port() const override { return server_->port(); }
  std::string name() const override { return name_; }
  Heartbeat Describe() const override;
  void Export(Metrics& metrics) const override;

 private:
  ScribeHandler::Wishes Wishes();
  Status CheckName(Drive drive);
  Status CheckNext(const Result<CollectorConfig>& next) const;
  void DeliverLoop();
  void WakeDelivery();
  void TakeConfig();
  void EndThreads();
  void WatchSpool();
  void Beat();
  void ReportNamesake(const std::string& path);
  int64_t LagMs(const SpoolStats& stats) const;

  const CollectorSeams seams_;
  ConfigInForce config_;
  const CollectorProcessInfo process_;
  const std::string name_;
  ProblemBoard problems_;
  std::unique_ptr<Spool> spool_;
  std::unique_ptr<Deliverer> deliverer_;
  ConfigSnapshot delivering_by_;  // what the deliverer works by
  std::unique_ptr<ScribeHandler> handler_;
  std::unique_ptr<FrameServer> server_;
  Drive drive_ = Drive::kByHand;
  std::atomic<bool> stopping_{false};
  std::atomic<bool> beat_now_{false};
  std::atomic<uint64_t> reloads_{0};
  std::atomic<uint64_t> refused_reloads_{0};
  BootTime next_beat_{};
  std::string last_beat_;  // the last heartbeat that was written, or empty

  Mutex mutex_;  // guards what follows
  CondVar wake_;
  bool woken_ = false;
  bool end_ = false;
  Thread delivering_;
};

Status CollectorImpl::OpenSpool() {
  delivering_by_ = config_.Get();
  const CollectorConfig& config = *delivering_by_;
  auto spool =
      Spool::Open({seams_.disk, seams_.clock, seams_.random}, SpoolOptionsOf(config, name_));
  if (!spool.ok()) {
    return spool.status().WithContext(fmt::format(
        "{}: <secondary> file_path: found {}, expected a directory that only this collector uses "
        "and that it can write; mend what follows, or name another directory",
        config.file, config.spool_directory));
  }
  spool_ = *std::move(spool);
  deliverer_ = std::make_unique<Deliverer>(
      DeliverySeams{&seams_.cluster, *spool_, seams_.clock, seams_.random, problems_},
      SettingsOf(delivering_by_, name_));
  handler_ = std::make_unique<ScribeHandler>(
      config_, ScribeHandler::Seams{seams_.clock, *spool_, problems_}, Wishes());
  return Status::Ok();
}

ScribeHandler::Wishes CollectorImpl::Wishes() {
  const auto wish = [](const std::function<void()>& call) {
    if (call) call();
  };
  return {.deliver = [this] { WakeDelivery(); },
          .reload = [this, wish] { wish(process_.on_reload); },
          .shutdown = [this, wish] { wish(process_.on_shutdown); }};
}

Status CollectorImpl::CheckName(Drive drive) {
  while (true) {
    Status checked = deliverer_->NameIsFree();
    if (!checked.unknown() || drive == Drive::kByHand) {
      return checked.code() == Code::kRefused ? checked : Status::Ok();
    }
    StopFlag never;
    never.SleepUntil(seams_.clock, seams_.clock.Boot() + kNamePoll);
  }
}

Status CollectorImpl::Start(Drive drive) {
  DATABUS_RETURN_IF_ERROR(CheckName(drive));
  const ConfigSnapshot config = config_.Get();
  const FrameLimits limits = LimitsOf(*config);
  ListenOptions options;
  options.port = static_cast<uint16_t>(config->port);
  options.frame_bytes_max = limits.frame_bytes_max;
  options.connections_max = limits.connections_max;
  auto listening = seams_.network.Listen(options);
  if (!listening.ok()) {
    return listening.status().WithContext(
        fmt::format("{}: port: found {}, expected a port that nobody else listens on; stop the "
                    "other process, or name another port",
                    config->file, config->port));
  }
  server_ = *std::move(listening);
  handler_->AnswerTo(*server_);
  drive_ = drive;
  if (drive == Drive::kThreads) {
    spool_->Start();
    delivering_ = Thread("deliver", [this] { DeliverLoop(); });
  }
  server_->Start(*handler_);
  LogInfo("collector", "listening",
          {{"name", name_},
           {"port", server_->port()},
           {"spool", config->spool_directory},
           {"cluster", seams_.cluster.Describe()}});
  return Status::Ok();
}

Status CollectorImpl::CheckNext(const Result<CollectorConfig>& next) const {
  DATABUS_RETURN_IF_ERROR(next.status());
  DATABUS_RETURN_IF_ERROR(CollectorCluster(*next).status());
  return CheckReload(*config_.Get(), *next, process_.host);
}

Status CollectorImpl::Reload(const Result<CollectorConfig>& next) {
  const std::string file = config_.Get()->file;
  Status checked = CheckNext(next);
  if (checked.ok()) {
    config_.Set(*next);
    server_->SetLimits(LimitsOf(*next));
    spool_->SetDiskReserve(static_cast<uint64_t>(next->disk_reserve_bytes));
    handler_->EndRefused();
    problems_.Clear(kReloadProblem);
    ++reloads_;
    LogInfo("collector", "the configuration was read again and is in force", {{"config", file}});
  } else {
    ++refused_reloads_;
    LogWarning("collector", "the configuration was read again and refused; the one before stays",
               {{"config", file}, {"why", checked.message()}});
    std::string why = checked.message();
    for (size_t at = 0; (at = why.find('\n', at)) != std::string::npos;) why.replace(at, 1, "; ");
    problems_.Raise(
        kReloadProblem,
        "the configuration was read again and refused, the one before stays in force: " + why,
        "mend it and send HUP again; where a restart is needed, restart the collector");
  }
  beat_now_ = true;
  MutexLock lock(mutex_);
  woken_ = true;
  wake_.NotifyAll();
  return checked;
}

// On the thread that delivers, or when there is none.
void CollectorImpl::TakeConfig() {
  ConfigSnapshot config = config_.Get();
  if (config == delivering_by_) return;
  delivering_by_ = std::move(config);
  deliverer_->Configure(SettingsOf(delivering_by_, name_));
}

void CollectorImpl::DeliverLoop() {
  MutexLock lock(mutex_);
  while (!end_) {
    woken_ = false;
    lock.Unlock();
    const BootTime next = Step();
    lock.Lock();
    while (!end_ && !woken_ && seams_.clock.Boot() < next) {
      wake_.WaitUntil(lock, seams_.clock, next);
    }
  }
}

void CollectorImpl::WakeDelivery() {
  deliverer_->Hurry();
  MutexLock lock(mutex_);
  woken_ = true;
  wake_.NotifyAll();
}

void CollectorImpl::EndThreads() {
  {
    MutexLock lock(mutex_);
    end_ = true;
    wake_.NotifyAll();
  }
  delivering_.Join();
}

Status CollectorImpl::Stop(BootTime deadline) {
  stopping_ = true;
  if (server_) {
    server_->StopAccepting();
    handler_->Stop();
    // By hand nobody else flushes: what was handed in is answered here.
    while (drive_ == Drive::kByHand && spool_->FlushOnce()) continue;
    server_->Shutdown(deadline);
  }
  spool_->Stop();
  EndThreads();
  TakeConfig();
  Status delivered = deliverer_->Finish(deadline);
  Beat();
  LogInfo("collector", "stopped", {{"name", name_}, {"delivery", delivered}});
  return delivered;
}

bool CollectorImpl::WantsReopening() {
  if (!deliverer_->spool_unsure() && spool_->Stats().retired.empty()) return false;
  return WriteFileDurably(seams_.disk, config_.Get()->spool_directory, "probe",
                          "a disk that works\n")
      .ok();
}

BootTime CollectorImpl::Step() {
  TakeConfig();
  const BootTime next = deliverer_->Step();
  if (beat_now_.exchange(false) || seams_.clock.Boot() >= next_beat_) {
    next_beat_ = seams_.clock.Boot() + kHeartbeatInterval;
    Beat();
  }
  return std::min(next, next_beat_);
}

// Somebody with our name who came after us. Nothing is lost or overwritten, but both ought to know.
void CollectorImpl::ReportNamesake(const std::string& path) {
  const Result<std::string> content = seams_.cluster.ReadFile(path);
  if (!content.ok()) return;
  if (last_beat_.empty() || *content == last_beat_) return problems_.Clear("name");
  const auto other = DecodeHeartbeat(*content, path);
  if (!other.ok() || other->facts.value("incarnation", "") == spool_->identity().incarnation) {
    return problems_.Clear("name");
  }
  problems_.Raise("name",
                  fmt::format("another collector named {} is alive on host {}, process {}", name_,
                              other->host, other->pid),
                  "stop one of them, or give it another name and spool");
}

// What the spool cannot mend by itself, and what it keeps from its producers or its readers.
void CollectorImpl::WatchSpool() {
  const SpoolStats spool = spool_->Stats();
  const ConfigSnapshot config = config_.Get();
  const std::string& dir = config->spool_directory;
  const auto tell = [&](const std::string& key, bool wrong, std::string what, std::string next) {
    wrong ? problems_.Raise(key, std::move(what), std::move(next)) : problems_.Clear(key);
  };
  tell("damaged", spool.damaged_files > 0,
       fmt::format("{} damaged pieces of the spool are set aside in {}/damaged; what was "
                   "acknowledged in them, if anything, is not delivered",
                   spool.damaged_files, dir),
       "look at them, publish by hand what can be saved, then move them away");
  tell("missing", !spool.missing_segments.empty(),
       fmt::format("gone from the spool: {}; what was in there and not yet sealed is lost, unless "
                   "the file comes back",
                   fmt::join(spool.missing_segments, ", ")),
       "stop the collector, put the files back, start it again; all else is delivered");
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

// Never into a tree that is not known to be the right one.
void CollectorImpl::Beat() {
  WatchSpool();
  if (!deliverer_->reached()) return;
  const std::string path = paths::StatusFile(CollectorProcess(name_));
  ReportNamesake(path);
  std::string beat = EncodeHeartbeat(Describe());
  const Status written = seams_.cluster.Replace(path, beat);
  if (written.ok()) {
    last_beat_ = std::move(beat);
    problems_.Clear("heartbeat");
  } else {
    problems_.Raise("heartbeat", "heartbeat: " + written.ToString(), "tried again in seconds");
  }
}

int64_t CollectorImpl::LagMs(const SpoolStats& stats) const {
  std::optional<WallTime> oldest = stats.oldest_unsealed;
  const std::optional<WallTime> sealed = deliverer_->OldestSealed();
  if (sealed && (!oldest || *sealed < *oldest)) oldest = sealed;
  if (!oldest) return 0;
  return std::max<int64_t>(0, (seams_.clock.Wall() - *oldest).count());
}

Heartbeat CollectorImpl::Describe() const {
  const SpoolStats spool = spool_->Stats();
  const SpoolIdentity identity = spool_->identity();
  const DeliveryCounts& delivered = deliverer_->counts();
  const ScribeCounts& received = handler_->counts();
  Heartbeat beat;
  beat.process = CollectorProcess(name_);
  beat.kind = "collector";
  beat.host = process_.host;
  beat.pid = process_.pid;
  beat.cluster = identity.cluster_id;
  beat.written = seams_.clock.Wall();
  beat.interval = kHeartbeatInterval;
  beat.state = stopping_ ? "stopped" : "running";
  beat.waiting_on = deliverer_->reached() ? "" : "cluster " + seams_.cluster.Describe();
  beat.problems = problems_.List();
  auto& facts = beat.facts;
  facts["port"] = server_ ? server_->port() : config_.Get()->port;
  facts["incarnation"] = identity.incarnation;
  facts["cluster_id"] = identity.cluster_id;
  facts["lag_ms"] = LagMs(spool);
  facts["spool_bytes"] = spool.unsealed_bytes + spool.sealed_bytes;
  facts["unsealed_bytes"] = spool.unsealed_bytes;
  facts["sealed_bytes"] = spool.sealed_bytes;
  facts["queued_bytes"] = spool.queued_bytes;
  facts["segments"] = spool.segments;
  facts["open_intents"] = spool.open_intents;
  facts["free_bytes"] = spool.free_bytes;
  facts["damaged_files"] = spool.damaged_files;
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
  return beat;
}

void CollectorImpl::Export(Metrics& metrics) const {
  const SpoolStats spool = spool_->Stats();
  const DeliveryCounts& delivered = deliverer_->counts();
  const ScribeCounts& received = handler_->counts();
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
                             handler_->refused_peers(),
                             reloads_,
                             refused_reloads_,
                             spool.queued_bytes,
                             spool.unsealed_bytes + spool.sealed_bytes,
                             spool.open_intents,
                             static_cast<uint64_t>(LagMs(spool)),
                             spool.damaged_files,
                             deliverer_->reached() ? 1U : 0U};
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

}  // namespace

Result<std::string> CollectorCluster(const CollectorConfig& config) {
  std::string url;
  for (const StoreSpec& store : config.stores) {
    const auto* cluster = std::get_if<ClusterPrimary>(&store.primary);
    const std::string where = fmt::format("{}:{}: ", config.file, store.line);
    if (cluster == nullptr) {
      return Status(Code::kInvalid, where +
                                        "primary: found a network store, expected a file store "
                                        "with a cluster's file_path: delivery to another "
                                        "collector is not there yet");
    }
    if (!url.empty() && cluster->root_url != url) {
      return Status(Code::kInvalid, where + "file_path: found " +
                                        paths::Join(cluster->root_url, paths::Data()) +
                                        ", expected " + paths::Join(url, paths::Data()) +
                                        ": one collector delivers into one cluster");
    }
    url = cluster->root_url;
  }
  return url;
}

Result<std::string> CollectorName(const CollectorConfig& config, const std::string& host) {
  std::string name;
  switch (config.name_rule) {
    case CollectorNameRule::kSubDirectory: name = config.name; break;
    case CollectorNameRule::kHostname: name = host; break;
    case CollectorNameRule::kSpoolDirectory:
      name = std::string(paths::BaseName(config.spool_directory));
      break;
  }
  const Status valid = ValidateCollectorName(name);
  if (!valid.ok()) return valid.WithContext(config.file + ": the collector's name");
  return name;
}

Result<std::unique_ptr<Collector>> Collector::Open(const CollectorSeams& seams,
                                                   CollectorConfig config,
                                                   CollectorProcessInfo process) {
  DATABUS_RETURN_IF_ERROR(CollectorCluster(config).status());
  DATABUS_ASSIGN_OR_RETURN(std::string name, CollectorName(config, process.host));
  auto collector = std::make_unique<CollectorImpl>(seams, std::move(config), std::move(process),
                                                   std::move(name));
  DATABUS_RETURN_IF_ERROR(collector->OpenSpool());
  return std::unique_ptr<Collector>(std::move(collector));
}

}  // namespace databus
