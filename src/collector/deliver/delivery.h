// What the parts of delivery share.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/random.h"
#include "cluster/route.h"
#include "collector/deliver/retry.h"
#include "collector/seal/sealer.h"
#include "collector/spool/spool.h"
#include "net/network.h"
#include "storage/storage.h"
#include "telemetry/problems.h"

namespace databus {

struct DeliverySettings {
  std::string collector;
  // Unsealed messages are sealed in this rhythm, or as soon as there are `cut_bytes` of them.
  std::chrono::milliseconds rotate_period{60'000};
  uint64_t cut_bytes = 64u << 20;
  Retry retry;           // between attempts while the cluster is away
  Retry receiver_retry;  // the same of each receiver
  // At most so many cuts of backlog per interval. Live data is never bounded.
  int64_t backlog_cuts = 1;
  std::chrono::milliseconds backlog_interval{5'000};
  // A batch of a hand-over has at most so many bytes, or one message.
  uint64_t batch_bytes = 1u << 20;
  // Of a receiver: to connect, and for each answer.
  std::chrono::milliseconds receiver_timeout{5'000};
  // The way of a stream at present; asked again at every step, so it may change. Empty: all streams
  // are delivered into the cluster.
  std::function<Route(std::string_view stream)> route_of;
  // How files of a stream look.
  std::function<SealFormat(std::string_view stream)> format;
};

// All must outlive the deliverer.
struct DeliverySeams {
  Storage* cluster;  // null: no tree to deliver into
  Spool& spool;
  const Clock& clock;
  Random& random;
  ProblemBoard& problems;
  Network* network = nullptr;  // null: nothing is handed over
};

// Counts since the start. Read from any thread.
struct DeliveryCounts {
  std::atomic<uint64_t> files{0};
  std::atomic<uint64_t> messages{0};
  std::atomic<uint64_t> bytes{0};
  std::atomic<uint64_t> cuts{0};
  std::atomic<uint64_t> collisions{0};  // final names that were taken by another file
  std::atomic<uint64_t> malformed{0};   // records of the spool with entries that cannot be read
  std::atomic<uint64_t> failed_attempts{0};
  std::atomic<uint64_t> handed_over{0};  // messages that another collector has taken over
  // Messages that were sent, or released, though they may have arrived before.
  std::atomic<uint64_t> possible_duplicates{0};
};

}  // namespace databus
