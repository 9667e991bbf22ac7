// A collector: the Scribe server, the spool and delivery, put together from seams.
//
//   network thread     frames -> ScribeHandler -> Spool::Append
//   spool's thread     group commit -> answers
//   delivering thread  Deliverer::Step, and a heartbeat every few seconds
//
// Life: Open recovers the spool; Start begins; Stop ends cleanly. Destroyed without Stop it ends as
// if killed: nothing that was acknowledged is lost.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/random.h"
#include "base/status.h"
#include "collector/config/reload.h"
#include "net/network.h"
#include "storage/disk/disk.h"
#include "storage/open.h"
#include "storage/storage.h"
#include "telemetry/heartbeat.h"
#include "telemetry/metrics.h"

namespace databus {

// All must outlive the collector.
struct CollectorSeams {
  Clock& clock;
  Random& random;
  Disk& disk;
  Network& network;
  Storage* cluster;  // the tree at CollectorCluster(config); null: there is none
  // Opens the trees of the stored topology's clusters.
  OpenClusterStorage open_cluster;
  // What this process has asked of the clusters' servers; null: nobody counts.
  const StorageCalls* calls = nullptr;
};

// The process around it.
struct CollectorProcessInfo {
  std::string host;
  int64_t pid = 0;
  // fb303's wishes: to stop, to read the configuration again. Called on the network's thread, must
  // not block. May be empty.
  std::function<void()> on_shutdown;
  std::function<void()> on_reload;
};

// Who drives a collector: threads of its own, or the caller, by FlushOnce and Step. The second is
// for tests: everything then happens in an order they choose.
enum class Drive : uint8_t { kThreads, kByHand };

// The collector's name, by the configuration's rule. kInvalid: it cannot be a collector's name.
Result<std::string> CollectorName(const CollectorConfig& config, const std::string& host);

class Collector {
 public:
  // Opens the spool and recovers it. Errors as of Spool::Open, CollectorCluster and CollectorName.
  static Result<std::unique_ptr<Collector>> Open(const CollectorSeams& seams,
                                                 CollectorConfig config,
                                                 CollectorProcessInfo process);
  virtual ~Collector() = default;

  // Listens and begins to work. Asks nothing of any cluster: messages are taken whatever a cluster
  // does. Errors of Network::Listen.
  virtual Status Start(Drive drive = Drive::kThreads) = 0;

  // Stops accepting, answers what was handed in, flushes, then delivers what it can; waits at most
  // until `deadline` for each. Ok: all is delivered; else the rest stays in the spool. May be
  // called from any thread, once.
  virtual Status Stop(BootTime deadline) = 0;

  // Works by `next` from now on, without dropping a connection of a peer that may connect, or a
  // message. Not ok: nothing has changed, and a problem says so, with the reason, until a
  // configuration is taken; kInvalid: `next` is none (its status), or something that only a restart
  // changes differs (CheckReload). From one thread at a time, after Start.
  virtual Status Reload(const Result<CollectorConfig>& next) = 0;
  // The configuration in force.
  virtual ConfigSnapshot config() const = 0;

  // The spool's disk failed in a way that only opening the spool again settles (P21), and takes
  // synced writes again: this collector is to be stopped and opened anew. Any thread.
  virtual bool WantsReopening() = 0;

  // Not ok: its name is taken, and it will deliver nothing; this collector is to be stopped, and
  // what it has taken stays in its spool. Found out when its cluster answers for the first time, or
  // up to NameGuard::kWatch later, before the first delivery. Any thread.
  //   kRefused   another collector with this name is alive on this cluster: names host and process
  virtual Status Refused() const = 0;

  // One round of the delivering thread. Returns when the next is due. For kByHand.
  virtual BootTime Step() = 0;
  // One group commit; false when nothing was waiting. For kByHand.
  virtual bool FlushOnce() = 0;

  // After Start.
  virtual uint16_t port() const = 0;
  virtual std::string name() const = 0;
  // What it says about itself: state, problems, spool, lag, counts. Any thread.
  virtual Heartbeat Describe() const = 0;
  // Brings the metrics of collector/service/metrics.h up to date. Any thread.
  virtual void Export(Metrics& metrics) const = 0;
};

}  // namespace databus
