// `databus help --man` and `databus completion`: what packages install beside the program.
#include <CLI/CLI.hpp>
#include <memory>
#include <ostream>

#include "cli/all_commands.h"
#include "cli/app.h"

namespace databus {
namespace {

CommandBody DefineHelp(CLI::App& app) {
  auto man = std::make_shared<bool>(false);
  app.add_flag("--man", *man, "Print the man page (roff)")->required();
  return [man](Io& io, Seams&) {
    io.out << RenderManPage();
    return Exit::kDone;
  };
}

CommandBody DefineCompletion(CLI::App& app) {
  auto shell = std::make_shared<std::string>();
  app.add_option("SHELL", *shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  return [shell](Io& io, Seams&) {
    io.out << (*shell == "bash"  ? RenderBashCompletion()
               : *shell == "zsh" ? RenderZshCompletion()
                                 : RenderFishCompletion());
    return Exit::kDone;
  };
}

}  // namespace

const Command kHelp{
    .name = "help", .summary = "Print the man page.", .details = "", .define = &DefineHelp};

const Command kCompletion{.name = "completion",
                          .summary = "Print a completion script for a shell.",
                          .details =
                              "Use: source <(databus completion bash), the same with zsh; databus "
                              "completion fish | source",
                          .define = &DefineCompletion};

}  // namespace databus
