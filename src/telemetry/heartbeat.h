// What a process says about itself, every few seconds, in system/status/<process>.json of its
// cluster: how `status`, other processes and operators learn who lives and what is stuck and why.
//
// One JSON object: the fields below first, in this order, then facts of the kind of process:
//   {"version":1,"process":"worker-dc1","kind":"worker","host":"h1","pid":812,"cluster":"dc1",
//    "written":"2031-05-06T10:04:05.678Z","interval_ms":5000,"state":"running","waiting_on":"",
//    "problems":[{"what":"...","since":"2031-05-06T10:00:00.000Z","next":"...",
//                 "streams":["clicks"]}], ...}
// A heartbeat is a hint: it may be lost, late, or of a process that has died since.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/status.h"

namespace databus {

inline constexpr int kHeartbeatVersion = 1;

struct Problem {
  std::string what;  // what is stuck and why: "stream clicks: data/clicks/h1: permission denied"
  WallTime since;
  std::string next;  // what happens by itself, or what an operator should do
  // That wait because of it, and do so until somebody mends it.
  std::vector<std::string> streams{};
};

struct Heartbeat {
  std::string process;  // the name of its file, without ".json"
  std::string kind;     // collector, worker; failover: who drives one (failover/driver_beat.h)
  std::string host;
  int64_t pid = 0;
  std::string cluster;
  WallTime written;
  Milliseconds interval{0};  // when to expect the next one
  std::string state;         // one or few words: running, standby, stopping
  std::string waiting_on;    // what it waits for; empty: nothing
  std::vector<Problem> problems;
  // Facts of this kind of process, in the order in which they are added.
  nlohmann::ordered_json facts = nlohmann::ordered_json::object();
};

// No heartbeat is larger.
inline constexpr size_t kHeartbeatBytesMax = size_t{16} << 20;

// Bytes that are not UTF-8 are replaced.
std::string EncodeHeartbeat(const Heartbeat& heartbeat);
// The same as a value.
nlohmann::ordered_json HeartbeatToJson(const Heartbeat& heartbeat);
// kInvalid: of a newer version, named. kCorrupt: not a heartbeat, or one of more
// than kHeartbeatBytesMax, 250,000 values or a depth of 16; `where` names the file. Absent
// fields keep their defaults, so that older and newer processes understand each other.
Result<Heartbeat> DecodeHeartbeat(std::string_view text, std::string_view where);

}  // namespace databus
