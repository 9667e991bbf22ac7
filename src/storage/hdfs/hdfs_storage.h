// A cluster's tree in HDFS: the back end of hdfs://, spoken natively.
//
// Reads are answered by the active name node only. While the root is not there every call is
// kUnavailable and nothing is ever "not found" (docs/protocol.md, P1). Durable means that the name
// node has logged the change, and that every data node of a block's pipeline has synced it to its
// disk before the file is complete.
//
// What is of HDFS's own kind:
// - Names are UTF-8 without ':'; others are kInvalid. ".snapshot", and ".reserved" in the root,
// too.
// - MakeDirs looks first and makes then: two that make one directory at the same moment may both be
//   answered ok.
// - A listing of more than one page (1,000 entries) is made again when the directory has changed
//   meanwhile, and kUnavailable when that goes on.
// - A file of a writer that was dropped stays open, empty or with whole blocks, until it is
// removed,
//   or until the name node closes it after 20 minutes.
// - A writer whose data node fails goes on with another as long as its block is small (1 MiB).
//   Later its file fails as a whole, and the data node gets nothing more for some minutes, so that
//   the next file succeeds.
// - Replace leaves a file `.replace-<random>` in the directory when the process dies in the middle.
// - SyncAll makes names durable. The content of files of others is as durable as they made it.
//
// Refused, with a message that names it: Kerberos, encrypted transfer, files in encryption zones or
// with erasure coding, symbolic links.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "base/status.h"
#include "storage/calls.h"
#include "storage/hdfs/data_nodes.h"
#include "storage/hdfs/rpc_client.h"
#include "storage/storage.h"

namespace databus {

struct HdfsOptions {
  std::string url;   // for messages: "hdfs://nn:8020"
  std::string root;  // "/databus"; "" is the root of the file system
  hdfs::RpcClient::Options name_nodes;
  hdfs::DataNodes::Options data_nodes;
  // Of new files; as the cluster has it when not set.
  std::optional<uint32_t> replication{};
  std::optional<uint64_t> block_bytes{};
  // Where calls are counted; may be null.
  std::shared_ptr<StorageCalls> calls{};
};

// Touches nothing. The clock and the source of randomness must live as long as the storage.
std::unique_ptr<Storage> OpenHdfsStorage(HdfsOptions options, const Clock& clock = SystemClock(),
                                         Random& random = SystemRandom());

// Makes the root and its missing parents; ok when it is there. kRefused: something else is.
Status CreateHdfsRoot(const HdfsOptions& options, const Clock& clock = SystemClock(),
                      Random& random = SystemRandom());

}  // namespace databus
