// kill -9 at random points while a command of a demo's story is under way: of the command, which is
// resumed then, of workers and of collectors, which are started again after a moment. A seed says
// who and when, as far as a machine's timing goes.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "base/status.h"
#include "cli/demo/services.h"
#include "cli/demo/story.h"

namespace databus {

struct DrillOptions {
  uint32_t kills = 0;  // at most so many while one command runs
  uint64_t seed = 0;
};

struct DrillDeath {
  std::string who;   // "the command", or a service
  std::string step;  // at which the command was
};

// One thread at a time.
class Drill {
 public:
  struct World {
    DemoServices& services;
    const Clock& clock;
    Tell tell;
  };
  Drill(const DrillOptions& options, World world);

  // A command of the story begins, or is over: then everybody is started again at once.
  void Begin();
  Status End();
  // What the command said: at which step it is. Nobody dies before it has said so, since before
  // that there may be nothing to resume.
  void Hear(const std::string& line);
  // Strikes if it is time. True: the command itself is to die.
  Result<bool> Strike();
  // Who has died so far.
  const std::vector<DrillDeath>& deaths() const { return deaths_; }

 private:
  Status Revive(BootTime until);
  void TellDeath(const std::string& who);

  const DrillOptions options_;
  const World world_;
  const std::unique_ptr<Random> random_;
  std::map<std::string, BootTime> down_;  // and when they are started again
  std::string step_;                      // of the command; empty: not known yet
  std::vector<DrillDeath> deaths_;
  uint32_t left_ = 0;
  BootTime next_;
};

}  // namespace databus
