// `databus spool`: a collector's spool, looked at from outside.
#include <filesystem>

#include "cli/all_commands.h"
#include "cli/spool/commands.h"

namespace databus {
namespace {

constexpr const Command* kSubcommands[] = {&kSpoolLs, &kSpoolCat};

}  // namespace

std::string AbsolutePath(const std::string& typed) {
  std::string path = std::filesystem::absolute(typed).lexically_normal().string();
  if (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path;
}

const Command kSpoolCommand{
    .name = "spool",
    .summary = "Show what a collector's spool holds, and print what was set aside of it.",
    .details =
        "Reads only and takes no lock: safe beside a running collector, and when it cannot be\n"
        "started. docs/operations.md, \"What was set aside of a spool\", says how to save it.",
    .subcommands = kSubcommands};

}  // namespace databus
