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
  std::string name;
  Milliseconds took{};
  uint64_t refused = 0;  // connections that producers lost, and calls refused, while it ran
  std::string primary;   // the one to be
  // Until its merged stream had something new; nothing: not within a minute after its end.
  std::optional<Milliseconds> first_visible{};
};

struct StoryFigures {
  std::vector<CommandFigures> commands{};
  std::string loss_statement{};  // of an unplanned failover, as the command says it: JSON
};

struct StoryWorld {
  const DemoSite& site;
  DemoServices& services;
  Seams& seams;
  Absence absence;
  std::string program;
  Tell tell;
  std::function<uint64_t()> refusals;  // of all producers so far
  // Messages in a cluster's merged stream so far.
  std::function<uint64_t(std::string_view cluster)> merged;
  StoryFigures& figures;
  Drill& drill;
};

// What `world` refers to must outlive the scenes.
std::vector<Scene> ScenesOf(DemoStory story, const StoryWorld& world);

}  // namespace databus
