// The program `databus` without its main(): picks the command, parses its arguments, runs it.
#pragma once

#include <string>
#include <vector>

#include "cli/command.h"

namespace databus {

inline constexpr const char* kVersion = DATABUS_VERSION;

// As a shell shows the end of a program that nobody reads any more: 128 + SIGPIPE.
inline constexpr int kReaderGone = 141;

// `args` without the program's name. Answers the exit code: an Exit, or kReaderGone, silently.
int RunProgram(const std::vector<std::string>& args, Io& io, Seams& seams);

// The man page, made from the help of all commands.
std::string RenderManPage();
// Completion scripts: names of commands and of their options, and where the shell shows them, what
// they are.
std::string RenderBashCompletion();
std::string RenderZshCompletion();
std::string RenderFishCompletion();

}  // namespace databus
