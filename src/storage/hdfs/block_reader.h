// Reads bytes of one replica of a block, and checks them.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/clock.h"
#include "base/status.h"
#include "storage/hdfs/data_nodes.h"

namespace databus::hdfs {

struct BlockRange {
  uint64_t offset = 0;  // in the block
  uint64_t length = 0;  // not 0; the range lies within the block
};

struct ReadContext {
  DataNodes& data_nodes;
  const Clock& clock;
  std::string client_name;
  Milliseconds patience;  // for the next bytes
};

// Appends exactly the bytes of the range to `out`, or nothing. A data node that cannot be reached,
// or ends or says nothing in the middle, is suspected.
//   kCorrupt      they do not have the checksums that the data node sent along
//   kUnavailable  not to be had from this data node now
//   kRefused      it has no checksums that we know
Status ReadReplica(const ReadContext& context, const wire::LocatedBlock& block,
                   const wire::DatanodeInfo& node, const BlockRange& range, std::string& out);

// A small block that is read as a whole.
struct WholeBlock {
  const wire::LocatedBlock* block = nullptr;  // not empty
  std::string bytes{};                        // all of them, if `read`
  bool read = false;
};
// Asks a data node for all of them at once, on one connection, and takes what comes. What cannot be
// had so is left unread: ReadReplica says why.
void ReadWholeBlocks(const ReadContext& context, const wire::DatanodeInfo& node,
                     std::span<WholeBlock> blocks);

}  // namespace databus::hdfs
