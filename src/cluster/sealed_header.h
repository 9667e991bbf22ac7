// A sealed file describes itself: the extra field of its gzip header (RFC 1952, 2.3.1.1, subfield
// id "DB") says what is in it and who made it, so that every hop knows identity, counts, latency
// and checksum from the first bytes, without decompressing. Other readers skip it. Pure bytes, no
// I/O.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/status.h"

namespace databus {

// P17: which file this is, whatever its name and wherever it lies.
struct FileIdentity {
  std::string cluster;      // where its collector delivered it
  std::string incarnation;  // 16 hex digits, random, made when the collector's spool was created
  uint64_t counter = 0;     // one durable counter per collector and stream, never reset
  friend auto operator<=>(const FileIdentity&, const FileIdentity&) = default;
};

struct SealedHeader {
  FileIdentity identity;
  std::string stream;
  std::string collector;
  uint64_t messages = 0;
  WallTime first_accepted;
  WallTime last_accepted;
  uint64_t raw_bytes = 0;       // uncompressed length
  uint64_t payload_bytes = 0;   // length of all that follows the gzip header
  uint32_t payload_crc32c = 0;  // CRC-32C of the same
  friend bool operator==(const SealedHeader&, const SealedHeader&) = default;
};

// The whole gzip header (magic to the end of the extra field); the deflate stream and the 8-byte
// trailer follow it. REQUIRES: names within kNameBytesMax.
std::string EncodeSealedHeader(const SealedHeader& header);

// At most this many bytes from a file's start are needed to decode its header.
inline constexpr size_t kSealedHeaderBytesMax = 1024;

struct DecodedHeader {
  SealedHeader header;
  size_t header_bytes = 0;  // where the payload starts
};
// From the first bytes of a file. kNotFound: not gzip, or gzip without our field (a foreign file).
// kCorrupt: our field is there and damaged, or the bytes end too early. kInvalid: written by a
// newer version, named.
Result<DecodedHeader> DecodeSealedHeader(std::string_view first_bytes);

}  // namespace databus
