// The messages of a simulated installation: each is one of a kind and says where it comes from.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace databus::sim {

// Of one producer: its number and the message's own, counted from 0.
struct MessageId {
  uint32_t producer = 0;
  uint32_t number = 0;
  uint64_t key() const { return (uint64_t{producer} << 32) | number; }
};

// "m<producer>.<number>"
std::string MessageText(MessageId id);
// The same, by MessageId::key().
std::string MessageText(uint64_t key);
std::optional<MessageId> ParseMessageText(std::string_view text);

// The messages in the record of a spool's segment that holds the byte at `offset`.
std::vector<uint64_t> MessagesOfRecord(std::string_view segment, size_t offset);

// The messages in a file, sealed or plain, by its bytes. Remembers what it has seen: the same bytes
// travel through several views.
class MessageReader {
 public:
  struct Content {
    std::vector<uint64_t> keys;
    std::string damage;  // why it could not be read, or empty
  };
  const Content& Read(const std::string& bytes);

 private:
  std::unordered_map<uint64_t, std::unique_ptr<Content>> known_;  // by checksum and length
};

}  // namespace databus::sim
