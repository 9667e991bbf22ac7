// A raw Thrift list<LogEntry>, as it travels in a `Log` call and rests in a spool: read in place,
// built by appending. The reader is a template because it is the innermost loop of a collector.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "base/status.h"

namespace databus {

// The bytes of an empty list.
inline constexpr std::string_view kEmptyEntryList{"\x0c\0\0\0\0", 5};
// A list's header: element type and count.
inline constexpr size_t kEntryListHeaderBytes = 5;

// Calls visit(category, message), both views into `entries`, for each entry in order. A missing
// field is empty, unknown ones are skipped. Stops at the first byte that is wrong with kInvalid,
// after visiting all entries before it; bytes behind the list are an error too.
template <typename Visit>
Status ForEachEntry(std::string_view entries, Visit&& visit);

// Builds a list. Entries may be of any bytes; the whole must stay below 2 GiB.
class EntryList {
 public:
  EntryList() : bytes_(kEmptyEntryList) {}
  void Add(std::string_view category, std::string_view message);
  // Ready to be sent at any time. Valid until the next Add or Clear.
  std::string_view bytes() const { return bytes_; }
  uint32_t count() const { return count_; }
  bool empty() const { return count_ == 0; }
  void Clear();

 private:
  std::string bytes_;
  uint32_t count_ = 0;
};

}  // namespace databus

#include "net/entry_list_inl.h"
