// Real HDFS clusters for one test program: tools/hdfs-rig, which ends with the program.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "storage/hdfs/hdfs_storage.h"
#include "tests/rig/rig_process.h"

namespace databus {

struct RigCluster {
  std::string url;        // "hdfs://127.0.0.1:34567", "hdfs://ns1"
  uint16_t rpc_port = 0;  // of the first name node
  uint16_t web_port = 0;
  std::string conf;             // Hadoop's configuration directory
  std::vector<int> name_nodes;  // process ids
  std::vector<int> data_nodes;  // the same

  // A tree at `root`, spoken to through `port`; with little patience, so that a test of what does
  // not work ends soon.
  HdfsOptions Options(const std::string& root, uint16_t port) const;
};

class Rig {
 public:
  // Starts one cluster with two data nodes, unless `options`, separated by blanks, say otherwise
  // ("--ha", "--clusters=2"). kUnavailable: Hadoop cannot be had here.
  RigOutcome Start(const std::string& options);

  const RigCluster& cluster(size_t i = 0) const { return clusters_.at(i); }
  // Has the rig obey "kill 1 datanode1" and the like.
  void Obey(const std::string& line) { process_.Obey(line); }
  // What Hadoop's own shell prints for these arguments.
  std::string Shell(const std::string& arguments) const;

 private:
  RigProcess process_;
  std::vector<RigCluster> clusters_;
};

// The program's rig; started by its main(), with DATABUS_RIG_OPTIONS.
Rig& TheRig();

}  // namespace databus
