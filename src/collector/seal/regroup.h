// The messages of a part of the spool, regrouped by stream: the spool is one log of all streams, a
// sealed file is of one. Holds copies of the records; the messages are views into them, so that
// there is no allocation per message.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/status.h"

namespace databus {

struct StreamMessages {
  // The messages from `first_message` on (to the next run's) were accepted at that time.
  struct Run {
    size_t first_message = 0;
    WallTime accepted;
  };
  std::string stream;
  std::vector<std::string_view> messages;  // in the order of the spool; may be empty strings
  std::vector<Run> runs;                   // ascending by first_message, the first is 0
};

// One thread at a time.
class Regrouped {
 public:
  Regrouped() = default;
  Regrouped(const Regrouped&) = delete;
  Regrouped& operator=(const Regrouped&) = delete;

  // Adds the entries (a raw list<LogEntry>, copied) of one record. kInvalid when they are
  // malformed: the entries before the damage are in, the others are not.
  Status Add(std::string_view entries, WallTime accepted);

  // In the order of their names. Valid until the next Add.
  std::vector<const StreamMessages*> Streams() const;

  // The same name, valid as long as this. REQUIRES: a message of the stream was added.
  std::string_view NameOf(std::string_view stream) const { return streams_.at(stream)->stream; }

  bool empty() const { return streams_.empty(); }
  uint64_t messages() const { return messages_; }
  // The copied entries of each record, in the order of the Adds.
  const std::vector<std::string_view>& records() const { return records_; }

 private:
  std::string_view Keep(std::string_view bytes);
  StreamMessages& Find(std::string_view stream);

  std::vector<std::unique_ptr<char[]>> chunks_;
  size_t chunk_left_ = 0;  // free bytes at the end of the last chunk
  char* chunk_next_ = nullptr;
  std::unordered_map<std::string_view, std::unique_ptr<StreamMessages>> streams_;
  StreamMessages* last_ = nullptr;  // neighbours are often of one stream
  uint64_t messages_ = 0;
  std::vector<std::string_view> records_;
};

}  // namespace databus
