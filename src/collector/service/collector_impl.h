// The collector behind collector/service/collector.h. Private to this folder.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "base/sync.h"
#include "collector/deliver/deliverer.h"
#include "collector/service/collector.h"
#include "collector/service/scribe_handler.h"
#include "collector/steer/steering.h"

namespace databus {

// How often it writes its heartbeat.
inline constexpr std::chrono::milliseconds kBeatInterval{3'000};

class CollectorImpl final : public Collector {
 public:
  CollectorImpl(const CollectorSeams& seams, CollectorConfig config, CollectorProcessInfo process,
                RunningCollector self)
      : seams_(seams),
        config_(std::move(config)),
        process_(std::move(process)),
        self_(std::move(self)),
        problems_(seams.clock, "collector", ShowTopic::kNo) {}

  // Threads end in the order in which they use each other.
  ~CollectorImpl() override {
    if (server_) server_->Shutdown(BootTime{});
    if (steering_) steering_->EndThread();
    EndThreads();
    deliverer_.reset();
    spool_.reset();
  }

  Status OpenSpool();

  Status Start(Drive drive) override;
  Status Stop(BootTime deadline) override;
  Status Reload(const Result<CollectorConfig>& next) override;
  ConfigSnapshot config() const override { return config_.Get(); }
  bool WantsReopening() override;
  Status Refused() const override;
  BootTime Step() override;
  bool FlushOnce() override { return spool_->FlushOnce(); }
  uint16_t port() const override { return server_->port(); }
  std::string name() const override { return self_.name; }
  Heartbeat Describe() const override;
  void Export(Metrics& metrics) const override;

 private:
  ScribeHandler::Wishes Wishes();
  bool NameIsSettled();
  Status CheckNext(const Result<CollectorConfig>& next) const;
  void DeliverLoop();
  std::unique_ptr<Steering> MakeSteering();
  void Wake();
  void WakeDelivery();
  void TakeRoutes();
  void EndThreads();
  void WatchSpool();
  void Beat();
  void ReportNamesake(const std::string& path);
  int64_t LagMs(const SpoolStats& stats) const;
  void TellWays(const Routes& routes, nlohmann::ordered_json& facts) const;
  Endpoint Address() const;
  std::shared_ptr<const Routes> Told() const;
  uint64_t HeldFromBefore() const;

  const CollectorSeams seams_;
  ConfigInForce config_;
  const CollectorProcessInfo process_;
  const RunningCollector self_;
  ProblemBoard problems_;
  std::unique_ptr<Spool> spool_;
  std::unique_ptr<Deliverer> deliverer_;
  std::unique_ptr<Steering> steering_;    // null: no cluster, so no topology
  std::shared_ptr<const Routes> routes_;  // what the deliverer works by
  std::unique_ptr<ScribeHandler> handler_;
  std::unique_ptr<FrameServer> server_;
  Drive drive_ = Drive::kByHand;
  std::atomic<bool> stopping_{false};
  std::atomic<bool> beat_now_{false};
  std::atomic<uint64_t> reloads_{0};
  std::atomic<uint64_t> refused_reloads_{0};
  bool name_is_settled_ = false;  // or it is left to the deliverer
  BootTime next_beat_{};
  BootTime next_steer_{};  // by hand
  std::string last_beat_;  // the last heartbeat that was written, or empty

  mutable Mutex mutex_;  // guards what follows
  CondVar wake_;
  bool woken_ = false;
  bool end_ = false;
  std::shared_ptr<const Routes> told_;  // routes_, for the heartbeat
  SpoolEnd epoch_taken_;                // the spool's end when its topology was taken up
  Status refused_;
  Thread delivering_;
};

}  // namespace databus
