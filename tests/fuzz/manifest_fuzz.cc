// The manifest of a closed minute, also of another cluster.
#include "commit/manifest.h"
#include "tests/fuzz/fuzz.h"

using namespace databus;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::RoundTrip(
      fuzz::Text(data, size), [](std::string_view text) { return Manifest::Decode(text, "fuzz"); },
      [](const Manifest& manifest) { return manifest.Encode(); });
  return 0;
}
