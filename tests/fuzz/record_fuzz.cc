// A commit record, as a recovery finds it in a fenced staging directory.
#include "commit/record.h"
#include "tests/fuzz/fuzz.h"

using namespace databus;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::RoundTrip(
      fuzz::Text(data, size), [](std::string_view text) { return Record::Decode(text, "fuzz"); },
      [](const Record& record) {
        const auto again = Record::Decode(record.Encode(), "fuzz");
        FUZZ_REQUIRE(again.ok() && *again == record);
        return record.Encode();
      });
  return 0;
}
