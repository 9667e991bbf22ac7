// The options that `collector` and `worker` share.
#pragma once

#include <string>

#include "cli/command.h"

namespace databus {

struct ServiceOptions {
  std::string config_file;
  std::string log_level = "info";
  std::string log_file;
};
void AddServiceOptions(CLI::App& app, const std::string& config_help, ServiceOptions& options);
Status StartServiceLog(const ServiceOptions& options);

}  // namespace databus
