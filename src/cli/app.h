// The program `databus` without its main(): picks the command, parses its arguments, runs it.
#pragma once

#include <string>
#include <vector>

#include "cli/command.h"

namespace databus {

inline constexpr const char* kVersion = DATABUS_VERSION;

// `args` without the program's name. Answers the exit code.
int RunProgram(const std::vector<std::string>& args, Io& io, Seams& seams);

// The man page, made from the help of all commands.
std::string RenderManPage();
// A bash completion script: names of commands and of their options.
std::string RenderBashCompletion();

}  // namespace databus
