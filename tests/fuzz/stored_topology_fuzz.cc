// A stored epoch of the topology: as it is, and with a checksum that is right.
#include "cluster/stored_topology.h"

#include "tests/fuzz/fuzz.h"

using namespace databus;

namespace {

void Try(const std::string& text) {
  const auto first = StoredTopology::Decode(text, "fuzz");
  if (!first.ok()) {
    FUZZ_REQUIRE(first.code() == Code::kCorrupt || first.code() == Code::kInvalid);
    return;
  }
  const std::string written = first->Encode();
  const auto second = StoredTopology::Decode(written, "fuzz");
  FUZZ_REQUIRE(second.ok() && second->Encode() == written);
  FUZZ_REQUIRE(second->Next("x").Follows(TopologyDigest(written)));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(fuzz::Text(data, size));
  Try(text);
  Try(text + "<!-- crc32c " + Hex32(Crc32c(text)) + " -->\n");
  return 0;
}
