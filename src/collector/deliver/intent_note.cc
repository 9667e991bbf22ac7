#include "collector/deliver/intent_note.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

#include "cluster/text_format.h"

namespace databus {

std::string EncodeIntentNote(const IntentNote& note) {
  return fmt::format("{} {} {} {} {}", note.counter, note.length, note.crc32c, note.messages,
                     note.first_accepted.time_since_epoch().count());
}

Result<IntentNote> DecodeIntentNote(std::string_view text) {
  std::array<uint64_t, 5> numbers{};
  for (size_t i = 0; i < numbers.size(); ++i) {
    const size_t end = i + 1 == numbers.size() ? text.size() : text.find(' ');
    const auto number = ParseNumber(text.substr(0, end));
    if (!number.ok()) return Status(Code::kCorrupt, "note of an intent: a number expected");
    numbers[i] = *number;
    text.remove_prefix(std::min(end == std::string_view::npos ? end : end + 1, text.size()));
  }
  if (numbers[2] > std::numeric_limits<uint32_t>::max() ||
      numbers[4] > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
    return Status(Code::kCorrupt, "note of an intent: a number is too large");
  }
  return IntentNote{.counter = numbers[0],
                    .length = numbers[1],
                    .crc32c = static_cast<uint32_t>(numbers[2]),
                    .messages = numbers[3],
                    .first_accepted = WallTime(Milliseconds(static_cast<int64_t>(numbers[4])))};
}

}  // namespace databus
