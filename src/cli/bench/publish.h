// `bench publish`: what sealing compresses in a second of processor time, over what `igzip -1`
// does.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/status.h"
#include "cli/bench/sample.h"
#include "cli/seams.h"

namespace databus {

struct PublishOptions {
  std::string directory;  // everything is done below it; must exist
  int rounds = 3;
  uint64_t bytes = 256'000'000;  // of messages
};

// Uncompressed bytes per second of processor time, one element a round.
struct PublishRates {
  uint64_t raw_bytes = 0;       // of the sealed files
  double compressed_share = 0;  // of the sealed files' length, to raw_bytes
  double igzip_compressed_share = 0;
  std::vector<double> seal;        // spool -> regroup -> sealed file
  std::vector<double> compressor;  // the compressor alone, on the same bytes
  std::vector<double> igzip;       // empty: not installed
};

Result<PublishRates> MeasurePublish(const PublishOptions& options, Seams& seams);
std::string ToText(const PublishRates& rates);
nlohmann::ordered_json ToJson(const PublishRates& rates);

}  // namespace databus
