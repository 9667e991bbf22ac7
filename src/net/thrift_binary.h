// Reading and writing Thrift's binary protocol over bytes in memory: the few pieces that the hand
// written codec needs. Hostile bytes are expected.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "base/status.h"

namespace databus::thrift_binary {

// The types on the wire.
enum class Type : uint8_t {
  kStop = 0,
  kBool = 2,
  kByte = 3,
  kDouble = 4,
  kI16 = 6,
  kI32 = 8,
  kI64 = 10,
  kString = 11,
  kStruct = 12,
  kMap = 13,
  kSet = 14,
  kList = 15,
};

// Values nested deeper than this are refused, as by Thrift's own library.
inline constexpr int kDepthMax = 64;

inline uint64_t LoadBigEndian64(const char* at) {
  uint64_t raw;
  std::memcpy(&raw, at, sizeof raw);
  return __builtin_bswap64(raw);
}
inline uint32_t LoadBigEndian32(const char* at) {
  uint32_t raw;
  std::memcpy(&raw, at, sizeof raw);
  return __builtin_bswap32(raw);
}

// Reads from the front of a view. After a failed read the reader has failed for good: every further
// read answers zero or empty, so that callers may check once, at the end.
class Reader {
 public:
  explicit Reader(std::string_view bytes, size_t offset = 0) : bytes_(bytes), at_(offset) {}

  bool ok() const { return error_ == nullptr; }
  size_t offset() const { return at_; }
  size_t left() const { return bytes_.size() - at_; }
  // kInvalid with the reason and the offset, or ok.
  Status status() const;

  // What is wrong, as a constant string. The first failure is kept.
  void Fail(const char* error) {
    if (error_ == nullptr) error_ = error;
  }

  uint8_t ReadByte();
  int16_t ReadI16();
  int32_t ReadI32();
  int64_t ReadI64();
  // A length and that many bytes.
  std::string_view ReadString();
  Type ReadType() { return static_cast<Type>(ReadByte()); }
  // A value of `type`, whatever is in it.
  void Skip(Type type) { Skip(type, kDepthMax); }

 private:
  // True when `bytes` are there.
  bool Has(size_t bytes);
  void Skip(Type type, int depth_left);
  void SkipStruct(int depth_left);
  void SkipMap(int depth_left);
  void SkipList(int depth_left);

  std::string_view bytes_;
  size_t at_;
  const char* error_ = nullptr;
};

void AppendByte(std::string& out, uint8_t value);
void AppendI16(std::string& out, int16_t value);
void AppendI32(std::string& out, int32_t value);
void AppendI64(std::string& out, int64_t value);
void AppendString(std::string& out, std::string_view value);
void AppendField(std::string& out, Type type, int16_t id);
void AppendStop(std::string& out);

}  // namespace databus::thrift_binary
