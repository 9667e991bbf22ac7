// Gzip files of anybody: read in pieces and at once; and what our compressor writes is read again.
#include "audit/gzip.h"
#include "tests/fuzz/fuzz.h"

using namespace databus;

namespace {

constexpr size_t kMost = size_t{8} << 20;

// Hands out the file in pieces of `step` bytes.
class Pieces final : public FileReader {
 public:
  Pieces(std::string_view bytes, size_t step) : bytes_(bytes), step_(step) {}
  Result<std::string> Read(uint64_t offset, size_t most) override {
    if (offset >= bytes_.size()) return std::string();
    return std::string(bytes_.substr(offset, std::min(most, step_)));
  }

 private:
  const std::string_view bytes_;
  const size_t step_;
};

void ReadInPieces(std::string_view file, size_t step, const Result<std::string>& whole) {
  Pieces pieces(file, step);
  GzipReader reader(pieces);
  std::string all;
  while (all.size() <= kMost) {
    const auto part = reader.Next();
    if (!part.ok()) {
      FUZZ_REQUIRE(!whole.ok() && part.code() == Code::kCorrupt);
      return;
    }
    if (part->empty()) {
      FUZZ_REQUIRE(whole.ok() && all == *whole);
      return;
    }
    all += *part;
  }
  FUZZ_REQUIRE(whole.code() == Code::kInvalid);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view file = fuzz::Text(data, size);
  const auto whole = GunzipAll(file, kMost);
  ReadInPieces(file, 16 + size % 64, whole);

  static GzipCompressor compressor;
  compressor.Start();
  compressor.Append(file.substr(0, size / 3));
  compressor.Append(file.substr(size / 3));
  // The shortest header there is.
  const std::string made =
      std::string("\x1f\x8b\x08\0\0\0\0\0\0\xff", 10) + std::string(compressor.Finish());
  const auto read = GunzipAll(made);
  FUZZ_REQUIRE(read.ok() && *read == file);
  return 0;
}
