// The man page and the completion scripts, made from what the commands say of themselves.
#include <fmt/format.h>

#include "cli/app.h"
#include "cli/parsed_command.h"

namespace databus {
namespace {

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

std::string OptionWords(const Command& command) {
  return fmt::format("{}", fmt::join(ParsedCommand(command).OptionNames(), " "));
}

std::string SubcommandWords(const Command& command) {
  std::vector<std::string_view> words;
  for (const Command* subcommand : command.subcommands) words.push_back(LastWord(*subcommand));
  return fmt::format("{} --help", fmt::join(words, " "));
}

// A line for the zsh's _describe.
std::string Described(const Command& command) {
  return SingleQuoted(fmt::format("{}:{}", LastWord(command), command.summary));
}

// What the zsh shows after the first word of subcommands.
std::string ZshSubcommands(const Command& command) {
  std::string text;
  for (const Command* subcommand : command.subcommands) {
    text += fmt::format("        {}\n", Described(*subcommand));
  }
  return fmt::format("      {}) subcommands=(\n{}      ) ;;\n", command.name, text);
}

}  // namespace

std::string RenderManPage() {
  std::string page = fmt::format(
      ".TH DATABUS 1 \"\" \"databus {}\" \"User commands\"\n.SH NAME\ndatabus \\- carries event "
      "streams to data lakes in several data centres\n.SH SYNOPSIS\n.B databus\n.I command\n"
      "[arguments]\n.SH COMMANDS\n",
      kVersion);
  for (const Command* command : RunnableCommands()) {
    page += fmt::format(".SS {}\n.nf\n{}\n.fi\n", command->name,
                        Roff(ParsedCommand(*command).app.help()));
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
    for (const Command* subcommand : command->subcommands) {
      cases +=
          fmt::format("    \"{}\") words=\"{}\" ;;\n", subcommand->name, OptionWords(*subcommand));
    }
    cases +=
        fmt::format("    {0} | \"{0} \"*) words=\"{1}\" ;;\n", command->name,
                    command->define == nullptr ? SubcommandWords(*command) : OptionWords(*command));
  }
  return fmt::format(
      "# bash completion for databus: source it, or put it into bash_completion.d\n"
      "_databus() {{\n"
      "  local word=${{COMP_WORDS[COMP_CWORD]}} command=${{COMP_WORDS[1]}} words\n"
      "  [ \"$COMP_CWORD\" -le 2 ] || command+=\" ${{COMP_WORDS[2]}}\"\n"
      "  case $command in\n{}"
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
  std::string families;
  std::string cases;
  for (const Command* command : Commands()) {
    names += fmt::format("    {}\n", Described(*command));
    if (!command->subcommands.empty()) families += ZshSubcommands(*command);
    for (const Command* subcommand : command->subcommands) {
      cases +=
          fmt::format("    \"{}\") compadd -- {} ;;\n", subcommand->name, OptionWords(*subcommand));
    }
    if (command->define == nullptr) continue;
    cases += fmt::format("    \"{} \"*) compadd -- {} ;;\n", command->name, OptionWords(*command));
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
      "  if (( CURRENT == 3 )); then\n"
      "    subcommands=()\n"
      "    case $words[2] in\n{}"
      "    esac\n"
      "    (( $#subcommands )) && _describe command subcommands && return\n"
      "  fi\n"
      "  if [[ $words[CURRENT] != -* ]]; then\n"
      "    _files\n"
      "    return\n"
      "  fi\n"
      "  case \"$words[2] $words[3]\" in\n{}"
      "  esac\n"
      "}}\n"
      "if [[ $funcstack[1] == _databus ]]; then _databus \"$@\"; else compdef _databus databus; "
      "fi\n",
      names, families, cases);
}

std::string RenderFishCompletion() {
  std::string text =
      "# fish completion for databus: put it into ~/.config/fish/completions/databus.fish\n"
      "# Whether the command line begins with these words.\n"
      "function __databus_after\n"
      "  set -l words (commandline -opc)\n"
      "  set -e words[1]\n"
      "  set -l count (count $argv)\n"
      "  test (count $words) -ge $count; and test \"$words[1..$count]\" = \"$argv\"\n"
      "end\n"
      "complete -c databus -n __fish_use_subcommand -l help -l version\n";
  for (const Command* command : Commands()) {
    text += fmt::format("complete -c databus -n __fish_use_subcommand -f -a {} -d {}\n",
                        command->name, SingleQuoted(command->summary));
    for (const Command* subcommand : command->subcommands) {
      text += fmt::format(
          "complete -c databus -n '__databus_after {}; and test (count (commandline -opc)) -eq 2' "
          "-f -a {} -d {}\n",
          command->name, LastWord(*subcommand), SingleQuoted(subcommand->summary));
    }
  }
  for (const Command* command : RunnableCommands()) {
    for (const auto& [name, help] : ParsedCommand(*command).Options()) {
      text += fmt::format("complete -c databus -n '__databus_after {}' -l {} -d {}\n",
                          command->name, name, SingleQuoted(help));
    }
  }
  return text;
}

}  // namespace databus
