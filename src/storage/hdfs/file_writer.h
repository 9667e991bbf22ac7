// Files being written: created, filled with blocks, completed.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/random.h"
#include "base/status.h"
#include "storage/hdfs/block_writer.h"
#include "storage/hdfs/data_nodes.h"
#include "storage/hdfs/rpc_client.h"
#include "storage/hdfs/upkeep.h"
#include "storage/hdfs/wire/name_node.pb.h"
#include "storage/storage.h"

namespace databus::hdfs {

// What all files of a cluster share. Thread-safe.
struct Cluster {
  RpcClient& name_node;
  DataNodes& data_nodes;
  const Clock& clock;
  Patience patience;
  Upkeep& upkeep;
};

// A file that the name node has created for us, and keeps open under a name of its own: the lease
// of a writer that was dropped ends without anybody else's. One thread at a time.
class OpenFile {
 public:
  struct Identity {
    std::string path;  // from the root of the file system
    std::string client_name;
    uint64_t file_id = 0;
  };
  OpenFile(Cluster cluster, Identity identity)
      : cluster_(cluster), identity_(std::move(identity)) {}

  const Identity& identity() const { return identity_; }

  // The request for the next block, and what to do with its answer.
  wire::AddBlockRequest BlockRequest() const;
  void StartBlock(const wire::LocatedBlock& block);
  // The same with the call in between, made as often as it takes.
  Status AddBlock();
  // Null between blocks.
  BlockWriter* block() { return block_.get(); }
  // Its pipeline has ended well.
  void FinishBlock();
  // If its pipeline has failed, the data node gets no more for a while.
  void BlameBlock();
  // The same, and the name node forgets the block.
  Status AbandonBlock();
  // Writes `content` as one whole block, again and again on other data nodes when one fails. An
  // open block is given up first.
  Status WriteBlock(std::string_view content);

  wire::CompleteRequest CompletionRequest() const;
  Status RenewLease();

 private:
  Status TryWriteBlock(std::string_view content);

  const Cluster cluster_;
  const Identity identity_;
  std::optional<wire::ExtendedBlock> last_;  // the last finished block
  std::unique_ptr<BlockWriter> block_;
};

// Completes all files, each of which has its blocks: waits until enough data nodes have reported
// them. An outcome for each; kUnavailable leaves a file that somebody else must close or remove.
std::vector<Status> CompleteFiles(const Cluster& cluster, std::span<OpenFile* const> files);

// The contract of FileWriter on an open file, with blocks of `block_bytes`. Its pipeline and lease
// are kept alive however long it is left alone.
std::unique_ptr<FileWriter> WriterOf(const Cluster& cluster, OpenFile::Identity identity,
                                     uint64_t block_bytes);

}  // namespace databus::hdfs
