#include "cli/app.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <ostream>

#include "base/settings.h"

namespace databus {
namespace {

// What CLI11 says about one command, with its options defined.
struct Parsed {
  CLI::App app;
  CommandBody body;

  explicit Parsed(const Command& command)
      : app(std::string(command.summary), fmt::format("databus {}", command.name)) {
    app.footer(std::string(command.details));
    app.get_formatter()->column_width(34);
    body = command.define(app);
  }

  struct Option {
    std::string name;  // without "--"
    std::string help;
  };
  std::vector<Option> Options() const {
    std::vector<Option> options;
    for (const CLI::Option* option : app.get_options()) {
      for (const std::string& name : option->get_lnames()) {
        options.push_back({name, option->get_description()});
      }
    }
    return options;
  }
  std::vector<std::string> OptionNames() const {
    std::vector<std::string> names;
    for (const Option& option : Options()) names.push_back("--" + option.name);
    return names;
  }
};

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

const Command* FindCommand(std::string_view name) {
  for (const Command* command : Commands()) {
    if (command->name == name) return command;
  }
  return nullptr;
}

Exit UnknownCommand(Io& io, std::string_view name) {
  std::vector<std::string_view> names;
  for (const Command* command : Commands()) names.push_back(command->name);
  io.err << fmt::format("databus: there is no command {}{}\nTry 'databus --help'.\n", Quoted(name),
                        Suggestion(name, names));
  return Exit::kUsage;
}

// The first argument that looks like an option of ours and is none.
std::string SuggestOption(const Parsed& parsed, const std::vector<std::string>& args) {
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
  Parsed parsed(command);
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

// Text for a man page: no line may start with a control character of roff.
std::string Roff(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\') out += '\\';
    if ((c == '.' || c == '\'') && (out.empty() || out.back() == '\n')) out += "\\&";
    if (c == '-') out += '\\';
    out += c;
  }
  return out;
}

// For the zsh; the fish understands it too, as long as there is no backslash.
std::string SingleQuoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? "'\\''" : std::string(1, c);
  return out + "'";
}

}  // namespace

int RunProgram(const std::vector<std::string>& args, Io& io, Seams& seams) {
  const auto run = [&] {
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
    if (args[0] == "help" && args.size() == 2 && FindCommand(args[1]) != nullptr) {
      return RunCommand(*FindCommand(args[1]), {"--help"}, io, seams);
    }
    const Command* command = FindCommand(args[0]);
    if (command == nullptr) return UnknownCommand(io, args[0]);
    return RunCommand(*command, {args.begin() + 1, args.end()}, io, seams);
  };
  const int code = static_cast<int>(run());
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

std::string RenderManPage() {
  std::string page = fmt::format(
      ".TH DATABUS 1 \"\" \"databus {}\" \"User commands\"\n.SH NAME\ndatabus \\- carries event "
      "streams to data lakes in several data centres\n.SH SYNOPSIS\n.B databus\n.I command\n"
      "[arguments]\n.SH COMMANDS\n",
      kVersion);
  for (const Command* command : Commands()) {
    page += fmt::format(".SS {}\n.nf\n{}\n.fi\n", command->name, Roff(Parsed(*command).app.help()));
  }
  return page +
         ".SH EXIT STATUS\n0 done, 1 failed, 2 wrong usage or configuration, 3 nothing to do, 4 "
         "cannot be decided (verify).\n";
}

std::string RenderBashCompletion() {
  std::string names;
  std::string cases;
  for (const Command* command : Commands()) {
    names += fmt::format("{} ", command->name);
    cases += fmt::format("    {}) words=\"{}\" ;;\n", command->name,
                         fmt::join(Parsed(*command).OptionNames(), " "));
  }
  return fmt::format(
      "# bash completion for databus: source it, or put it into bash_completion.d\n"
      "_databus() {{\n"
      "  local word=${{COMP_WORDS[COMP_CWORD]}} words\n"
      "  case ${{COMP_WORDS[1]}} in\n{}"
      "    *) words=\"{}--help --version\" ;;\n"
      "  esac\n"
      "  [ \"$COMP_CWORD\" -eq 1 ] && words=\"{}--help --version\"\n"
      "  COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
      "  [ ${{#COMPREPLY[@]}} -gt 0 ] || COMPREPLY=($(compgen -f -- \"$word\"))\n"
      "}}\n"
      "complete -F _databus databus\n",
      cases, names, names);
}

std::string RenderZshCompletion() {
  std::string names;
  std::string cases;
  for (const Command* command : Commands()) {
    names += fmt::format("    {}\n",
                         SingleQuoted(fmt::format("{}:{}", command->name, command->summary)));
    cases += fmt::format("    {}) compadd -- {} ;;\n", command->name,
                         fmt::join(Parsed(*command).OptionNames(), " "));
  }
  return fmt::format(
      "#compdef databus\n"
      "# zsh completion for databus: put it into a directory of $fpath, as _databus\n"
      "_databus() {{\n"
      "  local -a subcommands=(\n{}  )\n"
      "  if (( CURRENT == 2 )); then\n"
      "    _describe command subcommands\n"
      "    compadd -- --help --version\n"
      "    return\n"
      "  fi\n"
      "  if [[ $words[CURRENT] != -* ]]; then\n"
      "    _files\n"
      "    return\n"
      "  fi\n"
      "  case $words[2] in\n{}"
      "  esac\n"
      "}}\n"
      "if [[ $funcstack[1] == _databus ]]; then _databus \"$@\"; else compdef _databus databus; "
      "fi\n",
      names, cases);
}

std::string RenderFishCompletion() {
  std::string text =
      "# fish completion for databus: put it into ~/.config/fish/completions/databus.fish\n"
      "complete -c databus -n __fish_use_subcommand -l help -l version\n";
  for (const Command* command : Commands()) {
    text += fmt::format("complete -c databus -n __fish_use_subcommand -f -a {} -d {}\n",
                        command->name, SingleQuoted(command->summary));
    for (const auto& [name, help] : Parsed(*command).Options()) {
      text += fmt::format("complete -c databus -n '__fish_seen_subcommand_from {}' -l {} -d {}\n",
                          command->name, name, SingleQuoted(help));
    }
  }
  return text;
}

}  // namespace databus
