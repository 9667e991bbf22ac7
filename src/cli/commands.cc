#include "cli/all_commands.h"

namespace databus {

std::span<const Command* const> Commands() {
  static constexpr const Command* kAll[] = {
      &kCollector, &kWorker,  &kProduce, &kLs,       &kCat,   &kStatus, &kVerify,
      &kCollapse,  &kRelease, &kDemo,    &kSettings, &kBench, &kHelp,   &kCompletion,
  };
  return kAll;
}

}  // namespace databus
