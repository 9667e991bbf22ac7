// What data nodes send: packets, and the messages before and after them.
#include "storage/hdfs/packets.h"
#include "storage/hdfs/wire_format.h"
#include "tests/fuzz/fuzz.h"

using namespace databus;
using namespace databus::hdfs;

namespace {

template <typename Message>
void Take(std::string_view input) {
  Message message;
  std::string_view rest = input;
  if (TakeDelimited(rest, message, kDataNodeMessageMax) != Taken::kWhole) {
    FUZZ_REQUIRE(rest.size() == input.size());
    return;
  }
  FUZZ_REQUIRE(rest.size() < input.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input = fuzz::Text(data, size);
  Take<wire::BlockAnswer>(input);
  Take<wire::PipelineAck>(input);
  const auto packet = ParsePacket(input);
  if (packet.ok() && *packet) {
    FUZZ_REQUIRE((*packet)->size <= input.size());
    FUZZ_REQUIRE((*packet)->sums.size() + (*packet)->data.size() <= (*packet)->size);
    for (const uint32_t chunk : {1u, 512u, 1u << 20}) {
      for (const ChecksumKind kind : {ChecksumKind::kCrc32, ChecksumKind::kCrc32c}) {
        static_cast<void>(SumsAreRight((*packet)->data, (*packet)->sums, kind, chunk));
      }
    }
  }
  return 0;
}
