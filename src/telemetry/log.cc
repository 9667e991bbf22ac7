#include "telemetry/log.h"

#include <fmt/format.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <memory>

namespace databus {
namespace {

constexpr const char* kPattern = "%Y-%m-%dT%H:%M:%S.%eZ %l %v";

spdlog::level::level_enum ToSpdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug: return spdlog::level::debug;
    case LogLevel::kInfo: return spdlog::level::info;
    case LogLevel::kWarning: return spdlog::level::warn;
    case LogLevel::kError: return spdlog::level::err;
  }
  __builtin_unreachable();
}

std::shared_ptr<spdlog::logger> MakeLogger() {
  auto logger = std::make_shared<spdlog::logger>("databus",
                                                 std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_pattern(kPattern, spdlog::pattern_time_type::utc);
  logger->flush_on(spdlog::level::debug);
  return logger;
}

spdlog::logger& Logger() {
  // Never destroyed: threads may still log while the process ends.
  static const auto* const logger = new std::shared_ptr<spdlog::logger>(MakeLogger());
  return **logger;
}

bool IsPlain(char c) { return c > ' ' && c <= '~' && c != '"' && c != '\\'; }

void AppendValue(std::string& line, std::string_view value) {
  if (!value.empty() && value.front() != '=' && std::ranges::all_of(value, IsPlain)) {
    line += value;
    return;
  }
  fmt::format_to(std::back_inserter(line), "\"{}\"", Printable(value));
}

void Write(LogLevel level, std::string_view component, std::string_view message, LogFields fields) {
  spdlog::logger& logger = Logger();
  if (!logger.should_log(ToSpdlog(level))) return;
  logger.log(ToSpdlog(level), spdlog::string_view_t(FormatLogEvent(component, message, fields)));
}

}  // namespace

std::optional<LogLevel> ParseLogLevel(std::string_view name) {
  if (name == "debug") return LogLevel::kDebug;
  if (name == "info") return LogLevel::kInfo;
  if (name == "warning") return LogLevel::kWarning;
  if (name == "error") return LogLevel::kError;
  return std::nullopt;
}

Status StartLog(const LogSettings& settings) {
  spdlog::logger& logger = Logger();
  logger.set_level(ToSpdlog(settings.level));
  if (settings.file.empty()) return Status::Ok();
  try {
    logger.sinks().push_back(std::make_shared<spdlog::sinks::basic_file_sink_mt>(settings.file));
  } catch (const spdlog::spdlog_ex& error) {
    return {Code::kRefused, fmt::format("log file {}: {}", settings.file, error.what())};
  }
  logger.set_pattern(kPattern, spdlog::pattern_time_type::utc);
  return Status::Ok();
}

void LogDebug(std::string_view component, std::string_view message, LogFields fields) {
  Write(LogLevel::kDebug, component, message, fields);
}
void LogInfo(std::string_view component, std::string_view message, LogFields fields) {
  Write(LogLevel::kInfo, component, message, fields);
}
void LogWarning(std::string_view component, std::string_view message, LogFields fields) {
  Write(LogLevel::kWarning, component, message, fields);
}
void LogError(std::string_view component, std::string_view message, LogFields fields) {
  Write(LogLevel::kError, component, message, fields);
}

std::string FormatLogEvent(std::string_view component, std::string_view message, LogFields fields) {
  std::string line = fmt::format("{}: {}", component, Printable(message));
  for (const LogField& field : fields) {
    fmt::format_to(std::back_inserter(line), " {}=", field.key);
    AppendValue(line, field.value);
  }
  return line;
}

std::string Printable(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  for (const char c : bytes) {
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c < ' ' || c > '~') {
      fmt::format_to(std::back_inserter(out), "\\x{:02X}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace databus
