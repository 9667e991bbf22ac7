// What an unplanned failover may cost: what is known to exist at the lost cluster only, and what
// nobody can know until it returns. An operator accepts the statement by its id; when the cluster
// is back, every line of it is accounted for.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/minute.h"
#include "failover/observation.h"
#include "failover/roles.h"

namespace databus::failover {

// In place of a collector's name: those of the cluster that no other line names. Who delivers says
// so in the lost tree only.
inline constexpr std::string_view kAllOthers = "*";

struct LossLine {
  enum class What : uint8_t {
    // Merged minutes after `after`, and the rest of that one: what the lost cluster published and
    // nobody copied.
    kMinutes,
    kLocal,  // what its collectors delivered there, and was merged into no such minute
    kSpool,  // what a collector of it keeps
  };
  What what = What::kMinutes;
  std::string stream{};     // kMinutes, kLocal
  std::string collector{};  // kSpool; its name is kAllOthers: whoever else there is
  // The newest minute that any cluster in reach has; nothing: none has one.
  std::optional<Minute> after{};
  std::string holder{};                  // the cluster that has it; without `after`, the primary
  std::optional<Milliseconds> age{};     // kMinutes: of that minute; kSpool: of its oldest message
  uint64_t spool_bytes = 0;              // kSpool: when it was last heard of
  std::optional<WallTime> last_heard{};  // kSpool
};

struct LossStatement {
  // Names the topology, the clusters and the minutes: the same as long as nothing more is copied.
  std::string id;
  std::vector<LossLine> lines;
  // Files that others had still to hand to the lost cluster. Not at risk: they are merged anew.
  uint64_t merged_anew = 0;
};

// Of what `change` would do to the newest topology, which has this digest.
LossStatement StateLoss(const RoleChange& change, const std::string& digest,
                        const Observation& seen);
// The cut of each stream that moves: the newest minute that any cluster in reach has.
Cuts CutsOf(const RoleChange& change, const Observation& seen);

// The label of a line about all other collectors.
std::string AllOthersOf(const std::string& cluster);

std::string DescribeLoss(const LossLine& line);
// What tells it from the other lines of any statement with the same id.
nlohmann::ordered_json LossKeyToJson(const LossLine& line);
nlohmann::ordered_json LossToJson(const LossStatement& statement);
// kCorrupt: it is none.
Result<LossStatement> LossFromJson(const nlohmann::ordered_json& json);

}  // namespace databus::failover
