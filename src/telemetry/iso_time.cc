#include "telemetry/iso_time.h"

#include <fmt/compile.h>
#include <fmt/format.h>

#include "base/minute.h"

namespace databus {
namespace {

constexpr size_t kMinuteChars = 16;  // "2031-05-06T10:04"
constexpr size_t kChars = 24;

std::optional<int> Digits(std::string_view text) {
  int value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  return value;
}

}  // namespace

std::string ToIsoMs(WallTime time) {
  const Minute minute = Minute::Of(time);
  const int64_t ms = (time - minute.Start()).count();
  std::string text = minute.ToIso();
  text.resize(kChars);
  fmt::format_to_n(text.begin() + kMinuteChars, kChars - kMinuteChars, FMT_COMPILE(":{:02}.{:03}Z"),
                   ms / 1000, ms % 1000);
  return text;
}

std::optional<WallTime> ParseIsoMs(std::string_view text) {
  if (text.size() != kChars || text[16] != ':' || text[19] != '.' || text[23] != 'Z') {
    return std::nullopt;
  }
  const auto minute = Minute::ParseIso(std::string(text.substr(0, kMinuteChars)) + "Z");
  const auto seconds = Digits(text.substr(17, 2));
  const auto ms = Digits(text.substr(20, 3));
  if (!minute || !seconds || *seconds > 59 || !ms) return std::nullopt;
  return minute->Start() + std::chrono::seconds(*seconds) + Milliseconds(*ms);
}

std::string ToHuman(Milliseconds span) {
  const int64_t ms = span.count();
  if (ms < 0) return "-" + ToHuman(-span);
  if (ms < 1000) return fmt::format("{} ms", ms);
  const int64_t s = ms / 1000;
  if (s < 60) return fmt::format("{}.{} s", s, ms % 1000 / 100);
  if (s < 3600) return fmt::format("{} min {} s", s / 60, s % 60);
  if (s < 86400) return fmt::format("{} h {} min", s / 3600, s % 3600 / 60);
  return fmt::format("{} d {} h", s / 86400, s % 86400 / 3600);
}

}  // namespace databus
