// What benchmarks feed in, and how they sum up what they saw.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace databus {

// One machine's figure in several rounds. The machine is never quiet, so one number says nothing.
struct Spread {
  double min = 0;
  double median = 0;
  double max = 0;
};
Spread SpreadOf(std::vector<double> values);
std::string ToText(const Spread& spread, int digits);  // "0.51 / 0.55 / 0.57"

// The value below which `share` (0 to 1) of the values lie; 0 when there are none. Reorders them.
uint32_t Percentile(std::vector<uint32_t>& values, double share);

// Different lines of an access log, each exactly `bytes` long, without newlines: repetitive in the
// way of real logs, so that compressing them costs what it costs there.
class SampleLines {
 public:
  explicit SampleLines(size_t bytes) : bytes_(bytes) {}
  // Valid until the next call.
  const std::string& Next();

 private:
  uint64_t Number(uint64_t bound);

  size_t bytes_;
  uint64_t state_ = 0x9e3779b97f4a7c15;
  uint64_t count_ = 0;
  std::string line_;
};

}  // namespace databus
