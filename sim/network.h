// The network between simulated machines: frames that take time, connections that break, hosts that
// cannot reach each other. A connection whose frame met a cut is dead from then on without either
// side being told, as TCP behind a silent firewall.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "base/fibers.h"
#include "net/network.h"
#include "sim/random.h"

namespace databus::sim {

class SimServer;

// What decides about each frame. All of it is called by fibers.
struct NetworkRules {
  // Before every call of a process: may let time pass, throws Crash when the process dies.
  std::function<void()> on_call;
  std::function<bool(const std::string& from, const std::string& to)> reachable;
  // Whether the connection breaks, visibly for both, instead of carrying the frame.
  std::function<bool()> breaks;
  std::function<fibers::SimTime()> latency;
};

// All machines' network. Must outlive every network, server and client.
class Fabric {
 public:
  Fabric(const fibers::Scheduler& scheduler, NetworkRules rules)
      : scheduler_(scheduler), rules_(std::move(rules)) {}

  // The network as the machine `host` has it; `clock` is the machine's.
  std::unique_ptr<Network> Of(const std::string& host, const Clock& clock);

 private:
  friend class SimServer;
  friend class SimClient;
  friend class SimNetwork;

  const fibers::Scheduler& scheduler_;
  const NetworkRules rules_;
  std::map<std::pair<std::string, uint16_t>, SimServer*> listening_;
  ConnectionId next_id_ = 1;
};

}  // namespace databus::sim
