// A real ZooKeeper server for one test program: tools/zookeeper-rig, which ends with the program.
#pragma once

#include <string>

#include "tests/rig/eventually.h"
#include "tests/rig/rig_process.h"

namespace databus {

class ZooKeeperRig {
 public:
  // kUnavailable: ZooKeeper cannot be had here.
  RigOutcome Start();

  uint16_t port() const { return port_; }
  std::string servers() const { return "127.0.0.1:" + std::to_string(port_); }
  // Has the rig obey "kill", "start", "forget", "pause", "resume".
  void Obey(const std::string& line) { process_.Obey(line); }

 private:
  RigProcess process_;
  uint16_t port_ = 0;
};

// The program's server; started by its main().
ZooKeeperRig& TheZooKeeper();

// What a program of these does instead of its tests when it is started with `--as-holder ...`;
// nothing where it has no such part.
using HolderMain = int (*)(int argc, char** argv);
extern const HolderMain kHolderMain;

}  // namespace databus
