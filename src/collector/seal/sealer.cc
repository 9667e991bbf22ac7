#include "collector/seal/sealer.h"

#include <algorithm>

#include "base/crc32c.h"
#include "collector/seal/base64.h"

namespace databus {
namespace {

// The compressor is fast when fed pieces of this size and more.
constexpr size_t kFeedBytes = size_t{256} << 10;

uint64_t FramedLength(std::string_view message, const SealFormat& format) {
  const uint64_t length =
      format.encoding == Encoding::kBase64 ? Base64Length(message.size()) : message.size();
  return length + (format.framing == Framing::kNewline ? 1 : 0);
}

// The acceptance times of the messages; the wall clock may have stepped back in between.
void SetTimes(const StreamMessages& stream, SealRange range, SealedHeader& header) {
  auto run = std::upper_bound(stream.runs.begin(), stream.runs.end(), range.first,
                              [](size_t first, const auto& r) { return first < r.first_message; });
  --run;
  header.first_accepted = header.last_accepted = run->accepted;
  for (; run != stream.runs.end() && run->first_message < range.last; ++run) {
    header.first_accepted = std::min(header.first_accepted, run->accepted);
    header.last_accepted = std::max(header.last_accepted, run->accepted);
  }
}

}  // namespace

SealRange NextRange(const StreamMessages& stream, size_t first, const SealFormat& format) {
  uint64_t bytes = FramedLength(stream.messages[first], format);
  size_t last = first + 1;
  for (; last < stream.messages.size(); ++last) {
    bytes += FramedLength(stream.messages[last], format);
    if (bytes > format.bytes_max) break;
  }
  return {first, last};
}

// The framed bytes go to the compressor in large pieces, or stay in framed_.
uint64_t Sealer::Frame(const StreamMessages& stream, SealRange range, const SealFormat& format) {
  uint64_t bytes = 0;
  framed_.clear();
  for (size_t i = range.first; i < range.last; ++i) {
    const std::string_view message = stream.messages[i];
    if (format.encoding == Encoding::kBase64) {
      AppendBase64(message, framed_);
    } else {
      framed_.append(message);
    }
    if (format.framing == Framing::kNewline) framed_ += '\n';
    bytes += FramedLength(message, format);
    if (format.compression == Compression::kGzip && framed_.size() >= kFeedBytes) {
      compressor_.Append(framed_);
      framed_.clear();
    }
  }
  return bytes;
}

SealedFile Sealer::Seal(const StreamMessages& stream, SealRange range, const SealFormat& format,
                        const Origin& origin) {
  SealedFile file;
  file.header.identity = origin.identity;
  file.header.stream = stream.stream;
  file.header.collector = origin.collector;
  file.header.messages = range.last - range.first;
  SetTimes(stream, range, file.header);
  if (format.compression == Compression::kNone) {
    file.header.raw_bytes = Frame(stream, range, format);
    file.body = framed_;
  } else {
    compressor_.Start();
    file.header.raw_bytes = Frame(stream, range, format);
    compressor_.Append(framed_);
    file.body = compressor_.Finish();
  }
  file.header.payload_bytes = file.body.size();
  file.header.payload_crc32c = Crc32c(file.body);
  if (format.compression == Compression::kGzip) file.head = EncodeSealedHeader(file.header);
  file.crc32c =
      file.head.empty() ? file.header.payload_crc32c : Crc32c(file.body, Crc32c(file.head));
  return file;
}

}  // namespace databus
