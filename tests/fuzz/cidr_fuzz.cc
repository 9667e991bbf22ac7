// Lists of addresses and blocks, as databus.collector.allow holds them.
#include "net/cidr.h"
#include "tests/fuzz/fuzz.h"

using namespace databus;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input = fuzz::Text(data, size);
  if (const auto address = IpAddress::Parse(input)) {
    FUZZ_REQUIRE(IpAddress::Parse(address->ToString()) == address);
  }
  if (const auto list = IpBlocks::Parse(input)) {
    FUZZ_REQUIRE(!list->blocks.empty());
    FUZZ_REQUIRE(IpBlocks::Parse(list->ToString()) == list);
    for (const IpBlock& block : list->blocks) FUZZ_REQUIRE(list->Contains(block.first));
  }
  return 0;
}
