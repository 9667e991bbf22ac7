// What each step of a failover waits for, and whether it has come: pure judgement of what was
// observed. Unknown never opens a gate.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "failover/journal.h"
#include "failover/observation.h"

namespace databus::failover {

struct Gate {
  // Each a sentence that names who or what is waited for, and what an operator can do if it does
  // not come by itself. Empty: the gate is open.
  std::vector<std::string> waits{};
  // How much of what it counts (files, lines, bytes, processes) is outstanding; for progress.
  uint64_t outstanding = 0;
  // What an operator should know meanwhile. Holds nothing up.
  std::vector<std::string> notes{};

  bool open() const { return waits.empty(); }
};

// What the gate of the journal's present step has to look at.
Scope ScopeOf(const Journal& journal);
// REQUIRES: the epoch of the step, if it stores one, is stored, and `seen` was looked at with
// ScopeOf(journal). Steps without a gate (verify, undo, those that end it) are open.
Gate GateOf(const Journal& journal, const Observation& seen);

// kUnplanned: the cluster that was given up answers. A sentence for the operator: whether it obeys,
// and what becomes of what it has (P28, P33, P34). Empty: it does not, or nothing is stored yet.
std::string ReturnOfTheLost(const Journal& journal, const Observation& seen);

// Whether who obeys `epoch` (by digest) is where `stored` is, or later.
bool Obeys(uint64_t epoch, const std::string& digest, const StepEpoch& stored);

// Collectors (as "cluster/name") and clusters that nobody waits for.
bool IsWithout(const std::vector<std::string>& without, const std::string& cluster,
               const std::string& collector = "");

// "1 file", "2 files"
std::string Counted(uint64_t number, std::string_view noun);

// Collectors of a cluster that never say anything: names in data/ without a heartbeat.
std::vector<std::string> ForeignCollectors(const Observation& seen, const std::string& cluster);

}  // namespace databus::failover
