#include "cli/demo/demo_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <ostream>

#include "cli/table.h"
#include "telemetry/iso_time.h"

namespace databus {
namespace {

using Json = nlohmann::ordered_json;

constexpr Milliseconds kDrawEvery{500};
constexpr Milliseconds kPrintEvery{5000};

std::string Seconds(int64_t ms) { return fmt::format("{:.1f}", static_cast<double>(ms) / 1000.0); }

int64_t ElapsedS(BootTime since, const Clock& clock) {
  return std::chrono::duration_cast<std::chrono::seconds>(clock.Boot() - since).count();
}

std::string StoryName(DemoStory story) {
  switch (story) {
    case DemoStory::kKills: return "kills";
    case DemoStory::kPlanned: return "planned";
    case DemoStory::kUnplanned: return "unplanned";
  }
  return "";
}

// In a demo without commands the table of views says it all.
std::string RenderStory(const DemoReport& report) {
  if (report.story.commands.empty()) return "";
  std::string text = "\n" + RenderFigures(FiguresOf(report.figures)) + "\n";
  // After a planned one it may be from the old primary (docs/failover.md).
  for (const CommandFigures& command : report.story.commands) {
    const bool by_the_new = command.measured.kind == failover::Kind::kUnplanned;
    if (!by_the_new || !command.first_visible) continue;
    text += fmt::format("{}: something new in the merged stream of {} after {} s\n", command.name,
                        command.primary, Seconds(command.first_visible->count()));
  }
  return text;
}

Json ToJson(const CommandFigures& command) {
  const auto& first = command.first_visible;
  return {{"name", command.name},
          {"took_ms", command.measured.took.value_or(Milliseconds(0)).count()},
          {"refused", command.measured.refused.value_or(0)},
          {"disconnected", command.measured.disconnected.value_or(0)},
          {"first_visible_ms", first ? Json(first->count()) : Json(nullptr)}};
}

Json ToJson(const SequenceResult& view) {
  return {{"stream", view.stream},
          {"view", HopName(view.hop)},
          {"clusters", view.clusters},
          {"acknowledged", view.acknowledged},
          {"seen", view.seen},
          {"lost", view.lost},
          {"doubled", view.doubled},
          {"strange", view.strange},
          {"unconfirmed", view.unconfirmed}};
}

}  // namespace

DemoDisplay::DemoDisplay(Io& io, const Clock& clock)
    : io_(io), clock_(clock), started_(clock.Boot()), shown_(started_) {}

void DemoDisplay::Progress(const std::vector<StreamProgress>& progress, const HopWatch& watch) {
  const BootTime now = clock_.Boot();
  if (now - shown_ < (io_.terminal == Terminal::kYes ? kDrawEvery : kPrintEvery)) return;
  shown_ = now;
  if (io_.terminal == Terminal::kYes) {
    const std::string table = TableOf(progress, watch);
    Erase();
    io_.err << table << std::flush;
    lines_ = std::ranges::count(table, '\n');
    return;
  }
  for (const StreamProgress& stream : progress) {
    io_.out << fmt::format("{:>4} s  {}: sent {}, acknowledged {}", ElapsedS(started_, clock_),
                           stream.stream, Grouped(stream.sent), Grouped(stream.acknowledged));
    for (size_t hop = 0; hop < kAllHops.size(); ++hop) {
      const auto lag_ms = watch.RecentLagMs(stream.stream, kAllHops[hop]);
      io_.out << fmt::format(", {} {}{}", HopName(kAllHops[hop]), Grouped(stream.visible[hop]),
                             lag_ms == 0 ? "" : fmt::format(" (lag {} s)", Seconds(lag_ms)));
    }
    io_.out << "\n";
  }
  io_.out << std::flush;
}

std::string DemoDisplay::TableOf(const std::vector<StreamProgress>& progress,
                                 const HopWatch& watch) {
  Table table({"stream", ">sent", ">acknowledged", ">local", ">lag s", ">merged", ">lag s",
               ">mirror", ">lag s"});
  for (const StreamProgress& stream : progress) {
    std::vector<std::string> row{stream.stream, Grouped(stream.sent), Grouped(stream.acknowledged)};
    for (size_t hop = 0; hop < kAllHops.size(); ++hop) {
      const auto lag_ms = watch.RecentLagMs(stream.stream, kAllHops[hop]);
      row.push_back(Grouped(stream.visible[hop]));
      row.push_back(lag_ms == 0 ? "" : Seconds(lag_ms));
    }
    table.Row(std::move(row));
  }
  return fmt::format("{} s\n{}", ElapsedS(started_, clock_), table.ToString("  "));
}

void DemoDisplay::Erase() {
  if (lines_ > 0) io_.err << fmt::format("\x1b[{}A\x1b[J", lines_);
  lines_ = 0;
}

void DemoDisplay::Event(const std::string& text) {
  Erase();
  io_.err << std::flush;
  io_.out << fmt::format("{:>4} s  {}\n", ElapsedS(started_, clock_), text) << std::flush;
}

std::string RenderDemoReport(const DemoReport& report) {
  Table table(
      {"stream", "view", "in", ">acknowledged", ">seen", ">lost", ">doubled", ">unconfirmed"});
  std::string wrong;
  for (const SequenceResult& result : report.sequences) {
    table.Row({result.stream, std::string(HopName(result.hop)),
               fmt::format("{}", fmt::join(result.clusters, "+")), Grouped(result.acknowledged),
               Grouped(result.seen), Grouped(result.lost), Grouped(result.doubled),
               Grouped(result.unconfirmed)});
    if (result.Clean()) continue;
    wrong += fmt::format("  {} {}: {}\n", result.stream, HopName(result.hop), result.example);
    if (result.strange > 0) {
      wrong += fmt::format("  {} {}: {} that nobody sent\n", result.stream, HopName(result.hop),
                           Plural(result.strange, "line"));
    }
  }
  uint64_t resent = 0;
  for (const SourceCount& source : report.sources) resent += source.resent;
  std::string text = fmt::format("\n{}\n", table.ToString());
  text +=
      fmt::format("Sent again after a lost connection or answer: {}\n", Plural(resent, "message"));
  for (size_t hop = 0; hop < kAllHops.size(); ++hop) {
    const auto& lags = report.lags_ms[hop];
    text += fmt::format("From acceptance to visible, {}: median {} s, 99% {} s, longest {} s\n",
                        HopName(kAllHops[hop]), Seconds(LagAt(lags, 0.5)),
                        Seconds(LagAt(lags, 0.99)), Seconds(LagAt(lags, 1)));
  }
  text += RenderStory(report);
  if (!report.LossIsRecovered()) wrong += "  not all that the loss statement names is recovered\n";
  if (!report.arrived) wrong += "  not everything had arrived in time\n";
  if (report.verify_exit != 0) {
    wrong += fmt::format("  verify ended with {}:\n{}", report.verify_exit, report.verify_output);
  }
  if (!report.stopped.ok()) wrong += fmt::format("  {}\n", report.stopped.message());
  if (report.Clean()) return text + "\nNothing is lost and nothing is doubled.\n";
  return text + "\nNOT CLEAN:\n" + wrong;
}

Json DemoReportToJson(const DemoReport& report) {
  Json json = {{"version", 1},
               {"story", StoryName(report.kind)},
               {"clean", report.Clean()},
               {"verify_exit", report.verify_exit},
               {"commands", Json::array()},
               {"kills", Json::array()},
               {"views", Json::array()},
               {"figures", FiguresToJson(FiguresOf(report.figures))}};
  for (const CommandFigures& command : report.story.commands) {
    json["commands"].push_back(ToJson(command));
  }
  for (const DrillDeath& death : report.story.kills) {
    json["kills"].push_back({{"who", death.who}, {"step", death.step}});
  }
  for (const SequenceResult& view : report.sequences) json["views"].push_back(ToJson(view));
  return json;
}

std::string RenderNextSteps(const DemoSite& site, const std::string& program) {
  const StreamSpec& stream = site.topology.streams.front();
  const std::string which = fmt::format("{} --topology {} --cluster {}", stream.name,
                                        site.topology_file, stream.Primary());
  return fmt::format(
      "\nThe files are in {0}: conf/, the clusters dc1/ and dc2/ (if nowhere else), spool/, log/.\n"
      "Try next:\n"
      "  {1} ls {2} --messages\n"
      "  {1} cat {2} | wc -l\n"
      "  {1} status --topology {3}\n"
      "  {1} verify --topology {3}\n",
      site.root, program, which, site.topology_file);
}

}  // namespace databus
