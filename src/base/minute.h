// A UTC minute: the unit of publication. A value, never a string; formatted and parsed only here.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace databus {

// Range: 1970-01-01T00:00Z to 9999-12-31T23:59Z.
class Minute {
 public:
  Minute() = default;
  explicit constexpr Minute(int64_t since_epoch) : since_epoch_(since_epoch) {}

  // The minute that `time` falls into.
  static Minute Of(WallTime time);
  // "2031-05-06T10:04Z"
  static std::optional<Minute> ParseIso(std::string_view text);
  // "2031/05/06/10/04": the path of a minute directory below its stream.
  static std::optional<Minute> ParsePath(std::string_view text);
  // "2031-05-06-10-04": inside file names.
  static std::optional<Minute> ParseDashed(std::string_view text);

  std::string ToIso() const;
  std::string ToPath() const;
  // "2031/05/06/10": the path of the hour directory.
  std::string ToHourPath() const;
  std::string ToDashed() const;

  WallTime Start() const { return WallTime(std::chrono::minutes(since_epoch_)); }
  WallTime End() const { return Next().Start(); }
  Minute Next() const { return *this + 1; }
  int64_t since_epoch() const { return since_epoch_; }

  friend Minute operator+(Minute m, int64_t minutes) { return Minute(m.since_epoch_ + minutes); }
  friend int64_t operator-(Minute a, Minute b) { return a.since_epoch_ - b.since_epoch_; }
  friend auto operator<=>(const Minute&, const Minute&) = default;

 private:
  int64_t since_epoch_ = 0;
};

}  // namespace databus
