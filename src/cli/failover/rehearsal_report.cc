#include "cli/failover/rehearsal_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "telemetry/iso_time.h"

namespace databus {
namespace {

using Json = nlohmann::ordered_json;

Json Ms(const std::optional<Milliseconds>& span) { return span ? Json(span->count()) : Json(); }

}  // namespace

bool RehearsalReport::IsClean() const {
  return counts.lost + counts.doubled == 0 && (!figures.loss || figures.loss->AllRecovered());
}

Json RehearsalToJson(const RehearsalReport& report) {
  const WayFigures& over = report.figures.ways.front();
  const WayFigures& back = report.figures.ways.back();
  Json json = {{"version", 1},
               {"at", ToIsoMs(report.at)},
               {"kind", KindName(report.kind)},
               {"from", report.from},
               {"to", report.to},
               {"failover_ms", Ms(over.took)},
               {"failback_ms", Ms(back.took)},
               {"rto_ms", Ms(over.first_file)},
               {"rpo_messages", report.counts.lost},
               {"doubled_messages", report.counts.doubled},
               {"producers_refused", over.refused.value_or(0) + back.refused.value_or(0)},
               {"messages_sent", report.counts.sent},
               {"messages_acknowledged", report.counts.acknowledged},
               {"messages_arrived", report.counts.arrived}};
  if (const auto& lack = report.figures.lack) {
    json["lacked_at_swap"] = {{"messages", lack->messages},
                              {"from_lost", lack->from_lost},
                              {"oldest_ms", lack->oldest.count()}};
  }
  json["figures"] = FiguresToJson(FiguresOf(report.figures));
  return json;
}

std::string RenderRehearsal(const RehearsalReport& report) {
  const auto& rto = report.figures.ways.front().first_file;
  std::string text = fmt::format("{} rehearsal {} -> {}\n{}", KindName(report.kind), report.from,
                                 report.to, RenderFigures(FiguresOf(report.figures)));
  text += fmt::format("RTO {} (from the command to the first file of the new primary)\n",
                      rto ? ToHuman(*rto) : "not seen");
  text += fmt::format("RPO {} messages lost, {} doubled, of {} acknowledged\n", report.counts.lost,
                      report.counts.doubled, report.counts.acknowledged);
  if (const auto& lack = report.figures.lack) {
    text += fmt::format(
        "Had {0} been lost for good at the swap: up to {1} messages of {0}'s collectors, of the "
        "last {2}\n",
        report.from, lack->from_lost, ToHuman(lack->oldest));
  }
  return text;
}

Result<std::string> LeaveReport(const RehearsalReport& report, const std::string& directory) {
  std::string name = fmt::format("rehearsal-{}-{}-{}.json", ToIsoMs(report.at).substr(0, 19),
                                 report.from, report.to);
  std::ranges::replace(name, ':', '-');
  const std::filesystem::path path = std::filesystem::path(directory) / name;
  std::ofstream file(path);
  file << RehearsalToJson(report).dump(1) << "\n";
  if (!file.flush()) return Status(Code::kRefused, path.string() + ": cannot be written");
  return path.string();
}

}  // namespace databus
