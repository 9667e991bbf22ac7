// Writes one block through its pipeline of data nodes.
//
// The steps that wait are apart from those that send, so that one thread can have many small blocks
// under way: Begin all, AwaitReady all, and so on. A block whose writing failed is given up;
// nothing is mended in place.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/status.h"
#include "storage/hdfs/data_nodes.h"
#include "storage/hdfs/packets.h"

namespace databus::hdfs {

// One thread at a time. All failures are kUnavailable, and end it.
class BlockWriter {
 public:
  struct Context {
    DataNodes& data_nodes;
    const Clock& clock;
    std::string client_name;
    Milliseconds patience;  // for the pipeline to say anything
  };
  BlockWriter(Context context, wire::LocatedBlock block);

  // Connects to the first data node, and asks for the block. `bytes_expected`: what it sets aside.
  Status Begin(uint64_t bytes_expected);
  // The same, with a whole small block and its end sent behind the request at once. What is left is
  // AwaitReady and AwaitEnd.
  Status BeginWhole(std::string_view content);
  // The whole pipeline stands.
  Status AwaitReady();
  Status Write(std::string_view bytes);
  // Tells the data nodes, who give up after a minute of silence, that more will come.
  Status Heartbeat();
  // Sends what is left, and the end.
  Status SendEnd();
  // Every data node has the block on its disk.
  Status AwaitEnd();

  // The block with what it holds now.
  wire::ExtendedBlock Block() const;
  uint64_t length() const { return length_; }
  // After a failure: the data node that it is to be blamed on; else null.
  const wire::DatanodeInfo* culprit() const {
    return culprit_ ? &block_.locations(*culprit_) : nullptr;
  }
  // One of the data nodes that are to have the block has failed others meanwhile.
  bool IsSuspect() const;

 private:
  BootTime Deadline() const;
  Status Fail(const Status& why, int culprit);
  Status Connect();
  // What is unsent, and `data` behind it, which needs no copy then.
  Status Send(std::string_view data = {});
  Status SendPacket(std::string_view data);
  void AppendEnd();
  Status TakeAck();
  int IndexOf(std::string_view bad_link) const;

  const Context context_;
  const wire::LocatedBlock block_;
  std::optional<Socket> socket_;
  bool ready_ = false;
  BootTime heard_;  // when something was last sent or received
  std::optional<int> culprit_;
  std::string partial_;   // of the next packet
  std::string unsent_;    // packets, or their beginnings
  uint64_t length_ = 0;   // with partial_
  int64_t sequence_ = 0;  // of the next packet
  int64_t acked_ = 0;     // packets whose bytes all data nodes have
};

}  // namespace databus::hdfs
