// What produces in a demo: one publisher per stream and collector, each on a thread of its own.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "base/status.h"
#include "base/sync.h"
#include "cli/demo/input.h"
#include "cli/demo/site.h"
#include "net/network.h"

namespace databus {

struct TrafficOptions {
  uint32_t events_per_s = 5000;  // of all together
  Milliseconds duration{60'000};
  Milliseconds confirm_within{60'000};  // after that, for the answers that are still owed
};

struct SourceCount {
  DemoSource source;
  uint64_t sent = 0;  // the numbers 1 to `sent` were used
  uint64_t acknowledged = 0;
  uint64_t resent = 0;
  uint64_t failures = 0;  // connections that were lost or not made, and calls that were refused
  uint64_t refused = 0;   // the latter alone
  uint64_t unconfirmed() const { return sent - acknowledged; }
};

// What producers met.
struct Setbacks {
  uint64_t refused = 0;       // calls that were not answered with OK
  uint64_t disconnected = 0;  // connections that were lost or not made
};
Setbacks SetbacksOf(const std::vector<SourceCount>& sources);

struct TrafficSeams {
  Network& network;
  const Clock& clock;
  Random& random;
};

// Runs from its construction on. A collector that is away delays its sources only; they catch up.
class Traffic {
 public:
  // Every stream of the topology to every collector of the site. `input` must outlive it.
  Traffic(const DemoSite& site, const DemoInput& input, TrafficOptions options, TrafficSeams seams);
  // Gives up what is not confirmed.
  ~Traffic();

  // Sends nothing more; what was sent is still to be confirmed.
  void Stop() { stop_.Stop(); }
  // True when everything is sent, and confirmed or given up.
  bool Done() const;
  std::vector<SourceCount> Counts() const;

 private:
  struct Source;
  void Run(Source& source);
  bool PublishOne(Source& source, uint64_t number);

  const DemoInput& input_;
  const TrafficOptions options_;
  const TrafficSeams seams_;
  const BootTime started_;
  StopFlag stop_;
  std::vector<std::unique_ptr<Source>> sources_;
};

}  // namespace databus
