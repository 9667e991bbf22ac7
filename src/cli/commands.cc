#include "cli/all_commands.h"

namespace databus {

std::span<const Command* const> Commands() {
  static constexpr const Command* kAll[] = {
      &kLs, &kCat, &kStatus, &kVerify, &kHelp, &kCompletion,
  };
  return kAll;
}

}  // namespace databus
