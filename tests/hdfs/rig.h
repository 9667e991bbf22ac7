// A real HDFS cluster for one test program: tools/hdfs-rig, which ends with the program.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "storage/hdfs/hdfs_storage.h"

namespace databus {

struct RigCluster {
  std::string url;  // "hdfs://127.0.0.1:34567"
  uint16_t rpc_port = 0;
  uint16_t web_port = 0;
  std::string conf;  // Hadoop's configuration directory
  int name_node = 0;
  std::vector<int> data_nodes;  // process ids

  // A tree at `root`, spoken to through `port`; with little patience, so that a test of what does
  // not work ends soon.
  HdfsOptions Options(const std::string& root, uint16_t port) const;
};

class Rig {
 public:
  enum class Outcome { kReady, kUnavailable, kFailed };
  // Starts one cluster with two data nodes. kUnavailable: Hadoop cannot be had here.
  Outcome Start();
  ~Rig();

  const RigCluster& cluster() const { return cluster_; }

 private:
  int input_ = -1;  // closed to end it
  int pid_ = -1;
  std::string directory_;
  RigCluster cluster_;
};

// The program's rig; started by its main().
Rig& TheRig();

}  // namespace databus
