// databus.xml.
#include "cluster/topology.h"
#include "tests/fuzz/fuzz.h"

using namespace databus;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = fuzz::Text(data, size);
  if (const auto url = ParseClusterUrl(text)) FUZZ_REQUIRE(text.starts_with(*url));
  const auto topology = ParseTopology(text, "fuzz");
  if (!topology.ok()) {
    FUZZ_REQUIRE(topology.code() == Code::kInvalid && !topology.status().message().empty());
    return 0;
  }
  for (const StreamSpec& stream : topology->streams) {
    FUZZ_REQUIRE(topology->FindCluster(stream.Primary()) != nullptr);
    for (const SourceSpec& source : stream.sources) {
      FUZZ_REQUIRE(topology->FindCluster(source.cluster) != nullptr);
      FUZZ_REQUIRE(topology->LocalRetention(source.cluster, stream.name).count() >= 0);
    }
  }
  return 0;
}
