#include "cli/all_commands.h"

namespace databus {

std::span<const Command* const> Commands() {
  static constexpr const Command* kAll[] = {
      &kCollector, &kWorker,   &kProduce,  &kLs,       &kCat,        &kStatus,  &kVerify,
      &kTopology,  &kFailover, &kFailback, &kRehearse, &kCollapse,   &kRelease, &kSpoolCommand,
      &kDemo,      &kSettings, &kBench,    &kHelp,     &kCompletion,
  };
  return kAll;
}

std::vector<const Command*> RunnableCommands() {
  std::vector<const Command*> runnable;
  for (const Command* command : Commands()) {
    if (command->define != nullptr) runnable.push_back(command);
    runnable.insert(runnable.end(), command->subcommands.begin(), command->subcommands.end());
  }
  return runnable;
}

std::string_view LastWord(const Command& command) {
  return command.name.substr(command.name.rfind(' ') + 1);
}

}  // namespace databus
