// scribe.conf.
#include "collector/config/scribe_conf.h"
#include "tests/fuzz/fuzz.h"

using namespace databus;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto config = ParseScribeConf(fuzz::Text(data, size), "fuzz");
  if (!config.ok()) {
    FUZZ_REQUIRE(config.code() == Code::kInvalid && !config.status().message().empty());
    return 0;
  }
  FUZZ_REQUIRE(!config->stores.empty() && config->port > 0 && config->port <= 65535);
  FUZZ_REQUIRE(config->segment_bytes > 0 && config->max_queue_bytes > 0);
  for (const StoreSpec& store : config->stores) {
    FUZZ_REQUIRE(!store.categories.empty());
    FUZZ_REQUIRE(store.retry_interval_range <= store.retry_interval);
    for (const CategoryPattern& pattern : store.categories) {
      if (pattern.kind == CategoryPattern::Kind::kExact) {
        FUZZ_REQUIRE(config->FindStore(pattern.name) != nullptr);
      }
    }
  }
  return 0;
}
