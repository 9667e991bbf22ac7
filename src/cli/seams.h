// Everything outside that a process may touch, in one value: main() fills in the machine's own,
// tests and the simulator theirs.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/random.h"
#include "base/status.h"
#include "lease/lease.h"
#include "net/network.h"
#include "storage/calls.h"
#include "storage/disk/disk.h"
#include "storage/storage.h"

namespace databus {

struct Seams {
  Clock& clock;
  Random& random;
  Disk& disk;
  Network& network;
  // A cluster's tree by `hdfsurl` and `rootdir`; creates nothing (storage/open.h).
  std::function<Result<std::unique_ptr<Storage>>(const std::string& url,
                                                 const std::string& root_dir)>
      open_storage;
  // Makes the root of a tree that does not exist yet, at the first start of an installation.
  std::function<Status(const std::string& url, const std::string& root_dir)> create_root;
  // A configuration file. kNotFound, naming the file and the reason, when it cannot be read.
  std::function<Result<std::string>(const std::string& path)> read_file;
  std::string host;
  int64_t pid = 0;
  // This boot of this machine, and the namespace that `pid` is a number of; or empty.
  std::string machine{};
  // Whether no process of this machine has the number.
  std::function<bool(int64_t pid)> process_is_gone{};
  // The leases of a cluster in ZooKeeper. Empty: there are none to be had.
  std::function<std::shared_ptr<Lease>(const std::string& servers, const LeaseRequest& request)>
      zookeeper_lease{};
  // What was asked of the clusters' servers so far; null: nobody counts.
  const StorageCalls* storage_calls = nullptr;
  // From now on no call to a cluster waits long (storage/hurry.h). Empty: none ever does.
  std::function<void()> hurry{};
};

}  // namespace databus
