// The scenes of a demo in which dc1 is taken away and comes back: as planned, or as an accident.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/demo/drill.h"
#include "cli/demo/services.h"
#include "cli/demo/site.h"
#include "cli/demo/story.h"
#include "cli/demo/story_trees.h"
#include "cli/demo/traffic.h"
#include "cli/failover/figures.h"
#include "cli/seams.h"

namespace databus {

enum class DemoStory : uint8_t {
  kKills,      // nothing but processes that are killed
  kPlanned,    // databus failover, dc1 goes, dc1 comes back, databus failback
  kUnplanned,  // dc1 goes, databus failover --unplanned, dc1 comes back, databus failback
};

// How dc1's storage is taken away, and how it comes back. Empty: its tree is renamed, which is what
// a disk that is not mounted looks like.
struct Absence {
  std::function<Status()> take_away{};
  std::function<Status()> bring_back{};
};

// What a command took.
struct CommandFigures {
  std::string name;     // failover --unplanned
  std::string primary;  // the one to be
  WayFigures measured{};
  // Until its merged stream had something new; nothing: not within a minute after its end.
  std::optional<Milliseconds> first_visible{};
};

struct StoryFigures {
  std::vector<CommandFigures> commands{};
  std::vector<DrillDeath> kills{};
  std::string loss_statement{};       // the plan of an unplanned failover, as it says it: JSON
  std::optional<LossFigures> loss{};  // what became of the statement that was accepted
  std::optional<WallTime> swapped{};  // when dc2 got the roles
  std::optional<Return> returned{};   // dc1's trees, when it came back
  int64_t worker_pid = 0;             // of dc1, since it came back
};

struct StoryWorld {
  const DemoSite& site;
  DemoServices& services;
  Seams& seams;
  Absence absence;
  std::string program;
  Tell tell;
  std::function<Setbacks()> setbacks;  // of all producers so far
  // Messages in a cluster's merged stream so far.
  std::function<uint64_t(std::string_view cluster)> merged;
  StoryFigures& figures;
  Drill& drill;
};

// What is known when the story is over and all processes have ended.
FailoverFigures FiguresOf(const StoryFigures& story, const DemoSite& site, Seams& seams);

// What `world` refers to must outlive the scenes.
std::vector<Scene> ScenesOf(DemoStory story, const StoryWorld& world);

}  // namespace databus
