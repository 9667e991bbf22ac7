#include "storage/hdfs/packets.h"

#include <isa-l/crc.h>

#include <algorithm>

#include "base/crc32c.h"
#include "storage/hdfs/wire_format.h"

namespace databus::hdfs {
namespace {

constexpr uint16_t kTransferVersion = 28;
constexpr size_t kPrefixBytes = 6;  // the lengths in front
constexpr uint32_t kPacketBytesMax = 17u << 20;

uint32_t SumOf(std::string_view chunk, ChecksumKind kind) {
  if (kind == ChecksumKind::kCrc32c) return Crc32c(chunk);
  return crc32_gzip_refl(0, reinterpret_cast<const unsigned char*>(chunk.data()), chunk.size());
}

wire::PacketHeader HeaderOf(const PacketPlace& place, size_t data_length) {
  wire::PacketHeader header;
  header.set_offset(static_cast<int64_t>(place.offset));
  header.set_sequence(place.sequence);
  header.set_last(false);
  header.set_data_length(static_cast<int32_t>(data_length));
  return header;
}

// All of a packet but its data.
void AppendFront(const wire::PacketHeader& header, std::string_view sums, std::string& out) {
  const std::string bytes = header.SerializeAsString();
  const auto data = static_cast<uint32_t>(header.data_length());
  AppendBigEndian32(4 + static_cast<uint32_t>(sums.size()) + data, out);
  AppendBigEndian16(static_cast<uint16_t>(bytes.size()), out);
  out += bytes;
  out += sums;
}

}  // namespace

void AppendOperation(Operation operation, const google::protobuf::MessageLite& request,
                     std::string& out) {
  AppendBigEndian16(kTransferVersion, out);
  out += static_cast<char>(operation);
  AppendDelimited(request, out);
}

void AppendFrontOfData(const PacketPlace& place, std::string_view data, std::string& out) {
  std::string sums;
  for (size_t at = 0; at < data.size(); at += kChunkBytes) {
    AppendBigEndian32(Crc32c(data.substr(at, kChunkBytes)), sums);
  }
  AppendFront(HeaderOf(place, data.size()), sums, out);
}

void AppendDataPacket(const PacketPlace& place, std::string_view data, std::string& out) {
  AppendFrontOfData(place, data, out);
  out += data;
}

void AppendEndPacket(const PacketPlace& place, std::string& out) {
  wire::PacketHeader header = HeaderOf(place, 0);
  header.set_last(true);
  header.set_sync(true);
  AppendFront(header, "", out);
}

void AppendHeartbeat(std::string& out) {
  AppendFront(HeaderOf({.offset = 0, .sequence = -1}, 0), "", out);
}

Result<std::optional<ReceivedPacket>> ParsePacket(std::string_view bytes) {
  std::optional<ReceivedPacket> packet;
  if (bytes.size() < kPrefixBytes) return packet;
  const uint32_t payload = LoadBigEndian32(bytes.data());
  const uint32_t header = LoadBigEndian16(bytes.data() + 4);
  if (payload < 4 || payload > kPacketBytesMax) {
    return {Code::kUnavailable, "a packet of an impossible length"};
  }
  const size_t size = kPrefixBytes + header + payload - 4;
  if (bytes.size() < size) return packet;
  packet.emplace();
  if (!ParseWhole(bytes.substr(kPrefixBytes, header), packet->header)) {
    return {Code::kUnavailable, "a packet's header that cannot be understood"};
  }
  const std::string_view body = bytes.substr(kPrefixBytes + header, payload - 4);
  const int64_t length = packet->header.data_length();
  if (length < 0 || static_cast<size_t>(length) > body.size()) {
    return {Code::kUnavailable, "a packet with more data than bytes"};
  }
  packet->sums = body.substr(0, body.size() - static_cast<size_t>(length));
  packet->data = body.substr(packet->sums.size());
  packet->size = size;
  return packet;
}

Result<ReceivedPacket> ReceivePacket(Socket& socket, BootTime deadline) {
  while (true) {
    DATABUS_ASSIGN_OR_RETURN(std::optional<ReceivedPacket> packet, ParsePacket(socket.Received()));
    if (packet) return *std::move(packet);
    DATABUS_ASSIGN_OR_RETURN(const Arrival arrival, socket.Fill(deadline));
    if (arrival == Arrival::kTooLate) return {Code::kUnavailable, "no data in time"};
  }
}

Status ReceiveMessage(Socket& socket, google::protobuf::MessageLite& message, BootTime deadline) {
  while (true) {
    std::string_view bytes = socket.Received();
    const size_t before = bytes.size();
    const Taken taken = TakeDelimited(bytes, message, kDataNodeMessageMax);
    if (taken == Taken::kWhole) {
      socket.Take(before - bytes.size());
      return Status::Ok();
    }
    if (taken == Taken::kDamaged) {
      return {Code::kUnavailable, "an answer that cannot be understood"};
    }
    DATABUS_ASSIGN_OR_RETURN(const Arrival arrival, socket.Fill(deadline));
    if (arrival == Arrival::kTooLate) return {Code::kUnavailable, "no answer in time"};
  }
}

bool SumsAreRight(std::string_view data, std::string_view sums, ChecksumKind kind,
                  uint32_t chunk_bytes) {
  const size_t chunks = (data.size() + chunk_bytes - 1) / chunk_bytes;
  if (sums.size() != 4 * chunks) return false;
  for (size_t i = 0; i < chunks; ++i) {
    const std::string_view chunk = data.substr(i * chunk_bytes, chunk_bytes);
    if (SumOf(chunk, kind) != LoadBigEndian32(sums.data() + 4 * i)) return false;
  }
  return true;
}

}  // namespace databus::hdfs
