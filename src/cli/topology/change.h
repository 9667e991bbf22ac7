// How a subcommand changes the stored topology: the change is a value, is shown with what it would
// bring about and what speaks against it, is asked about, and then stored on every cluster that
// answers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/command.h"
#include "control/topology_desk.h"

namespace databus {

struct Objection {
  std::string what;
  std::string next;  // what the operator can do instead
  enum class Weight : uint8_t {
    kFinal,
    kUnlessForced,  // --force overrules it, at the price that `next` tells
  } weight = Weight::kFinal;
};

struct TopologyChange {
  std::string base;  // what it follows: "epoch 6 (failover)"
  StoredTopology next;
  std::vector<std::string> changes;       // line by line; none: there is nothing to do
  std::vector<std::string> consequences;  // what else the operator should know
  std::vector<Objection> objections;
  // Not while a failover is open; looked at again after the operator was asked.
  bool waits_for_failover = false;
};

struct ChangeOptions {
  std::string topology_file;
  bool dry_run = false;
  bool yes = false;
  bool json = false;
  bool force = false;
};
// `--dry-run`, `--yes`, `--json`.
void AddChangeOptions(CLI::App& app, ChangeOptions& options);
// `--force`
void AddForceOption(CLI::App& app, ChangeOptions& options);

// The change that leaves everything of `base` as it is.
TopologyChange ChangeOf(const TopologyDesk& desk, const TopologyEpoch& base, std::string author);

// A failover that is under way alone may steer. Unreadable journals object, too.
void ObjectToOpenFailover(const TopologyDesk& desk, TopologyChange& change);

Exit CarryOut(const TopologyChange& change, TopologyDesk& desk, const ChangeOptions& options,
              Io& io);

}  // namespace databus
