#include "cli/service_options.h"

#include <CLI/CLI.hpp>

#include "telemetry/log.h"

namespace databus {

void AddServiceOptions(CLI::App& app, const std::string& config_help, ServiceOptions& options) {
  app.add_option("--config", options.config_file, config_help)->required()->type_name("FILE");
  app.add_option("--log-level", options.log_level, "debug, info, warning or error")
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}))
      ->type_name("LEVEL")
      ->capture_default_str();
  app.add_option("--log-file", options.log_file, "Log to this file too, not only to stderr")
      ->type_name("FILE");
}

Status StartServiceLog(const ServiceOptions& options) {
  return StartLog({.level = ParseLogLevel(options.log_level).value_or(LogLevel::kInfo),
                   .file = options.log_file});
}

}  // namespace databus
