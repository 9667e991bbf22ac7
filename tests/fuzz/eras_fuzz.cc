// What a cluster says of the changes of primary that its streams were brought through.
#include "commit/eras.h"

#include "tests/fuzz/fuzz.h"

using namespace databus;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::RoundTrip(
      fuzz::Text(data, size), [](std::string_view text) { return Eras::Decode(text, "fuzz"); },
      [](const Eras& eras) {
        const auto again = Eras::Decode(eras.Encode(), "fuzz");
        FUZZ_REQUIRE(again.ok() && *again == eras);
        return eras.Encode();
      });
  return 0;
}
