#include "storage/hdfs/block_writer.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "storage/hdfs/wire/data_node.pb.h"

namespace databus::hdfs {
namespace {

constexpr uint32_t kSuccess = 0;
constexpr uint32_t kTokenNotAccepted = 5;
constexpr uint32_t kStageCreate = 6;
constexpr uint32_t kCrc32cType = 2;
constexpr uint32_t kDisk = 1;
constexpr int64_t kInFlightMost = 16;
constexpr int64_t kHeartbeat = -1;
// As Socket says it; and what a data node means by it that was asked to take a block.
constexpr std::string_view kClosed = "the peer closed the connection";
constexpr std::string_view kWhyClosed =
    ", as one does whose disk is full or fails; its log says more";

uint32_t TypeOf(const wire::LocatedBlock& block, int i) {
  return i < block.storage_types_size() ? block.storage_types(i) : kDisk;
}

std::string StorageOf(const wire::LocatedBlock& block, int i) {
  return i < block.storage_ids_size() ? block.storage_ids(i) : std::string();
}

wire::WriteBlockRequest RequestFor(const wire::LocatedBlock& block, const std::string& client_name,
                                   uint64_t bytes_expected) {
  wire::WriteBlockRequest request;
  wire::OperationHeader& header = *request.mutable_header();
  *header.mutable_base()->mutable_block() = block.block();
  header.mutable_base()->mutable_block()->set_num_bytes(bytes_expected);
  *header.mutable_base()->mutable_token() = block.token();
  header.set_client_name(client_name);
  for (int i = 1; i < block.locations_size(); ++i) {
    *request.add_targets() = block.locations(i);
    request.add_target_storage_types(TypeOf(block, i));
    request.add_target_storage_ids(StorageOf(block, i));
  }
  request.set_stage(kStageCreate);
  request.set_pipeline_size(static_cast<uint32_t>(block.locations_size()));
  request.set_min_bytes_received(0);
  request.set_max_bytes_received(0);
  request.set_latest_generation_stamp(0);
  request.mutable_checksum()->set_type(kCrc32cType);
  request.mutable_checksum()->set_bytes_per_checksum(kChunkBytes);
  request.mutable_caching();
  request.set_storage_type(TypeOf(block, 0));
  request.set_storage_id(StorageOf(block, 0));
  return request;
}

}  // namespace

BlockWriter::BlockWriter(Context context, wire::LocatedBlock block)
    : context_(std::move(context)), block_(std::move(block)), heard_(context_.clock.Boot()) {}

bool BlockWriter::IsSuspect() const {
  const auto& nodes = block_.locations();
  return std::any_of(nodes.begin(), nodes.end(), [this](const wire::DatanodeInfo& node) {
    return context_.data_nodes.StandingOf(node) != DataNodes::Standing::kGood;
  });
}

// Of many blocks that are under way at the same time, and wait for one data node, each has had the
// time that the first one of them has waited in vain.
BootTime BlockWriter::Deadline() const {
  return (IsSuspect() ? heard_ : context_.clock.Boot()) + context_.patience;
}

Status BlockWriter::Fail(const Status& why, int culprit) {
  culprit_ = std::clamp(culprit, 0, block_.locations_size() - 1);
  socket_.reset();
  const wire::DatanodeId& id = block_.locations(*culprit_).id();
  return {Code::kUnavailable,
          fmt::format("block {} at data node {}:{}: {}", block_.block().block_id(), id.ip(),
                      id.transfer_port(), why.message())};
}

int BlockWriter::IndexOf(std::string_view bad_link) const {
  for (int i = 0; i < block_.locations_size(); ++i) {
    const wire::DatanodeId& id = block_.locations(i).id();
    if (bad_link == fmt::format("{}:{}", id.ip(), id.transfer_port())) return i;
  }
  return 0;
}

Status BlockWriter::Connect() {
  Result<Socket> socket = context_.data_nodes.Connect(block_.locations(0));
  if (!socket.ok()) return Fail(socket.status(), 0);
  socket_ = *std::move(socket);
  return Status::Ok();
}

Status BlockWriter::Begin(uint64_t bytes_expected) {
  DATABUS_RETURN_IF_ERROR(Connect());
  AppendOperation(Operation::kWriteBlock, RequestFor(block_, context_.client_name, bytes_expected),
                  unsent_);
  return Send();
}

Status BlockWriter::BeginWhole(std::string_view content) {
  DATABUS_RETURN_IF_ERROR(Connect());
  AppendOperation(Operation::kWriteBlock, RequestFor(block_, context_.client_name, content.size()),
                  unsent_);
  for (; !content.empty(); content.remove_prefix(std::min(content.size(), kPacketBytes))) {
    const std::string_view part = content.substr(0, kPacketBytes);
    AppendDataPacket({length_, sequence_++}, part, unsent_);
    length_ += part.size();
  }
  AppendEnd();
  const Status sent = Send();
  unsent_.shrink_to_fit();  // many of them wait for their ends
  return sent;
}

Status BlockWriter::AwaitReady() {
  wire::BlockAnswer answer;
  const Status received = ReceiveMessage(*socket_, answer, Deadline());
  if (!received.ok()) {
    const bool closed = received.message().ends_with(kClosed);
    return Fail({received.code(), received.message() + (closed ? std::string(kWhyClosed) : "")}, 0);
  }
  heard_ = context_.clock.Boot();
  ready_ = answer.status() == kSuccess;
  if (ready_) return Status::Ok();
  const Status why(Code::kUnavailable,
                   answer.status() == kTokenNotAccepted
                       ? "the block's token is not accepted"
                       : fmt::format("does not take it: status {} {}", answer.status(),
                                     answer.message().substr(0, answer.message().find('\n'))));
  return Fail(why, IndexOf(answer.first_bad_link()));
}

Status BlockWriter::Send(std::string_view data) {
  heard_ = context_.clock.Boot();
  Status sent =
      socket_->Send(unsent_, Deadline(), data.empty() ? Follows::kNothing : Follows::kMore);
  if (sent.ok() && !data.empty()) sent = socket_->Send(data, Deadline());
  unsent_.clear();
  if (sent.ok()) return sent;
  // What arrived before may say who has failed.
  static_cast<void>(socket_->Fill(context_.clock.Boot()));
  if (!ready_ && !socket_->Received().empty()) DATABUS_RETURN_IF_ERROR(AwaitReady());
  while (!socket_->Received().empty()) DATABUS_RETURN_IF_ERROR(TakeAck());
  return Fail(sent, 0);
}

Status BlockWriter::Write(std::string_view bytes) {
  while (!bytes.empty()) {
    std::string_view packet = bytes.substr(0, kPacketBytes - partial_.size());
    length_ += packet.size();
    bytes.remove_prefix(packet.size());
    if (packet.size() < kPacketBytes) {
      partial_ += packet;
      if (partial_.size() < kPacketBytes) return Status::Ok();
      packet = partial_;
    }
    DATABUS_RETURN_IF_ERROR(SendPacket(packet));
    partial_.clear();
  }
  return Status::Ok();
}

Status BlockWriter::SendPacket(std::string_view data) {
  AppendFrontOfData({length_ - data.size(), sequence_++}, data, unsent_);
  DATABUS_RETURN_IF_ERROR(Send(data));
  while (sequence_ - acked_ > kInFlightMost) DATABUS_RETURN_IF_ERROR(TakeAck());
  return Status::Ok();
}

Status BlockWriter::Heartbeat() {
  AppendHeartbeat(unsent_);
  return Send();
}

Status BlockWriter::SendEnd() {
  if (!partial_.empty()) {
    AppendDataPacket({length_ - partial_.size(), sequence_++}, partial_, unsent_);
    partial_.clear();
  }
  AppendEnd();
  return Send();
}

void BlockWriter::AppendEnd() { AppendEndPacket({length_, sequence_++}, unsent_); }

Status BlockWriter::TakeAck() {
  wire::PipelineAck ack;
  const Status received = ReceiveMessage(*socket_, ack, Deadline());
  if (!received.ok()) return Fail(received, 0);
  heard_ = context_.clock.Boot();
  for (int i = 0; i < ack.replies_size(); ++i) {
    if (ack.replies(i) == kSuccess) continue;
    const Status why(Code::kUnavailable, fmt::format("failed with status {}", ack.replies(i)));
    return Fail(why, i);
  }
  if (ack.sequence() == kHeartbeat) return Status::Ok();
  if (ack.sequence() != acked_) {
    return Fail({Code::kUnavailable,
                 fmt::format("acknowledged packet {} instead of {}", ack.sequence(), acked_)},
                0);
  }
  ++acked_;
  return Status::Ok();
}

Status BlockWriter::AwaitEnd() {
  while (acked_ < sequence_) DATABUS_RETURN_IF_ERROR(TakeAck());
  socket_.reset();
  return Status::Ok();
}

wire::ExtendedBlock BlockWriter::Block() const {
  wire::ExtendedBlock block = block_.block();
  block.set_num_bytes(length_);
  return block;
}

}  // namespace databus::hdfs
