// What a command of the program is, and how its body meets the world. One command, one file; the
// list is in commands.cc, where adding a command is one line. Bodies get their streams and seams as
// parameters, so that they are tested without a process.
#pragma once

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "cli/seams.h"

namespace CLI {
class App;
}

namespace databus {

// The exit codes of every command.
enum class Exit : uint8_t {
  kDone = 0,
  kFailed = 1,
  kUsage = 2,  // wrong arguments, or a configuration that is refused
  kNothingToDo = 3,
  kUndecided = 4,  // verify: cannot be decided now
};

enum class Terminal : uint8_t { kNo, kYes };

struct Io {
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
  Terminal terminal =
      Terminal::kNo;  // whether `err` is one: progress is shown there, or not at all
  // Waits for more of `in`, at most so long; false: none came. Empty: reading `in` never blocks.
  std::function<bool(Milliseconds most)> wait_for_input = {};
  // Whether whoever read `out` has gone away (a pipe into `head`). Empty: nobody does.
  std::function<bool()> reader_is_gone = {};
  // From the call until what it answers is gone, `stop` is called, on any thread, when the command
  // is to end (TERM, INT). For commands that have something to finish before. Empty: nobody asks.
  std::function<std::shared_ptr<void>(std::function<void()> stop)> listen_for_stop = {};
};

// "databus: <message>" on `err`. kUsage for kInvalid (somebody has to change a file or an
// argument), else kFailed.
Exit Report(Io& io, const Status& status);

using CommandBody = std::function<Exit(Io& io, Seams& seams)>;

struct Command {
  std::string_view name;     // as it is typed: "status", "topology show"
  std::string_view summary;  // one sentence, without the command's name
  std::string_view details;  // what else `--help` says: meaning of the output, exit codes
  // Adds the command's options to `app`. What it answers runs the command after they are parsed.
  // Null: the command is only the first word of its subcommands.
  CommandBody (*define)(CLI::App& app) = nullptr;
  std::span<const Command* const> subcommands = {};
};

// All of them, in the order of `databus --help`; subcommands are with the command they belong to.
std::span<const Command* const> Commands();
// Those that can be run, subcommands among them, in the same order.
std::vector<const Command*> RunnableCommands();
// The last word of a command's name, or the only one.
std::string_view LastWord(const Command& command);

}  // namespace databus
