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
  std::string url;                  // "hdfs://127.0.0.1:34567", "hdfs://ns1"
  std::vector<uint16_t> rpc_ports;  // of the name nodes
  uint16_t rpc_port = 0;            // of the first
  uint16_t web_port = 0;
  std::vector<uint16_t> transfer_ports;  // of the data nodes
  std::string conf;                      // Hadoop's configuration directory
  std::vector<int> name_nodes;           // process ids
  std::vector<int> data_nodes;           // the same

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
  std::string Shell(const std::string& arguments) const { return Tool("shell", arguments); }
  // Runs a job of Hadoop's on the first cluster, whose main class is a Java source.
  void Job(const std::string& source, const std::string& arguments) const {
    Tool("job", source + " " + arguments);
  }

 private:
  std::string Tool(const std::string& command, const std::string& arguments) const;

  RigProcess process_;
  std::vector<RigCluster> clusters_;
};

// What a command of the system's shell prints; fails the test when it fails.
std::string OutputOf(const std::string& command);

// The program's rig; started by its main(), with DATABUS_RIG_OPTIONS.
Rig& TheRig();

}  // namespace databus
