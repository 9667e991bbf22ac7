#include "net/thrift_binary.h"

#include <fmt/format.h>

namespace databus::thrift_binary {
namespace {

// Bytes of a value of fixed width; 0 for the others.
size_t FixedWidth(Type type) {
  switch (type) {
    case Type::kBool:
    case Type::kByte: return 1;
    case Type::kI16: return 2;
    case Type::kI32: return 4;
    case Type::kI64:
    case Type::kDouble: return 8;
    default: return 0;
  }
}

// The fewest bytes that a value can take, so that a count can be checked against what is left
// before anything is read; 0 for what is no type of a value.
size_t LeastWidth(Type type) {
  switch (type) {
    case Type::kStruct: return 1;
    case Type::kString: return 4;
    case Type::kSet:
    case Type::kList: return 5;
    case Type::kMap: return 6;
    default: return FixedWidth(type);
  }
}

}  // namespace

Status Reader::status() const {
  if (ok()) return Status::Ok();
  return {Code::kInvalid, fmt::format("{} at byte {}", error_, at_)};
}

bool Reader::Has(size_t bytes) {
  if (!ok()) return false;
  if (left() >= bytes) return true;
  Fail("the bytes end too early");
  return false;
}

uint8_t Reader::ReadByte() {
  if (!Has(1)) return 0;
  return static_cast<uint8_t>(bytes_[at_++]);
}

int16_t Reader::ReadI16() {
  if (!Has(2)) return 0;
  const auto high = static_cast<uint8_t>(bytes_[at_]), low = static_cast<uint8_t>(bytes_[at_ + 1]);
  at_ += 2;
  return static_cast<int16_t>(high << 8 | low);
}

int32_t Reader::ReadI32() {
  if (!Has(4)) return 0;
  const uint32_t value = LoadBigEndian32(bytes_.data() + at_);
  at_ += 4;
  return static_cast<int32_t>(value);
}

int64_t Reader::ReadI64() {
  if (!Has(8)) return 0;
  const uint64_t value = LoadBigEndian64(bytes_.data() + at_);
  at_ += 8;
  return static_cast<int64_t>(value);
}

std::string_view Reader::ReadString() {
  const int32_t length = ReadI32();
  if (!ok()) return {};
  if (length < 0 || static_cast<size_t>(length) > left()) {
    at_ -= 4;
    Fail("a string is longer than what is left");
    return {};
  }
  const std::string_view value = bytes_.substr(at_, static_cast<size_t>(length));
  at_ += value.size();
  return value;
}

void Reader::Skip(Type type, int depth_left) {
  if (!ok()) return;
  if (depth_left == 0) return Fail("values are nested too deep");
  switch (type) {
    case Type::kString: ReadString(); return;
    case Type::kStruct: return SkipStruct(depth_left - 1);
    case Type::kMap: return SkipMap(depth_left - 1);
    case Type::kSet:
    case Type::kList: return SkipList(depth_left - 1);
    default: break;
  }
  const size_t width = FixedWidth(type);
  if (width == 0) return Fail("an unknown type of value");
  if (Has(width)) at_ += width;
}

void Reader::SkipStruct(int depth_left) {
  while (ok()) {
    const Type type = ReadType();
    if (!ok() || type == Type::kStop) return;
    ReadI16();
    Skip(type, depth_left);
  }
}

void Reader::SkipMap(int depth_left) {
  const Type key = ReadType();
  const Type value = ReadType();
  const int32_t count = ReadI32();
  if (!ok() || count == 0) return;
  const size_t least = LeastWidth(key) + LeastWidth(value);
  if (LeastWidth(key) == 0 || LeastWidth(value) == 0) return Fail("a map of an unknown type");
  if (count < 0 || static_cast<size_t>(count) > left() / least) {
    return Fail("a map is longer than what is left");
  }
  for (int32_t i = 0; ok() && i < count; ++i) {
    Skip(key, depth_left);
    Skip(value, depth_left);
  }
}

void Reader::SkipList(int depth_left) {
  const Type element = ReadType();
  const int32_t count = ReadI32();
  if (!ok() || count == 0) return;
  const size_t least = LeastWidth(element);
  if (least == 0) return Fail("a list of an unknown type");
  if (count < 0 || static_cast<size_t>(count) > left() / least) {
    return Fail("a list is longer than what is left");
  }
  if (FixedWidth(element) != 0) {
    at_ += static_cast<size_t>(count) * least;
    return;
  }
  for (int32_t i = 0; ok() && i < count; ++i) Skip(element, depth_left);
}

void AppendByte(std::string& out, uint8_t value) { out.push_back(static_cast<char>(value)); }

void AppendI16(std::string& out, int16_t value) {
  const auto bits = static_cast<uint16_t>(value);
  AppendByte(out, static_cast<uint8_t>(bits >> 8));
  AppendByte(out, static_cast<uint8_t>(bits));
}

void AppendI32(std::string& out, int32_t value) {
  const uint32_t raw = __builtin_bswap32(static_cast<uint32_t>(value));
  out.append(reinterpret_cast<const char*>(&raw), sizeof raw);
}

void AppendI64(std::string& out, int64_t value) {
  const uint64_t raw = __builtin_bswap64(static_cast<uint64_t>(value));
  out.append(reinterpret_cast<const char*>(&raw), sizeof raw);
}

void AppendString(std::string& out, std::string_view value) {
  AppendI32(out, static_cast<int32_t>(value.size()));
  out.append(value);
}

void AppendField(std::string& out, Type type, int16_t id) {
  AppendByte(out, static_cast<uint8_t>(type));
  AppendI16(out, id);
}

void AppendStop(std::string& out) { AppendByte(out, static_cast<uint8_t>(Type::kStop)); }

}  // namespace databus::thrift_binary
