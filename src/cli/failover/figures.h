// The figures by which failovers are judged: one table for all who measure them, the demo and a
// rehearsal, each figure with its limit. What somebody cannot know is left out of his.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "failover/journal.h"

namespace databus {

struct Figure {
  enum class Unit : uint8_t { kCount, kSeconds, kPercent };
  enum class Limit : uint8_t { kNone, kExactly, kUnder };

  std::string id;   // for programs: swap_s
  std::string way;  // failover, failback; empty: of all together
  std::string text;
  double seen = 0;
  Unit unit = Unit::kCount;
  Limit kind = Limit::kNone;
  double limit = 0;

  bool IsWithin() const;
};

// What was measured of one command.
struct WayFigures {
  failover::Kind kind = failover::Kind::kPlanned;
  // Somebody was killed meanwhile: then connections break, and the command has to be resumed.
  bool disturbed = false;
  std::optional<uint64_t> commands{};  // that had to be typed
  std::optional<Milliseconds> took{};
  std::optional<uint64_t> refused{};       // calls of producers that were not answered with OK
  std::optional<uint64_t> disconnected{};  // connections of theirs that were lost, or not made
  // From the epoch by which collectors keep what they accept until they have delivered that.
  std::optional<Milliseconds> kept{};
  // From the epoch that changes the roles until every live collector obeys it and has delivered
  // what it kept: the step despool is over.
  std::optional<Milliseconds> swap{};
  // From the command until the new primary had published something.
  std::optional<Milliseconds> first_file{};
};
// The two that a journal knows.
void MeasureJournal(const failover::Journal& journal, WayFigures& way);

// What the account of a loss statement came to (cli/failover/salvage_report.h).
struct LossFigures {
  uint64_t lines = 0;
  uint64_t recovered = 0;
  uint64_t missing = 0;
  uint64_t on_its_way = 0;
  uint64_t unknown = 0;
  uint64_t recovered_files = 0;
  uint64_t missing_files = 0;
  uint64_t unnamed_files = 0;  // at risk, as it turned out, and in no line
  bool AllRecovered() const { return recovered == lines && unnamed_files == 0; }
};

// Of a cluster that had been away.
struct BootstrapFigures {
  uint64_t missing = 0;  // files, when it returned
  // Since then, and while the others went on; nothing: it could not be counted.
  std::optional<uint64_t> copied{};
  std::optional<uint64_t> not_missing{};  // of these, such as it had
};

// What the new primary's merged stream lacked when the roles changed, of what was acknowledged.
struct LackFigures {
  uint64_t messages = 0;
  uint64_t from_lost = 0;  // of these, accepted by collectors of the cluster that goes
  Milliseconds oldest{0};  // how long before the oldest of them was acknowledged
};

struct FailoverFigures {
  std::vector<WayFigures> ways{};
  std::optional<uint64_t> lost{};  // messages, in any view
  std::optional<uint64_t> doubled{};
  std::optional<LackFigures> lack{};
  std::optional<LossFigures> loss{};
  std::optional<BootstrapFigures> bootstrap{};
  // Files that the former primary published after the swap, of streams that wait (P28).
  std::optional<uint64_t> stale_commits{};
};

std::vector<Figure> FiguresOf(const FailoverFigures& figures);
std::string RenderFigures(const std::vector<Figure>& figures);
nlohmann::ordered_json FiguresToJson(const std::vector<Figure>& figures);

}  // namespace databus
