// What a collector leaves for the local service.
#include "audit/announcement.h"
#include "tests/fuzz/fuzz.h"

using namespace databus;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::RoundTrip(
      fuzz::Text(data, size),
      [](std::string_view text) { return DecodeAnnouncement(text, "fuzz"); },
      [](const std::vector<AnnouncedFile>& files) {
        const auto again = DecodeAnnouncement(EncodeAnnouncement(files), "fuzz");
        FUZZ_REQUIRE(again.ok() && *again == files);
        return EncodeAnnouncement(files);
      });
  return 0;
}
