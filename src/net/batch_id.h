// The identity of a batch of messages, by which a receiver recognises a repeat (P22).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace databus {

// Batches of one sender are numbered from 1 without gaps.
struct BatchId {
  // One incarnation of a sender. On the wire and in texts 16 lower-case hexadecimal digits.
  uint64_t sender = 0;
  // At least 1.
  uint64_t number = 0;
  // The lowest number the sender has not yet seen acknowledged, 1 <= base <= number. A receiver
  // that has lost its memory learns from it where to go on.
  uint64_t base = 0;

  friend bool operator==(const BatchId&, const BatchId&) = default;
};

std::string FormatSender(uint64_t sender);
// Nothing unless `text` is 16 hexadecimal digits.
std::optional<uint64_t> ParseSender(std::string_view text);

}  // namespace databus
