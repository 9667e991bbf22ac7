#include "storage/hdfs/block_reader.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "storage/hdfs/packets.h"
#include "storage/hdfs/wire/data_node.pb.h"
#include "storage/hdfs/wire_format.h"

namespace databus::hdfs {
namespace {

constexpr uint32_t kSuccess = 0;
constexpr uint32_t kTokenNotAccepted = 5;
constexpr uint32_t kChecksumsAreRight = 6;
constexpr uint32_t kNotChecked = 0;  // of a client that has the bytes
constexpr uint32_t kChunkBytesMax = 1u << 20;

// One read on one connection.
class Reading {
 public:
  Reading(const ReadContext& context, const wire::DatanodeInfo& node, const BlockRange& range,
          Socket& socket)
      : context_(context), node_(node), range_(range), socket_(socket) {}

  Status Ask(const wire::LocatedBlock& block) {
    std::string bytes;
    AppendRequest(block, bytes);
    return Send(bytes);
  }
  Status Send(std::string_view bytes) {
    Await();
    return Judge(socket_.Send(bytes, deadline_));
  }

  void AppendRequest(const wire::LocatedBlock& block, std::string& out) const {
    wire::ReadBlockRequest request;
    wire::OperationHeader& header = *request.mutable_header();
    *header.mutable_base()->mutable_block() = block.block();
    *header.mutable_base()->mutable_token() = block.token();
    header.set_client_name(context_.client_name);
    request.set_offset(range_.offset);
    request.set_length(range_.length);
    request.set_send_checksums(true);
    request.mutable_caching();
    AppendOperation(Operation::kReadBlock, request, out);
  }

  // Ok when bytes will follow.
  Status TakeAnswer() {
    wire::BlockAnswer answer;
    Await();
    DATABUS_RETURN_IF_ERROR(Judge(ReceiveMessage(socket_, answer, deadline_)));
    answered_ = true;
    context_.data_nodes.Heard(node_);
    if (answer.status() != kSuccess) {
      return {Code::kUnavailable,
              answer.status() == kTokenNotAccepted
                  ? "the block's token is not accepted any more"
                  : fmt::format("status {}: {}", answer.status(),
                                answer.message().substr(0, answer.message().find('\n')))};
    }
    const wire::Checksum& checksum = answer.read_checksum().checksum();
    if (checksum.type() != 1 && checksum.type() != 2) {
      return {Code::kRefused, fmt::format("checksums of an unknown kind {}", checksum.type())};
    }
    kind_ = static_cast<ChecksumKind>(checksum.type());
    chunk_bytes_ = checksum.bytes_per_checksum();
    position_ = answer.read_checksum().chunk_offset();
    if (chunk_bytes_ == 0 || chunk_bytes_ > kChunkBytesMax || position_ > range_.offset ||
        range_.offset - position_ >= chunk_bytes_) {
      return {Code::kUnavailable, "an impossible answer to a read"};
    }
    return Status::Ok();
  }

  Status TakeBytes(std::string& out) {
    while (true) {
      Await();
      const Result<ReceivedPacket> packet = ReceivePacket(socket_, deadline_);
      DATABUS_RETURN_IF_ERROR(Judge(packet.status()));
      if (!packet->data.empty()) DATABUS_RETURN_IF_ERROR(TakePacket(*packet, out));
      const bool end = packet->data.empty() && packet->header.last();
      socket_.Take(packet->size);
      if (end) break;
    }
    if (position_ < range_.offset + range_.length) {
      return {Code::kUnavailable, "the read ended before all bytes were there"};
    }
    return Status::Ok();
  }

  // Lets the data node keep the connection.
  Status Confirm() {
    std::string bytes;
    AppendConfirmation(kChecksumsAreRight, bytes);
    return Send(bytes);
  }
  // The connection ended before any answer came.
  bool DiedUnanswered() const { return !answered_ && failure_ == DataNodes::Failure::kOther; }
  // After a failure. What it says of one block is not held against a data node, nor that it closes
  // in the middle of one, as it does when it cannot read that from its disk.
  void Blame() const {
    if (!failure_) return;
    if (answered_ && *failure_ == DataNodes::Failure::kOther) return;
    context_.data_nodes.Suspect(node_, *failure_);
  }
  static void AppendConfirmation(uint32_t outcome, std::string& out) {
    wire::ReadStatus status;
    status.set_status(outcome);
    AppendDelimited(status, out);
  }

 private:
  void Await() { deadline_ = context_.clock.Boot() + context_.patience; }
  // What came of waiting until the deadline.
  Status Judge(Status status) {
    if (!status.ok()) {
      failure_ = context_.clock.Boot() >= deadline_ ? DataNodes::Failure::kSilence
                                                    : DataNodes::Failure::kOther;
    }
    return status;
  }

  Status TakePacket(const ReceivedPacket& packet, std::string& out) {
    if (static_cast<uint64_t>(packet.header.offset()) != position_) {
      return {Code::kUnavailable, "the read jumps"};
    }
    if (!SumsAreRight(packet.data, packet.sums, kind_, chunk_bytes_)) {
      return {Code::kCorrupt, fmt::format("bytes {} to {} do not have their checksums", position_,
                                          position_ + packet.data.size())};
    }
    // It begins and ends at the edges of chunks, which may lie outside of the range.
    const uint64_t end = range_.offset + range_.length;
    const uint64_t first = std::max(position_, range_.offset);
    const uint64_t last = std::min(position_ + packet.data.size(), end);
    if (first < last) out += packet.data.substr(first - position_, last - first);
    position_ += packet.data.size();
    return Status::Ok();
  }

