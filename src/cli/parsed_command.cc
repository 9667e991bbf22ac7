#include "cli/parsed_command.h"

#include <fmt/format.h>

namespace databus {

ParsedCommand::ParsedCommand(const Command& command)
    : app(std::string(command.summary), fmt::format("databus {}", command.name)) {
  app.footer(std::string(command.details));
  app.get_formatter()->column_width(34);
  body = command.define(app);
}

std::vector<ParsedCommand::Option> ParsedCommand::Options() const {
  std::vector<Option> options;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) {
      options.push_back({name, option->get_description()});
    }
  }
  return options;
}

std::vector<std::string> ParsedCommand::OptionNames() const {
  std::vector<std::string> names;
  for (const Option& option : Options()) names.push_back("--" + option.name);
  return names;
}

}  // namespace databus
