#include "tests/zookeeper/rig.h"

#include <string>

namespace databus {
namespace {

constexpr const char* kTickMs = "500";
constexpr const char* kSessionMs = "300000";  // the longest: slow machines are no fault

}  // namespace

RigOutcome ZooKeeperRig::Start() {
  if (!process_.Begin(DATABUS_ZOOKEEPER_RIG, {"--tick", kTickMs, "--session", kSessionMs})) {
    return RigOutcome::kFailed;
  }
  const std::string line = process_.ReadLine();
  const size_t port = line.find(" port=");
  if (port == std::string::npos) return process_.AwaitEnd();
  port_ = static_cast<uint16_t>(std::stoi(line.substr(port + 6)));
  return RigOutcome::kReady;
}

ZooKeeperRig& TheZooKeeper() {
  static ZooKeeperRig rig;
  return rig;
}

}  // namespace databus
