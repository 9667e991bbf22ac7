#include "collector/service/collector.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>
#include <variant>

#include "cluster/names.h"
#include "cluster/paths.h"
#include "collector/service/collector_impl.h"
#include "collector/spool/files.h"
#include "collector/spool/identity.h"
#include "telemetry/facts.h"
#include "telemetry/log.h"

namespace databus {
namespace {

constexpr std::chrono::milliseconds kNamePoll{500};

constexpr char kReloadProblem[] = "reload";
constexpr char kNameProblem[] = "name";

// How often what is handed over only is cut: nothing becomes a file, so there is no point in
// waiting.
constexpr std::chrono::seconds kHandOverRhythm{1};
// Between attempts at receivers that are known to live.
constexpr std::chrono::seconds kSteeredRetry{2};
constexpr std::chrono::seconds kSteeredRetryRange{1};

// How files look of a stream whose store delivers elsewhere, or which no store takes any more.
const ClusterPrimary& AnyClusterPrimary(const CollectorConfig& config) {
  static const ClusterPrimary by_default{.root_url = {}, .add_newlines = true};
  for (const StoreSpec& store : config.stores) {
    if (const auto* primary = std::get_if<ClusterPrimary>(&store.primary)) return *primary;
  }
  return by_default;
}

SealFormat FormatOf(const CollectorConfig& config, std::string_view stream) {
  const StoreSpec* store = config.FindStore(stream);
  const auto* own = store == nullptr ? nullptr : std::get_if<ClusterPrimary>(&store->primary);
  const ClusterPrimary& primary = own != nullptr ? *own : AnyClusterPrimary(config);
  return {.framing = primary.add_newlines ? Framing::kNewline : Framing::kNone,
          .encoding = primary.encode_base64 ? Encoding::kBase64 : Encoding::kPlain,
          .compression = config.compress ? Compression::kGzip : Compression::kNone,
          .bytes_max = static_cast<uint64_t>(primary.seal_bytes)};
}

// The shorter of two pauses, with its range.
void TakeShorter(Retry& retry, std::chrono::milliseconds interval,
                 std::chrono::milliseconds range) {
  if (interval < retry.interval) retry = {interval, range};
}

// One cut is of all streams, so the most impatient store sets the rhythm.
DeliverySettings SettingsOf(const std::shared_ptr<const Routes>& routes, const std::string& name) {
  const CollectorConfig& config = *routes->config();
  DeliverySettings settings;
  settings.collector = name;
  settings.retry = settings.receiver_retry = {config.stores.front().retry_interval,
                                              config.stores.front().retry_interval_range};
  settings.rotate_period = AnyClusterPrimary(config).rotate_period;
  settings.backlog_cuts = 1;
  settings.backlog_interval = config.check_interval;
  for (const StoreSpec& store : config.stores) {
    settings.backlog_cuts = std::max(settings.backlog_cuts, store.buffer_send_rate);
    TakeShorter(settings.retry, store.retry_interval, store.retry_interval_range);
    if (const auto* cluster = std::get_if<ClusterPrimary>(&store.primary)) {
      settings.rotate_period = std::min(settings.rotate_period, cluster->rotate_period);
    } else {
      TakeShorter(settings.receiver_retry, store.retry_interval, store.retry_interval_range);
      settings.receiver_timeout =
          std::max(settings.receiver_timeout, std::get<NetworkPrimary>(store.primary).timeout);
    }
  }
  if (routes->only_redirects()) settings.rotate_period = kHandOverRhythm;
  if (routes->orders().Steer()) settings.receiver_retry = {kSteeredRetry, kSteeredRetryRange};
  settings.route_of = [routes](std::string_view stream) { return routes->Of(stream); };
  settings.format = [routes](std::string_view stream) {
    return FormatOf(*routes->config(), stream);
  };
  return settings;
}

FrameLimits LimitsOf(const CollectorConfig& config) {
  return {.frame_bytes_max = static_cast<uint32_t>(config.frame_bytes_max),
          .connections_max = static_cast<uint32_t>(config.connections_max)};
}

std::string_view DigestOf(const Orders& orders) {
  return orders.topology == nullptr ? std::string_view() : orders.topology->epoch.digest;
}

SpoolOptions SpoolOptionsOf(const CollectorConfig& config, const std::string& name) {
  SpoolOptions options;
  options.dir = config.spool_directory;
  options.collector = name;
  options.segment_bytes = static_cast<uint64_t>(config.segment_bytes);
  options.disk_reserve_bytes = static_cast<uint64_t>(config.disk_reserve_bytes);
  return options;
}

}  // namespace

Status CollectorImpl::OpenSpool() {
  const ConfigSnapshot snapshot = config_.Get();
  const CollectorConfig& config = *snapshot;
  auto spool =
      Spool::Open({seams_.disk, seams_.clock, seams_.random}, SpoolOptionsOf(config, self_.name));
  if (!spool.ok()) {
    return spool.status().WithContext(fmt::format(
        "{}: <secondary> file_path: found {}, expected a directory that only this collector uses "
        "and that it can write; mend what follows, or name another directory",
        config.file, config.spool_directory));
  }
  spool_ = *std::move(spool);
  if (seams_.cluster != nullptr) steering_ = MakeSteering();
  routes_ = std::make_shared<const Routes>(snapshot, steering_ ? steering_->orders() : Orders{});
  told_ = routes_;
  epoch_taken_ = spool_->End();
  deliverer_ = std::make_unique<Deliverer>(DeliverySeams{seams_.cluster, *spool_, seams_.clock,
                                                         seams_.random, problems_, &seams_.network},
                                           SettingsOf(routes_, self_.name));
  handler_ = std::make_unique<ScribeHandler>(
      config_, ScribeHandler::Seams{seams_.clock, *spool_, problems_}, Wishes());
  return Status::Ok();
}

std::unique_ptr<Steering> CollectorImpl::MakeSteering() {
  Steering::Calls calls;
  calls.describe = [this] { return Describe(); };
  calls.reached = [this] { return deliverer_->reached(); };
  calls.wants_marks = [this] { return deliverer_->wants_marks(); };
  calls.note_marks = [this](const std::string& incarnation, const Roster::Marks& marks) {
    deliverer_->NoteMarks(incarnation, marks);
  };
  calls.changed = [this] { Wake(); };
  return std::make_unique<Steering>(
      Steering::Seams{seams_.clock, seams_.random, seams_.disk, *spool_, problems_,
                      seams_.open_cluster},
      Steering::Self{self_.name, self_.cluster, config_.Get()->spool_directory}, std::move(calls));
}

ScribeHandler::Wishes CollectorImpl::Wishes() {
  const auto wish = [](const std::function<void()>& call) {
    if (call) call();
  };
  return {.deliver = [this] { WakeDelivery(); },
          .reload = [this, wish] { wish(process_.on_reload); },
          .shutdown = [this, wish] { wish(process_.on_shutdown); },
          .release =
              [this] {
                deliverer_->ReleaseUnknown();
                WakeDelivery();
              }};
}

// Whether there is, as far as can be known now, nobody else of its name. Until then nothing is
// delivered, and it is asked again until it is certain. On the thread that delivers, not at the
// start: a cluster that does not answer must not keep messages out of the spool.
bool CollectorImpl::NameIsSettled() {
  if (name_is_settled_) return true;
  const Status checked = deliverer_->NameIsFree();
  if (checked.unknown()) {
    problems_.Raise(kNameProblem, checked.message(),
                    "nothing is delivered before that is certain, which takes some seconds");
    return false;
  }
  problems_.Clear(kNameProblem);
  if (!checked.ok()) {
    MutexLock lock(mutex_);
    refused_ = checked;
    return false;
  }
  // While its cluster is away the deliverer is let go on: to other collectors.
  name_is_settled_ = deliverer_->NameIsCertain();
  return true;
}

Status CollectorImpl::Refused() const {
  MutexLock lock(mutex_);
  return refused_;
}

Status CollectorImpl::Start(Drive drive) {
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
    if (steering_) steering_->Start();
    deliverer_->UseThreads([this] { Wake(); });
    delivering_ = Thread("deliver", [this] { DeliverLoop(); });
  }
  server_->Start(*handler_);
  LogInfo("collector", "listening",
          {{"name", self_.name},
           {"port", server_->port()},
           {"spool", config->spool_directory},
           {"cluster", seams_.cluster == nullptr ? "none" : seams_.cluster->Describe()}});
  return Status::Ok();
}

