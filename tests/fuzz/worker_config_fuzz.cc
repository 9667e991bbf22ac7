// databus.cfg.
#include "cluster/worker_config.h"
#include "tests/fuzz/fuzz.h"

using namespace databus;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto config = ParseWorkerConfig(fuzz::Text(data, size), "fuzz");
  if (!config.ok()) {
    FUZZ_REQUIRE(config.code() == Code::kInvalid && !config.status().message().empty());
    return 0;
  }
  FUZZ_REQUIRE(config->all_clusters || !config->clusters.empty());
  FUZZ_REQUIRE(config->run_interval.count() > 0 && config->copy_threads > 0);
  FUZZ_REQUIRE(config->http_port >= 0 && config->http_port <= 65535);
  return 0;
}
