#include "cli/app.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <ostream>

#include "base/settings.h"
#include "cli/parsed_command.h"

namespace databus {
namespace {

std::string Suggestion(std::string_view unknown, const std::vector<std::string_view>& names) {
  const auto nearest = NearestName(unknown, names);
  return nearest ? fmt::format("; did you mean '{}'?", *nearest) : "";
}

std::string Overview() {
  std::string text =
      "Databus carries event streams from applications to data lakes in several data centres.\n\n"
      "Usage: databus COMMAND [ARGUMENTS]\n\nCommands:\n";
  for (const Command* command : Commands()) {
    text += fmt::format("  {:<12}{}\n", command->name, command->summary);
  }
  return text +
         "\n'databus COMMAND --help' says more. 'databus help --man' is the man page.\n"
         "Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 nothing to do, "
         "4 cannot be decided now (verify).\n";
}

using Words = std::vector<std::string>;

// A command by the last word of its name; null: there is none.
const Command* FindCommand(std::span<const Command* const> commands, std::string_view word) {
  const auto found =
      std::ranges::find(commands, word, [](const Command* command) { return LastWord(*command); });
  return found == commands.end() ? nullptr : *found;
}

// Told with the nearest of `commands`; `family` is what comes before the word, or empty.
Exit UnknownCommand(Io& io, std::string_view family, std::span<const Command* const> commands,
                    std::string_view word) {
  std::vector<std::string_view> names;
  for (const Command* command : commands) names.push_back(LastWord(*command));
  io.err << fmt::format("databus: there is no command {}{}\nTry 'databus {}--help'.\n",
                        Quoted(fmt::format("{}{}", family, word)), Suggestion(word, names), family);
  return Exit::kUsage;
}

// The first argument that looks like an option of ours and is none.
std::string SuggestOption(const ParsedCommand& parsed, const std::vector<std::string>& args) {
  const std::vector<std::string> names = parsed.OptionNames();
  for (const std::string& arg : args) {
    const std::string name = arg.substr(0, arg.find('='));
    if (!name.starts_with("--") || std::ranges::find(names, name) != names.end()) continue;
    return Suggestion(name, {names.begin(), names.end()});
  }
  return "";
}

Exit RunCommand(const Command& command, const std::vector<std::string>& args, Io& io,
                Seams& seams) {
  ParsedCommand parsed(command);
  try {
    parsed.app.parse(std::vector<std::string>(args.rbegin(), args.rend()));
  } catch (const CLI::CallForHelp&) {
    io.out << parsed.app.help();
    return Exit::kDone;
  } catch (const CLI::ParseError& error) {
    io.err << fmt::format("databus {}: {}{}\nTry 'databus {} --help'.\n", command.name,
                          error.what(), SuggestOption(parsed, args), command.name);
    return Exit::kUsage;
  }
  return parsed.body(io, seams);
}

std::string FamilyHelp(const Command& family) {
  std::string text = fmt::format("{}\n\nUsage: databus {} COMMAND [ARGUMENTS]\n\nCommands:\n",
                                 family.summary, family.name);
  for (const Command* command : family.subcommands) {
    text += fmt::format("  {:<12}{}\n", LastWord(*command), command->summary);
  }
  if (!family.details.empty()) text += fmt::format("\n{}\n", family.details);
  return text + fmt::format("\n'databus {} COMMAND --help' says more.\n", family.name);
}

Exit RunFamily(const Command& family, const Words& args, Io& io, Seams& seams) {
  if (args.empty()) {
    io.err << FamilyHelp(family);
    return Exit::kUsage;
  }
  if (args[0] == "--help" || args[0] == "-h") {
    io.out << FamilyHelp(family);
    return Exit::kDone;
  }
  const Command* command = FindCommand(family.subcommands, args[0]);
  if (command != nullptr) return RunCommand(*command, {args.begin() + 1, args.end()}, io, seams);
  return UnknownCommand(io, fmt::format("{} ", family.name), family.subcommands, args[0]);
}

Exit RunArguments(const Words& args, Io& io, Seams& seams) {
  if (args.empty()) {
    io.err << Overview();
    return Exit::kUsage;
  }
  if (args[0] == "--version") {
    io.out << "databus " << kVersion << "\n";
    return Exit::kDone;
  }
  if (args[0] == "--help" || args[0] == "-h" || (args[0] == "help" && args.size() == 1)) {
    io.out << Overview();
    return Exit::kDone;
  }
  if (args[0] == "help" && !args[1].starts_with('-')) {
    Words asked(args.begin() + 1, args.end());
    asked.emplace_back("--help");
    return RunArguments(asked, io, seams);
  }
  const Command* command = FindCommand(Commands(), args[0]);
  if (command == nullptr) return UnknownCommand(io, "", Commands(), args[0]);
  const Words rest(args.begin() + 1, args.end());
  return command->define == nullptr ? RunFamily(*command, rest, io, seams)
                                    : RunCommand(*command, rest, io, seams);
}

}  // namespace

int RunProgram(const std::vector<std::string>& args, Io& io, Seams& seams) {
  const int code = static_cast<int>(RunArguments(args, io, seams));
  io.out.flush();
  if (io.out) return code;
  if (io.reader_is_gone && io.reader_is_gone()) return kReaderGone;
  io.err << "databus: the output could not be written: is the disk full?\n";
  return static_cast<int>(Exit::kFailed);
}

Exit Report(Io& io, const Status& status) {
  io.err << "databus: " << status.message() << "\n";
  return status.code() == Code::kInvalid ? Exit::kUsage : Exit::kFailed;
}

}  // namespace databus
