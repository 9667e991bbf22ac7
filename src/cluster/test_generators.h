// Generators of names for property tests. Only tests include this.
#pragma once

#include <string>
#include <string_view>

#include <rapidcheck.h>

#include "base/minute.h"

namespace databus {

// A valid name, with many '-' and '_' in it, since those are what file names are split at.
inline rc::Gen<std::string> NameGen() {
  constexpr std::string_view kFirst = "abzAZ09_-";
  constexpr std::string_view kBytes = "abzAZ09_-.--__";
  const auto one_of = [](std::string_view bytes) { return rc::gen::elementOf(std::string(bytes)); };
  return rc::gen::map(
      rc::gen::pair(one_of(kFirst),
                    rc::gen::resize(30, rc::gen::container<std::string>(one_of(kBytes)))),
      [](const std::pair<char, std::string>& parts) { return parts.first + parts.second; });
}

inline rc::Gen<Minute> MinuteGen() {
  constexpr int64_t kMinutesEnd = 4'223'371'680;  // 10000-01-01T00:00Z
  return rc::gen::map(rc::gen::inRange<int64_t>(0, kMinutesEnd),
                      [](int64_t since_epoch) { return Minute(since_epoch); });
}

}  // namespace databus