Status CollectorImpl::CheckNext(const Result<CollectorConfig>& next) const {
  DATABUS_RETURN_IF_ERROR(next.status());
  DATABUS_RETURN_IF_ERROR(CollectorCluster(*next).status());
  return CheckReload(*config_.Get(), *next, self_);
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
  Wake();
  return checked;
}

// On the thread that delivers, or when there is none. From here on nothing goes by older routes,
// and what did is in the backlog until it is settled: so a heartbeat that names an epoch is true of
// it.
void CollectorImpl::TakeRoutes() {
  ConfigSnapshot config = config_.Get();
  Orders orders = steering_ ? steering_->orders() : Orders{};
  const bool same_orders = orders == routes_->orders();
  const bool same_epoch = DigestOf(orders) == DigestOf(routes_->orders());
  if (same_orders && config == routes_->config()) return;
  routes_ = std::make_shared<const Routes>(std::move(config), std::move(orders));
  deliverer_->Configure(SettingsOf(routes_, self_.name));
  deliverer_->Publish();
  if (!same_orders) {
    deliverer_->Hurry();  // what may go now goes at once
    beat_now_ = true;
  }
  const SpoolEnd end = spool_->End();
  MutexLock lock(mutex_);
  told_ = routes_;
  if (!same_epoch) epoch_taken_ = end;
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

void CollectorImpl::Wake() {
  MutexLock lock(mutex_);
  woken_ = true;
  wake_.NotifyAll();
}

void CollectorImpl::WakeDelivery() {
  deliverer_->Hurry();
  Wake();
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
  if (steering_) steering_->EndThread();
  EndThreads();
  TakeRoutes();
  Status delivered = deliverer_->Finish(deadline);
  Beat();
  if (steering_) steering_->Show();
  LogInfo("collector", "stopped", {{"name", self_.name}, {"delivery", delivered}});
  return delivered;
}

bool CollectorImpl::WantsReopening() {
  if (!deliverer_->spool_unsure() && spool_->Stats().retired.empty()) return false;
  return WriteFileDurably(seams_.disk, config_.Get()->spool_directory, "probe",
                          "a disk that works\n")
      .ok();
}

BootTime CollectorImpl::Step() {
  BootTime next_steer = BootTime::max();
  if (steering_ && drive_ == Drive::kByHand) {
    if (seams_.clock.Boot() >= next_steer_) next_steer_ = steering_->Step();
    next_steer = next_steer_;
  }
  TakeRoutes();
  BootTime next = next_steer;
  if (NameIsSettled()) {
    next = std::min(next, deliverer_->Step());
  } else if (Refused().ok()) {
    next = std::min(next, seams_.clock.Boot() + kNamePoll);
  }
  if (beat_now_.exchange(false) || seams_.clock.Boot() >= next_beat_) {
    next_beat_ = seams_.clock.Boot() + kBeatInterval;
    Beat();
  }
  return std::min(next, next_beat_);
}

// Somebody with our name who came after us. Nothing is lost or overwritten, but both ought to know.
void CollectorImpl::ReportNamesake(const std::string& path) {
  const Result<std::string> content = seams_.cluster->ReadFile(path);
  if (!content.ok()) return;
  if (last_beat_.empty() || *content == last_beat_) return problems_.Clear(kNameProblem);
  const auto other = DecodeHeartbeat(*content, path);
  if (!other.ok()) return problems_.Clear(kNameProblem);
  const std::string own = spool_->identity().incarnation;
  const bool is_own = other->facts.value(facts::kIncarnation, "") == own;
  if (is_own) deliverer_->ToldOf(LastToldOf(ReadToldSpools(*other), own));
  if (is_own && other->host == process_.host && other->pid == process_.pid) {
    return problems_.Clear(kNameProblem);
  }
  problems_.Raise(kNameProblem,
                  fmt::format("another collector named {} is alive on host {}, process {}",
                              self_.name, other->host, other->pid),
                  "stop one of them, or give it another name and spool");
}

// Never into a tree that is not known to be the right one.
void CollectorImpl::Beat() {
  WatchSpool();
  if (!deliverer_->reached()) return;
  const std::string path = paths::StatusFile(CollectorProcess(self_.name));
  ReportNamesake(path);
  std::string beat = EncodeHeartbeat(Describe());
  const Status written = seams_.cluster->Replace(path, beat);
  if (written.ok()) {
    last_beat_ = std::move(beat);
    problems_.Clear("heartbeat");
  } else {
    problems_.Raise("heartbeat", "heartbeat: " + written.ToString(), "tried again in seconds");
  }
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
  RunningCollector self{.host = process.host, .name = {}, .cluster = {}};
  DATABUS_ASSIGN_OR_RETURN(self.cluster, CollectorCluster(config));
  DATABUS_ASSIGN_OR_RETURN(self.name, CollectorName(config, process.host));
  // A configuration without a cluster does not name the collector; its spool may do.
  if (self.cluster.empty()) {
    const auto owner = ReadIdentity(seams.disk, config.spool_directory);
    if (owner.ok()) self.name = owner->collector;
  }
  auto collector = std::make_unique<CollectorImpl>(seams, std::move(config), std::move(process),
                                                   std::move(self));
  DATABUS_RETURN_IF_ERROR(collector->OpenSpool());
  return std::unique_ptr<Collector>(std::move(collector));
}

}  // namespace databus
