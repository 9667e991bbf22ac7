// What a spool's intent carries along.
#include "collector/deliver/intent_note.h"
#include "tests/fuzz/fuzz.h"

using namespace databus;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto note = DecodeIntentNote(fuzz::Text(data, size));
  if (!note.ok()) {
    FUZZ_REQUIRE(note.code() == Code::kCorrupt);
    return 0;
  }
  const auto again = DecodeIntentNote(EncodeIntentNote(*note));
  FUZZ_REQUIRE(again.ok() && *again == *note);
  return 0;
}
