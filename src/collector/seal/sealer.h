// Turns messages of one stream into the bytes of a sealed file: framed, compressed, and described
// by its own header (cluster/sealed_header.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "audit/gzip.h"
#include "cluster/sealed_header.h"
#include "collector/seal/regroup.h"

namespace databus {

enum class Framing : uint8_t { kNone, kNewline };   // add_newlines
enum class Encoding : uint8_t { kPlain, kBase64 };  // encodeBase64Flag
enum class Compression : uint8_t { kNone, kGzip };  // databus.collector.compress

struct SealFormat {
  Framing framing = Framing::kNewline;
  Encoding encoding = Encoding::kPlain;
  Compression compression = Compression::kGzip;
  uint64_t bytes_max = 0;  // uncompressed; a longer message makes a file of its own
};

// Messages [first, last) of a stream.
struct SealRange {
  size_t first = 0;
  size_t last = 0;
};

// The next file of `stream` from message `first` on: as many messages as fit, at least one.
// REQUIRES: first < stream.messages.size().
SealRange NextRange(const StreamMessages& stream, size_t first, const SealFormat& format);

struct SealedFile {
  std::string head;       // the gzip header; empty when not compressed
  std::string_view body;  // all that follows; valid until the sealer's next Seal
  SealedHeader header;    // what `head` says
  uint32_t crc32c = 0;    // of the whole file

  uint64_t length() const { return head.size() + body.size(); }
};

// Keeps its buffers from file to file. One thread at a time.
class Sealer {
 public:
  // Who seals, and which file of the stream it is.
  struct Origin {
    FileIdentity identity;
    std::string collector;
  };
  SealedFile Seal(const StreamMessages& stream, SealRange range, const SealFormat& format,
                  const Origin& origin);

 private:
  uint64_t Frame(const StreamMessages& stream, SealRange range, const SealFormat& format);

  GzipCompressor compressor_;
  std::string framed_;  // what waits to be compressed; all of the file when not compressing
};

}  // namespace databus
