// The body of ForEachEntry. Included by net/entry_list.h only.
#pragma once

#include "net/thrift_binary.h"

namespace databus {

// Walks the entries of a raw list that may be followed by other bytes.
class EntryReader {
 public:
  // Reads the list's header at `offset` of `bytes`.
  explicit EntryReader(std::string_view bytes, size_t offset = 0);

  // The next entry; false at the end and at the first wrong byte.
  bool Next(std::string_view& category, std::string_view& message) {
    if (left_ == 0) return false;
    --left_;
    return NextUsual(category, message) || NextUnusual(category, message);
  }

  uint32_t count() const { return count_; }
  // Where the entries that were read end.
  size_t offset() const { return static_cast<size_t>(at_ - bytes_.data()); }
  const Status& status() const { return status_; }

 private:
  // A string field of id 1 or 2: type, id and length are 7 bytes.
  static constexpr size_t kFieldHeaderBytes = 7;
  static constexpr uint64_t kCategoryTag = 0x0b0001;
  static constexpr uint64_t kMessageTag = 0x0b0002;

  // An entry as every known client writes it: category, message, stop. Anything else is left
  // untouched, to be looked at with more patience. A field's header is read as 8 bytes, which is
  // why one byte more is asked for than it has: the stop, or what follows the category.
  bool NextUsual(std::string_view& category, std::string_view& message) {
    const char* at = at_;
    size_t left = static_cast<size_t>(end_ - at);
    if (left < 2 * kFieldHeaderBytes + 1) return false;
    uint64_t word = thrift_binary::LoadBigEndian64(at);
    const size_t category_bytes = (word >> 8) & 0xffffffff;
    if (word >> 40 != kCategoryTag || category_bytes > left - (2 * kFieldHeaderBytes + 1)) {
      return false;
    }
    const char* const category_at = at + kFieldHeaderBytes;
    at = category_at + category_bytes;
    left -= kFieldHeaderBytes + category_bytes;
    word = thrift_binary::LoadBigEndian64(at);
    const size_t message_bytes = (word >> 8) & 0xffffffff;
    if (word >> 40 != kMessageTag || message_bytes > left - (kFieldHeaderBytes + 1)) return false;
    const char* const message_at = at + kFieldHeaderBytes;
    if (message_at[message_bytes] != 0) return false;
    category = {category_at, category_bytes};
    message = {message_at, message_bytes};
    at_ = message_at + message_bytes + 1;
    return true;
  }
  bool NextUnusual(std::string_view& category, std::string_view& message);

  std::string_view bytes_;
  const char* at_;
  const char* end_;
  uint32_t count_ = 0;
  uint32_t left_ = 0;
  Status status_;
};

// The error of a list that is followed by other bytes.
Status BytesBehindList(size_t offset);

template <typename Visit>
Status ForEachEntry(std::string_view entries, Visit&& visit) {
  EntryReader reader(entries);
  std::string_view category, message;
  while (reader.Next(category, message)) visit(category, message);
  if (reader.status().ok() && reader.offset() != entries.size()) {
    return BytesBehindList(reader.offset());
  }
  return reader.status();
}

}  // namespace databus
