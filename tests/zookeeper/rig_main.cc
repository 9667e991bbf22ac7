#include <csignal>
#include <string_view>

#include "tests/zookeeper/rig.h"

int main(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "--as-holder" && databus::kHolderMain != nullptr) {
    std::signal(SIGPIPE, SIG_IGN);
    return databus::kHolderMain(argc, argv);
  }
  return databus::RunTestsOnRig(
      argc, argv, [] { return databus::TheZooKeeper().Start(); }, "ZooKeeper");
}
