// What a demo shows: while it runs, and at its end.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/clock.h"
#include "cli/command.h"
#include "cli/demo/demo_run.h"

namespace databus {

// A table that is drawn over itself on a terminal; else a line every few seconds on the output.
class DemoDisplay {
 public:
  DemoDisplay(Io& io, const Clock& clock);

  void Progress(const std::vector<StreamProgress>& progress, const HopWatch& watch);
  void Event(const std::string& text);

 private:
  std::string TableOf(const std::vector<StreamProgress>& progress, const HopWatch& watch);
  void Erase();

  Io& io_;
  const Clock& clock_;
  const BootTime started_;
  BootTime shown_;
  int64_t lines_ = 0;  // of the table that stands on the terminal
};

// The verdict, message by message, and why it is not clean if it is not.
std::string RenderDemoReport(const DemoReport& report);
// The same for programs: tools/drills reads it.
nlohmann::ordered_json DemoReportToJson(const DemoReport& report);
// Where the files lie and what to try next.
std::string RenderNextSteps(const DemoSite& site, const std::string& program);

}  // namespace databus
