// From the URL of a cluster to its Storage.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/status.h"
#include "cluster/topology.h"
#include "storage/calls.h"
#include "storage/hurry.h"
#include "storage/storage.h"

namespace databus {

// The tree at `url` + "/" + `root_dir`. Supported: file:///dir and hdfs://host:port (also with a
// directory behind it), with `root_dir` below it. kInvalid, saying what is supported, for anything
// else. Touches nothing: whether the tree is there shows at the first call.
Result<std::unique_ptr<Storage>> OpenStorage(const std::string& url, const std::string& root_dir);

// What the machine says about Hadoop.
struct StorageEnvironment {
  // Of core-site.xml and hdfs-site.xml (HADOOP_CONF_DIR): name services and their name nodes,
  // replica counts, timeouts. "": there is none.
  std::string hadoop_conf_dir{};
  // Whom name nodes take this process for (HADOOP_USER_NAME). "": the user who runs it.
  std::string hadoop_user_name{};
  // Where the calls to servers of clusters are counted; null: nobody counts.
  std::shared_ptr<StorageCalls> calls{};
  // For the end of the process; null: there never is any.
  std::shared_ptr<Hurry> hurry{};
};
// The same with that, so that hdfs://nameservice is understood as well.
Result<std::unique_ptr<Storage>> OpenStorageIn(const StorageEnvironment& environment,
                                               const std::string& url, const std::string& root_dir);
Status CreateRootIn(const StorageEnvironment& environment, const std::string& url,
                    const std::string& root_dir);

// How a process opens a cluster of its topology: OpenStorage, or what a test puts in its place.
using OpenClusterStorage =
    std::function<Result<std::unique_ptr<Storage>>(const ClusterSpec& cluster)>;

// Makes the root of that tree, with missing parents, durably; ok when it is there. Only for the
// first initialisation of a cluster: doing it at any other time would turn an unmounted disk into
// an empty tree (docs/protocol.md, P1).
Status CreateRoot(const std::string& url, const std::string& root_dir);

}  // namespace databus
