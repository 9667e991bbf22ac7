// What CLI11 makes of one command: its options, its help, and its body once they are parsed.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "cli/command.h"

namespace databus {

struct ParsedCommand {
  CLI::App app;
  CommandBody body;

  // REQUIRES: a command that can be run.
  explicit ParsedCommand(const Command& command);

  struct Option {
    std::string name;  // without "--"
    std::string help;
  };
  std::vector<Option> Options() const;
  std::vector<std::string> OptionNames() const;  // with "--"
};

}  // namespace databus
