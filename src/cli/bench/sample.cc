#include "cli/bench/sample.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>

namespace databus {
namespace {

constexpr std::array kPaths{"/api/v1/events/impression",
                            "/api/v1/events/click",
                            "/static/app.js",
                            "/account/orders/history",
                            "/search",
                            "/health"};
constexpr std::array kAgents{
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 Safari/604.1",
    "okhttp/4.12.0", "python-requests/2.31.0"};

}  // namespace

Spread SpreadOf(std::vector<double> values) {
  if (values.empty()) return {};
  std::sort(values.begin(), values.end());
  return {values.front(), values[values.size() / 2], values.back()};
}

std::string ToText(const Spread& spread, int digits) {
  return fmt::format("{:.{}f} / {:.{}f} / {:.{}f}", spread.min, digits, spread.median, digits,
                     spread.max, digits);
}

uint32_t Percentile(std::vector<uint32_t>& values, double share) {
  if (values.empty()) return 0;
  const auto last = static_cast<double>(values.size() - 1);
  const auto at = values.begin() + static_cast<ptrdiff_t>(last * share);
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

// The same numbers in every run, so that runs can be compared.
uint64_t SampleLines::Number(uint64_t bound) {
  state_ ^= state_ << 13;
  state_ ^= state_ >> 7;
  state_ ^= state_ << 17;
  return state_ % bound;
}

const std::string& SampleLines::Next() {
  line_.clear();
  const auto text = std::back_inserter(line_);
  fmt::format_to(text,
                 "10.{}.{}.{} - user{} [06/May/2031:10:{:02}:{:02} +0000] \"GET {}?id={:016x}",
                 Number(4), Number(256), Number(256), Number(100'000), count_ / 60'000 % 60,
                 count_ / 1000 % 60, kPaths[Number(kPaths.size())], Number(UINT64_MAX));
  fmt::format_to(text, " HTTP/1.1\" {} {} \"-\" \"{}\" {} trace={:016x}{:016x}",
                 Number(20) == 0 ? 404 : 200, Number(50'000), kAgents[Number(kAgents.size())],
                 ++count_, Number(UINT64_MAX), Number(UINT64_MAX));
  while (line_.size() < bytes_) fmt::format_to(text, " f{}={}", Number(40), Number(10'000));
  line_.resize(bytes_);
  return line_;
}

}  // namespace databus
