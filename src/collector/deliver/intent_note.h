// What an intent of the spool carries along for the time after the rename: enough to announce the
// file and to recognise it, also after a restart.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/status.h"

namespace databus {

struct IntentNote {
  uint64_t counter = 0;  // of the file's identity
  uint64_t length = 0;   // bytes
  uint32_t crc32c = 0;   // of the whole file
  uint64_t messages = 0;
  WallTime first_accepted;
  friend bool operator==(const IntentNote&, const IntentNote&) = default;
};

std::string EncodeIntentNote(const IntentNote& note);
// kCorrupt: not such a note.
Result<IntentNote> DecodeIntentNote(std::string_view text);

}  // namespace databus
