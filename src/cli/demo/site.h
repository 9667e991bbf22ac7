// The directory of a demo: the example installation (conf/examples/) with its placeholders filled
// in. Two data centres, two collectors and a worker each, below one directory of this machine:
//   conf/  the filled-in files      dc1/, dc2/  the clusters      spool/  the collectors' spools
//   log/   what each process says
// The clusters may lie elsewhere, in HDFS.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "base/status.h"
#include "cluster/topology.h"
#include "net/network.h"
#include "net/tcp_socket.h"

namespace databus {

struct DemoService {
  std::string name;     // dc1-c1, worker-dc1
  std::string command;  // collector or worker
  std::string config;   // the path of its file
  uint16_t port = 0;    // of a collector
};

struct DemoSite {
  std::string root;  // absolute
  std::string topology_file;
  Topology topology;
  std::vector<DemoService> collectors;
  std::vector<DemoService> workers;
  Fd lock;  // held while the demo runs: two demos in one directory would ruin each other

  std::string LogFile(std::string_view process) const;
  const DemoService* Find(std::string_view name) const;
};

// An example of conf/examples with its placeholders ("@ROOT@") replaced.
using ExampleValues = std::vector<std::pair<std::string_view, std::string>>;
std::string Filled(std::string_view text, const ExampleValues& values);

// The `hdfsurl` of each data centre, without a '/' at its end; empty: its directory of the site.
struct DemoClusters {
  std::string dc1{};
  std::string dc2{};
};

// Makes `directory` from nothing: with parents, and empty if an earlier demo was there. kRefused,
// nothing changed: it holds something else, or a demo that is running. Of clusters that lie
// elsewhere nothing is touched: a demo wants them new, without a tree at their `rootdir`.
// `when_alone` is of the stream clicks, whose primary is dc1 (P28).
Result<DemoSite> MakeDemoSite(const std::string& directory, Network& network, Random& random,
                              const DemoClusters& clusters = DemoClusters(),
                              WhenAlone when_alone = WhenAlone::kContinue);

}  // namespace databus
