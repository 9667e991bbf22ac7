#include "base/minute.h"

#include <fmt/compile.h>

namespace databus {
namespace {

// Two or four decimal digits, nothing else.
std::optional<int> Digits(std::string_view text) {
  int value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  return value;
}

// "YYYYsMMsDDtHHuMM" with the given separators.
std::optional<Minute> Parse(std::string_view text, char s, char t, char u) {
  if (text.size() != 16) return std::nullopt;
  if (text[4] != s || text[7] != s || text[10] != t || text[13] != u) return std::nullopt;
  const auto year = Digits(text.substr(0, 4));
  const auto month = Digits(text.substr(5, 2));
  const auto day = Digits(text.substr(8, 2));
  const auto hour = Digits(text.substr(11, 2));
  const auto minute = Digits(text.substr(14, 2));
  if (!year || !month || !day || !hour || !minute) return std::nullopt;
  if (*year < 1970 || *hour > 23 || *minute > 59) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(*year),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok()) return std::nullopt;
  const int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  return Minute((days * 24 + *hour) * 60 + *minute);
}

std::string Format(int64_t since_epoch, char s, char t, char u) {
  const int64_t days = since_epoch / (24 * 60);
  const auto in_day = static_cast<int>(since_epoch % (24 * 60));
  const std::chrono::year_month_day date{std::chrono::sys_days(std::chrono::days(days))};
  return fmt::format(FMT_COMPILE("{:04}{}{:02}{}{:02}{}{:02}{}{:02}"),
                     static_cast<int>(date.year()), s, static_cast<unsigned>(date.month()), s,
                     static_cast<unsigned>(date.day()), t, in_day / 60, u, in_day % 60);
}

}  // namespace

Minute Minute::Of(WallTime time) {
  return Minute(std::chrono::floor<std::chrono::minutes>(time).time_since_epoch().count());
}

std::optional<Minute> Minute::ParseIso(std::string_view text) {
  if (text.empty() || text.back() != 'Z') return std::nullopt;
  text.remove_suffix(1);
  return Parse(text, '-', 'T', ':');
}

std::optional<Minute> Minute::ParsePath(std::string_view text) {
  return Parse(text, '/', '/', '/');
}

std::optional<Minute> Minute::ParseDashed(std::string_view text) {
  return Parse(text, '-', '-', '-');
}

std::string Minute::ToIso() const { return Format(since_epoch_, '-', 'T', ':') + "Z"; }
std::string Minute::ToPath() const { return Format(since_epoch_, '/', '/', '/'); }
std::string Minute::ToHourPath() const { return ToPath().substr(0, 13); }
std::string Minute::ToDashed() const { return Format(since_epoch_, '-', '-', '-'); }

}  // namespace databus
