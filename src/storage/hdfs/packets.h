// Packets, in which the bytes of a block travel with their checksums, to and from data nodes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/status.h"
#include "storage/hdfs/socket.h"
#include "storage/hdfs/wire/data_node.pb.h"

namespace databus::hdfs {

inline constexpr uint32_t kChunkBytes = 512;  // of what we write; each has a checksum
// The data of a packet of ours: whole chunks, so that the whole packet has less than 512 KiB. What
// a data node does for each packet counts (docs/evidence/bench.md, large files); Hadoop's own
// client sends 64 KiB. It takes 16 MiB.
inline constexpr size_t kPacketBytes = 1015 * size_t{kChunkBytes};

enum class ChecksumKind : uint8_t { kCrc32 = 1, kCrc32c = 2 };

// The operations at the beginning of a connection.
enum class Operation : uint8_t { kWriteBlock = 80, kReadBlock = 81 };
void AppendOperation(Operation operation, const google::protobuf::MessageLite& request,
                     std::string& out);

struct PacketPlace {
  uint64_t offset = 0;   // of its data in the block; a multiple of kChunkBytes
  int64_t sequence = 0;  // 0, 1, ...
};
// What comes before the data, which has at most kPacketBytes; and both.
void AppendFrontOfData(const PacketPlace& place, std::string_view data, std::string& out);
void AppendDataPacket(const PacketPlace& place, std::string_view data, std::string& out);
// The end of a block: it is to be put on the disk, and closed.
void AppendEndPacket(const PacketPlace& place, std::string& out);
// Says that the writer is alive; is acknowledged like data.
void AppendHeartbeat(std::string& out);

// A packet that was received: views into the bytes that were parsed.
struct ReceivedPacket {
  wire::PacketHeader header;
  std::string_view sums;  // big-endian, one for each chunk
  std::string_view data;
  size_t size = 0;  // of the whole packet
};
// The packet in front of `bytes`; nothing when they are only the beginning of one. kUnavailable:
// they speak of impossible lengths.
Result<std::optional<ReceivedPacket>> ParsePacket(std::string_view bytes);
// Waits for a whole packet, which is valid until the next read from the socket, and is to be taken
// from it. kUnavailable: the connection is broken or silent, or the bytes are no packet.
Result<ReceivedPacket> ReceivePacket(Socket& socket, BootTime deadline);

// What a data node must be able to say at most in one message.
inline constexpr size_t kDataNodeMessageMax = 1u << 20;
// Waits for a delimited message, and takes it.
Status ReceiveMessage(Socket& socket, google::protobuf::MessageLite& message, BootTime deadline);

// Whether each chunk of `data` has its checksum in `sums`.
bool SumsAreRight(std::string_view data, std::string_view sums, ChecksumKind kind,
                  uint32_t chunk_bytes);

}  // namespace databus::hdfs
