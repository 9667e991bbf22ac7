// The structured log: one event, one line.
//
//   2031-05-06T10:04:05.678Z info worker: minute published stream=clicks files=3
//
// Time (UTC), level, component, what happened, then key=value. A value is written as it is when it
// is one plain word, else in double quotes with \" \\ \n \t and \xNN, so that no name, message or
// path can break a line or a terminal.
//
// Goes to stderr, and to a file as well when StartLog is given one. All functions are thread-safe,
// except StartLog, which is called once, before other threads log. Logging never fails a caller.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"

namespace databus {

enum class LogLevel : uint8_t { kDebug, kInfo, kWarning, kError };
std::optional<LogLevel> ParseLogLevel(std::string_view name);  // debug, info, warning, error

// One key=value. Keys are plain words, chosen by us.
struct LogField {
  LogField(std::string_view field_key, std::string_view text) : key(field_key), value(text) {}
  LogField(std::string_view field_key, const char* text) : key(field_key), value(text) {}
  LogField(std::string_view field_key, const std::string& text) : key(field_key), value(text) {}
  LogField(std::string_view field_key, const Status& status)
      : key(field_key), value(status.ToString()) {}
  template <std::integral Number>
  LogField(std::string_view field_key, Number number)
      : key(field_key), value(std::to_string(number)) {}

  std::string_view key;
  std::string value;
};
using LogFields = std::initializer_list<LogField>;

struct LogSettings {
  LogLevel level = LogLevel::kInfo;
  std::string file;  // appended to; empty: stderr only
};

// kRefused, naming the file and the reason, when the file cannot be opened; the log then goes on to
// stderr.
Status StartLog(const LogSettings& settings);

void LogDebug(std::string_view component, std::string_view message, LogFields fields = {});
void LogInfo(std::string_view component, std::string_view message, LogFields fields = {});
void LogWarning(std::string_view component, std::string_view message, LogFields fields = {});
void LogError(std::string_view component, std::string_view message, LogFields fields = {});

// The line without time and level: what the log writes.
std::string FormatLogEvent(std::string_view component, std::string_view message, LogFields fields);
// Any bytes as printable ASCII on one line (the rule above, without the quotes).
std::string Printable(std::string_view bytes);

}  // namespace databus
