#include "net/entry_list.h"

#include <fmt/format.h>

namespace databus {

using thrift_binary::Reader;
using thrift_binary::Type;

EntryReader::EntryReader(std::string_view bytes, size_t offset)
    : bytes_(bytes), at_(bytes.data() + offset), end_(bytes.data() + bytes.size()) {
  Reader reader(bytes, offset);
  const Type element = reader.ReadType();
  const int32_t count = reader.ReadI32();
  // Some clients give an empty list any element type.
  if (count != 0 && element != Type::kStruct) reader.Fail("the list is not one of structs");
  if (count < 0 || static_cast<size_t>(count) > reader.left()) {
    reader.Fail("the list has more entries than bytes are left");
  }
  status_ = reader.status();
  if (!status_.ok()) return;
  count_ = left_ = static_cast<uint32_t>(count);
  at_ += kEntryListHeaderBytes;
}

bool EntryReader::NextUnusual(std::string_view& category, std::string_view& message) {
  category = message = {};
  Reader reader(bytes_, offset());
  while (true) {
    const Type type = reader.ReadType();
    if (type == Type::kStop) break;  // also after a failure
    const int16_t id = reader.ReadI16();
    if (type == Type::kString && id == 1) {
      category = reader.ReadString();
    } else if (type == Type::kString && id == 2) {
      message = reader.ReadString();
    } else {
      reader.Skip(type);
    }
  }
  at_ = bytes_.data() + reader.offset();
  status_ = reader.status();
  if (!status_.ok()) left_ = 0;
  return status_.ok();
}

Status BytesBehindList(size_t offset) {
  return {Code::kInvalid, fmt::format("the list ends at byte {}, before its bytes do", offset)};
}

void EntryList::Add(std::string_view category, std::string_view message) {
  thrift_binary::AppendField(bytes_, Type::kString, 1);
  thrift_binary::AppendString(bytes_, category);
  thrift_binary::AppendField(bytes_, Type::kString, 2);
  thrift_binary::AppendString(bytes_, message);
  thrift_binary::AppendStop(bytes_);
  ++count_;
  const uint32_t raw = __builtin_bswap32(count_);
  std::memcpy(bytes_.data() + 1, &raw, sizeof raw);
}

void EntryList::Clear() {
  bytes_.assign(kEmptyEntryList);
  count_ = 0;
}

}  // namespace databus