  const ReadContext& context_;
  const wire::DatanodeInfo& node_;
  const BlockRange range_;
  Socket& socket_;
  BootTime deadline_;
  bool answered_ = false;
  std::optional<DataNodes::Failure> failure_;  // of the data node itself
  ChecksumKind kind_ = ChecksumKind::kCrc32c;
  uint32_t chunk_bytes_ = 0;
  uint64_t position_ = 0;  // in the block, of the next byte to come
};

// A read on `socket`, which is kept for others when it ends well.
Status ReadOn(const ReadContext& context, const wire::LocatedBlock& block,
              const wire::DatanodeInfo& node, Reading& reading, Socket& socket, std::string& out) {
  DATABUS_RETURN_IF_ERROR(reading.Ask(block));
  DATABUS_RETURN_IF_ERROR(reading.TakeAnswer());
  DATABUS_RETURN_IF_ERROR(reading.TakeBytes(out));
  if (reading.Confirm().ok()) context.data_nodes.GiveIdle(node, std::move(socket));
  return Status::Ok();
}

Status Read(const ReadContext& context, const wire::LocatedBlock& block,
            const wire::DatanodeInfo& node, const BlockRange& range, std::string& out) {
  if (std::optional<Socket> idle = context.data_nodes.TakeIdle(node)) {
    Reading reading(context, node, range, *idle);
    const Status status = ReadOn(context, block, node, reading, *idle, out);
    if (status.ok()) return status;
    // A kept connection may die under the request; then the replica deserves another.
    if (!reading.DiedUnanswered()) {
      reading.Blame();
      return status;
    }
  }
  DATABUS_ASSIGN_OR_RETURN(Socket socket, context.data_nodes.Connect(node));
  Reading reading(context, node, range, socket);
  const Status status = ReadOn(context, block, node, reading, socket, out);
  if (!status.ok()) reading.Blame();
  return status;
}

BlockRange WholeOf(const WholeBlock& whole) { return {0, whole.block->block().num_bytes()}; }

// The data node serves one request after the other, and wants to hear how each ended before it
// looks at the next one. It is told beforehand, with the word for bytes that were not checked: all
// that matters to it is that it is told.
std::string RequestsFor(const ReadContext& context, const wire::DatanodeInfo& node,
                        std::span<WholeBlock> blocks, Socket& socket) {
  std::string requests;
  for (const WholeBlock& whole : blocks) {
    Reading(context, node, WholeOf(whole), socket).AppendRequest(*whole.block, requests);
    Reading::AppendConfirmation(kNotChecked, requests);
  }
  return requests;
}

// How reading all blocks on one connection has ended: what was not read does not come any more.
enum class Took : uint8_t {
  kAll,
  kSome,
  kNothing,  // the connection ended before any answer came
};
Took TakeBlocks(const ReadContext& context, const wire::DatanodeInfo& node,
                std::span<WholeBlock> blocks, Socket& socket) {
  const std::string requests = RequestsFor(context, node, blocks, socket);
  for (WholeBlock& whole : blocks) {
    Reading reading(context, node, WholeOf(whole), socket);
    Status status = &whole == &blocks.front() ? reading.Send(requests) : Status::Ok();
    if (status.ok()) status = reading.TakeAnswer();
    if (status.ok()) status = reading.TakeBytes(whole.bytes);
    whole.read = status.ok();
    if (whole.read) continue;
    if (&whole == &blocks.front() && reading.DiedUnanswered()) return Took::kNothing;
    reading.Blame();
    return Took::kSome;
  }
  return Took::kAll;
}

}  // namespace

void ReadWholeBlocks(const ReadContext& context, const wire::DatanodeInfo& node,
                     std::span<WholeBlock> blocks) {
  if (blocks.empty()) return;
  std::optional<Socket> socket = context.data_nodes.TakeIdle(node);
  Took took = socket ? TakeBlocks(context, node, blocks, *socket) : Took::kNothing;
  if (took == Took::kNothing) {
    Result<Socket> connected = context.data_nodes.Connect(node);
    if (!connected.ok()) return;
    socket = *std::move(connected);
    took = TakeBlocks(context, node, blocks, *socket);
    if (took == Took::kNothing) context.data_nodes.Suspect(node);
  }
  if (took == Took::kAll) context.data_nodes.GiveIdle(node, *std::move(socket));
}

Status ReadReplica(const ReadContext& context, const wire::LocatedBlock& block,
                   const wire::DatanodeInfo& node, const BlockRange& range, std::string& out) {
  const size_t before = out.size();
  const Status status = Read(context, block, node, range, out);
  if (status.ok()) return status;
  out.resize(before);
  return status.WithContext(fmt::format("block {} at data node {}:{}", block.block().block_id(),
                                        node.id().ip(), node.id().transfer_port()));
}

}  // namespace databus::hdfs
