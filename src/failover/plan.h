// What a failover would do, and whether it may: a value that can be printed, approved and only then
// run. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "failover/journal.h"
#include "failover/loss.h"
#include "failover/observation.h"
#include "failover/roles.h"

namespace databus::failover {

struct Request {
  Kind kind = Kind::kPlanned;
  std::string from{};                   // kPlanned, kUnplanned: what goes
  std::string to{};                     // the primary to be; kFailback: what comes back
  std::vector<std::string> without{};   // "<cluster>/<collector>", or clusters that are away
  std::string only{};                   // a rehearsal: nothing but this stream
  std::vector<Endpoint> redirect_to{};  // instead of the live collectors of `to`
};

// Why it may not be run, and what would help.
struct Refusal {
  std::string what{};
  std::string next{};
  friend bool operator==(const Refusal&, const Refusal&) = default;
};

struct PlannedStep {
  Step step = Step::kSpool;
  std::string what{};               // one sentence
  std::optional<uint64_t> epoch{};  // the one that it stores
  Milliseconds expected{0};
};

struct Plan {
  // Names what would be done from which topology: the same plan, made again, has the same id, and
  // one that was made before the topology changed has another.
  std::string id{};
  Kind kind = Kind::kPlanned;
  RoleChange change{};
  uint64_t base_epoch = 0;
  std::string base_digest{};
  std::vector<std::string> without{};
  std::string undoes{};
  std::optional<LossStatement> loss{};  // kUnplanned: to be accepted
  Cuts cuts{};                          // the same: where the new primary begins
  std::vector<PlannedStep> steps{};
  std::vector<std::string> assumptions{};  // what the times of the steps are made of
  std::vector<std::string> warnings{};
  std::vector<Refusal> refusals{};
  // What is wrong, if there are refusals.
  enum class Fault : uint8_t { kState, kRequest, kNothingToDo } fault = Fault::kState;

  bool MayRun() const { return refusals.empty(); }

  Milliseconds Expected() const;
  // While spools do not become emptier.
  Milliseconds ExpectedButDespool() const;
};

// What has to be looked at. Nothing in it: there is no stored topology, or no such cluster.
Scope ScopeOf(const Request& request, const Topology& topology);

// `journals`: all that were found. `seen`: looked at with ScopeOf(request).
Plan MakePlan(const Request& request, const Observation& seen,
              const std::map<std::string, Journal>& journals);

// The journal that it is run by.
Journal Begin(const Plan& plan, WallTime now);

// The one that has not ended; null: there is none.
const Journal* FindOpen(const std::map<std::string, Journal>& journals);
// The last failover that took `site` away and that no failback has undone; null: there is none. One
// that was given up after its swap counts if `stored`, the newest epoch, came from that.
const Journal* FindUndoable(const std::map<std::string, Journal>& journals,
                            const StoredTopology& stored, const std::string& site);
// The same of a rehearsal with this stream.
const Journal* FindRehearsed(const std::map<std::string, Journal>& journals,
                             const StoredTopology& stored, const std::string& stream);

}  // namespace databus::failover
