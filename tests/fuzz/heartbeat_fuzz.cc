// A heartbeat of another process.
#include "telemetry/heartbeat.h"
#include "telemetry/iso_time.h"
#include "tests/fuzz/fuzz.h"

using namespace databus;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = fuzz::Text(data, size);
  if (const auto time = ParseIsoMs(text)) FUZZ_REQUIRE(ToIsoMs(*time) == text);
  const auto heartbeat = DecodeHeartbeat(text, "fuzz");
  if (!heartbeat.ok()) return 0;
  const std::string written = EncodeHeartbeat(*heartbeat);
  const auto again = DecodeHeartbeat(written, "fuzz");
  FUZZ_REQUIRE(again.ok() && EncodeHeartbeat(*again) == written);
  return 0;
}
