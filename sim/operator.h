// A person at a terminal, who steers an installation with the commands of the program: types them
// as anybody would, does what their messages ask for, and types them again when they fail. What is
// remembered is the person's, and outlives the machine.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>

#include "base/fibers.h"
#include "cli/seams.h"
#include "sim/random.h"
#include "sim/scenario.h"

namespace databus::sim {

struct OperatorMemory {
  size_t done = 0;                   // of the tasks
  bool over = false;                 // all is done
  std::string last{};                // what the last command said
  std::set<std::string> spooling{};  // clusters that were told to spool
};

// What an operator needs beside the seams of the program.
struct OperatorWorld {
  fibers::Scheduler& scheduler;
  SimRandom& random;
  // Whether faults have stopped: then nothing new is begun.
  std::function<bool()> healed;
  // Whether it is this one who then ends what is open.
  bool closes = false;
  // Told each command and what came of it.
  std::function<void(const std::string& line)> note;
  std::function<std::shared_ptr<void>(std::function<void()> stop)> listen_for_stop;
  // Interrupts the command that runs, after so long, unless what it answers is gone by then.
  std::function<std::shared_ptr<void>(fibers::SimTime patience)> interrupt_after;
};

// Returns when all is done.
void Operate(const OperatorPlan& plan, OperatorMemory& memory, const OperatorWorld& world,
             Seams& seams);

}  // namespace databus::sim
