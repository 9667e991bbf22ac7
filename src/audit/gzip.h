// Gzip by ISA-L: the compressor that sealing uses (its level 1), and the readers of what was
// sealed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"
#include "storage/storage.h"

namespace databus {

// Compresses one file after the other, all in memory, with buffers that are allocated once and
// kept. One thread at a time.
class GzipCompressor {
 public:
  GzipCompressor();
  ~GzipCompressor();

  // Begins a new file; what was not finished is forgotten.
  void Start();
  // Fast when fed 64 KiB or more at a time.
  void Append(std::string_view bytes);
  // All of a gzip file but its header: the deflate stream, CRC-32 and length of what was appended
  // since Start. Valid until the next Start.
  std::string_view Finish();

 private:
  struct State;
  void Deflate();
  std::unique_ptr<State> state_;
};

// Reads a gzip file, of one or several members, whatever wrote it; bounded memory. One thread at a
// time. `file` must outlive it.
class GzipReader {
 public:
  explicit GzipReader(FileReader& file);
  ~GzipReader();

  // The next uncompressed bytes (up to 1 MiB); empty at the end of the file.
  //   kCorrupt      damaged, cut short, or not gzip; nothing more can be read
  //   any other     the file's own answer
  Result<std::string> Next();

 private:
  struct State;
  Status Refill();
  std::unique_ptr<State> state_;
};

// Uncompresses a whole gzip file held in memory. kCorrupt as above; kInvalid when it holds more
// than `most` bytes.
Result<std::string> GunzipAll(std::string_view file, size_t most = size_t{1} << 30);

}  // namespace databus
