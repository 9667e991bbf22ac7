#include "storage/hdfs/wire_format.h"

#include <google/protobuf/io/coded_stream.h>

namespace databus::hdfs {

using google::protobuf::io::CodedOutputStream;

void AppendBigEndian16(uint16_t value, std::string& out) {
  out += static_cast<char>(value >> 8);
  out += static_cast<char>(value);
}

void AppendBigEndian32(uint32_t value, std::string& out) {
  AppendBigEndian16(static_cast<uint16_t>(value >> 16), out);
  AppendBigEndian16(static_cast<uint16_t>(value), out);
}

uint16_t LoadBigEndian16(const char* bytes) {
  return static_cast<uint16_t>((static_cast<uint8_t>(bytes[0]) << 8) |
                               static_cast<uint8_t>(bytes[1]));
}

uint32_t LoadBigEndian32(const char* bytes) {
  return (uint32_t{LoadBigEndian16(bytes)} << 16) | LoadBigEndian16(bytes + 2);
}

void AppendDelimited(const google::protobuf::MessageLite& message, std::string& out) {
  uint8_t length[10];
  const uint8_t* end = CodedOutputStream::WriteVarint32ToArray(
      static_cast<uint32_t>(message.ByteSizeLong()), length);
  out.append(reinterpret_cast<const char*>(length), static_cast<size_t>(end - length));
  message.AppendPartialToString(&out);
}

bool ParseWhole(std::string_view bytes, google::protobuf::MessageLite& message) {
  // The library's own check of what is missing writes to the standard error stream.
  return message.ParsePartialFromArray(bytes.data(), static_cast<int>(bytes.size())) &&
         message.IsInitialized();
}

Taken TakeDelimited(std::string_view& bytes, google::protobuf::MessageLite& message, size_t most) {
  uint64_t length = 0;
  size_t at = 0;
  for (int shift = 0;; shift += 7) {
    if (shift > 28) return Taken::kDamaged;
    if (at == bytes.size()) return Taken::kPartial;
    const auto byte = static_cast<uint8_t>(bytes[at++]);
    length |= static_cast<uint64_t>(byte & 127) << shift;
    if (byte < 128) break;
  }
  if (length > most) return Taken::kDamaged;
  if (bytes.size() - at < length) return Taken::kPartial;
  if (!ParseWhole(bytes.substr(at, length), message)) return Taken::kDamaged;
  bytes.remove_prefix(at + length);
  return Taken::kWhole;
}

namespace {

// The length of the sequence at the front; 0 when it is none. Overlong forms, halves of pairs and
// what lies above U+10FFFF are none.
size_t SequenceLength(std::string_view bytes) {
  const auto byte = [&](size_t i) {
    return i < bytes.size() ? static_cast<uint8_t>(bytes[i]) : uint8_t{0};
  };
  const auto follows = [&](size_t i) { return (byte(i) & 0xc0) == 0x80; };
  const uint8_t first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return follows(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    if (first == 0xe0 && byte(1) < 0xa0) return 0;
    if (first == 0xed && byte(1) > 0x9f) return 0;
    return follows(1) && follows(2) ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    if (first == 0xf0 && byte(1) < 0x90) return 0;
    if (first == 0xf4 && byte(1) > 0x8f) return 0;
    return follows(1) && follows(2) && follows(3) ? 4 : 0;
  }
  return 0;
}

}  // namespace

bool IsUtf8(std::string_view bytes) {
  while (!bytes.empty()) {
    const size_t length = SequenceLength(bytes);
    if (length == 0) return false;
    bytes.remove_prefix(length);
  }
  return true;
}

}  // namespace databus::hdfs
