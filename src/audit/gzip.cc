#include "audit/gzip.h"

#include <isa-l/igzip_lib.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace databus {
namespace {

constexpr size_t kReadBytes = size_t{1} << 20;
constexpr size_t kFirstPieceBytes = size_t{64} << 10;
constexpr size_t kFirstOutputBytes = size_t{256} << 10;
constexpr size_t kInputBytesMost = size_t{1} << 30;  // ISA-L counts in 32 bits

uint8_t* Bytes(const char* p) { return reinterpret_cast<uint8_t*>(const_cast<char*>(p)); }

}  // namespace

struct GzipCompressor::State {
  isal_zstream stream;
  std::vector<uint8_t> level_buffer = std::vector<uint8_t>(ISAL_DEF_LVL1_DEFAULT);
  std::string output = std::string(kFirstOutputBytes, '\0');
  size_t used = 0;
};

GzipCompressor::GzipCompressor() : state_(std::make_unique<State>()) { Start(); }
GzipCompressor::~GzipCompressor() = default;

void GzipCompressor::Start() {
  isal_zstream& stream = state_->stream;
  isal_deflate_init(&stream);
  stream.level = 1;
  stream.level_buf = state_->level_buffer.data();
  stream.level_buf_size = static_cast<uint32_t>(state_->level_buffer.size());
  stream.gzip_flag = IGZIP_GZIP_NO_HDR;
  state_->used = 0;
}

void GzipCompressor::Append(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::string_view part = bytes.substr(0, kInputBytesMost);
    state_->stream.next_in = Bytes(part.data());
    state_->stream.avail_in = static_cast<uint32_t>(part.size());
    Deflate();
    bytes.remove_prefix(part.size());
  }
}

std::string_view GzipCompressor::Finish() {
  state_->stream.avail_in = 0;
  state_->stream.end_of_stream = 1;
  Deflate();
  return {state_->output.data(), state_->used};
}

// Runs until the input is used up and, at the end of the stream, the trailer is written.
void GzipCompressor::Deflate() {
  isal_zstream& stream = state_->stream;
  do {
    if (state_->output.size() - state_->used < kFirstOutputBytes / 2) {
      state_->output.resize(state_->output.size() * 2);
    }
    const size_t room = std::min(state_->output.size() - state_->used, kInputBytesMost);
    stream.next_out = Bytes(state_->output.data() + state_->used);
    stream.avail_out = static_cast<uint32_t>(room);
    isal_deflate(&stream);  // cannot fail: the parameters are ours
    state_->used += room - stream.avail_out;
  } while (stream.avail_in > 0 || stream.avail_out == 0 ||
           (stream.end_of_stream != 0 && stream.internal_state.state != ZSTATE_END));
}

struct GzipReader::State {
  explicit State(FileReader& f) : file(f) { BeginMember(); }

  void BeginMember() {
    const auto [next, left] = std::pair(inflate.next_in, inflate.avail_in);
    isal_inflate_init(&inflate);
    inflate.crc_flag = ISAL_GZIP;
    inflate.next_in = next;
    inflate.avail_in = left;
  }

  FileReader& file;
  uint64_t offset = 0;  // of the file, after `input`
  std::string input;
  // Grows for files that fill it: most are much smaller.
  size_t output_bytes = kFirstPieceBytes;
  std::unique_ptr<char[]> output = std::make_unique_for_overwrite<char[]>(output_bytes);
  void MakeRoom() {
    output_bytes = std::min(output_bytes * 4, kReadBytes);
    output = std::make_unique_for_overwrite<char[]>(output_bytes);
  }

  inflate_state inflate{};
  enum class At : uint8_t { kMember, kBetween, kEnd } at = At::kMember;
};

GzipReader::GzipReader(FileReader& file) : state_(std::make_unique<State>(file)) {}
GzipReader::~GzipReader() = default;

Status GzipReader::Refill() {
  if (state_->inflate.avail_in > 0) return Status::Ok();
  DATABUS_ASSIGN_OR_RETURN(state_->input, state_->file.Read(state_->offset, kReadBytes));
  state_->offset += state_->input.size();
  state_->inflate.next_in = Bytes(state_->input.data());
  state_->inflate.avail_in = static_cast<uint32_t>(state_->input.size());
  return Status::Ok();
}

Result<std::string> GzipReader::Next() {
  inflate_state& inflate = state_->inflate;
  while (state_->at != State::At::kEnd) {
    DATABUS_RETURN_IF_ERROR(Refill());
    if (state_->at == State::At::kBetween) {
      // Zeros after the last member are padding, as gzip(1) takes them.
      while (inflate.avail_in > 0 && *inflate.next_in == 0) ++inflate.next_in, --inflate.avail_in;
      if (inflate.avail_in == 0) {
        if (state_->input.empty()) state_->at = State::At::kEnd;
        continue;
      }
      state_->BeginMember();
      state_->at = State::At::kMember;
    }
    inflate.next_out = Bytes(state_->output.get());
    inflate.avail_out = static_cast<uint32_t>(state_->output_bytes);
    const bool at_end_of_file = inflate.avail_in == 0;
    const int result = isal_inflate(&inflate);
    const size_t made = state_->output_bytes - inflate.avail_out;
    if (result < 0 || result == ISAL_NEED_DICT) {
      return Status(Code::kCorrupt, "gzip: damaged, or not gzip at all");
    }
    if (inflate.block_state == ISAL_BLOCK_FINISH) {
      state_->at = State::At::kBetween;
    } else if (made == 0 && at_end_of_file) {
      return Status(Code::kCorrupt, "gzip: ends too early");
    }
    if (made == 0) continue;
    std::string piece(state_->output.get(), made);
    if (made == state_->output_bytes) state_->MakeRoom();
    return piece;
  }
  return std::string();
}

namespace {

class InMemory final : public FileReader {
 public:
  explicit InMemory(std::string_view bytes) : bytes_(bytes) {}
  Result<std::string> Read(uint64_t offset, size_t most) override {
    if (offset >= bytes_.size()) return std::string();
    return std::string(bytes_.substr(offset, most));
  }

 private:
  const std::string_view bytes_;
};

}  // namespace

Result<std::string> GunzipAll(std::string_view file, size_t most) {
  InMemory reader(file);
  GzipReader gzip(reader);
  std::string all;
  while (true) {
    DATABUS_ASSIGN_OR_RETURN(const std::string part, gzip.Next());
    if (part.empty()) return all;
    all += part;
    if (all.size() > most) {
      return Status(Code::kInvalid, "gzip: holds more than " + std::to_string(most) + " bytes");
    }
  }
}

}  // namespace databus
