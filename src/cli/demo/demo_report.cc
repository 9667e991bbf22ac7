#include "cli/demo/demo_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <ostream>

#include "cli/table.h"
#include "telemetry/iso_time.h"

namespace databus {
namespace {

constexpr Milliseconds kDrawEvery{500};
constexpr Milliseconds kPrintEvery{5000};

std::string Seconds(int64_t ms) { return fmt::format("{:.1f}", static_cast<double>(ms) / 1000.0); }

int64_t ElapsedS(BootTime since, const Clock& clock) {
  return std::chrono::duration_cast<std::chrono::seconds>(clock.Boot() - since).count();
}

std::string CommandsOf(const StoryFigures& story) {
  std::string text;
  for (const CommandFigures& command : story.commands) {
    text +=
        fmt::format("{}: {} s, {} calls of producers failed (a collector was killed, or refused)",
                    command.name, Seconds(command.took.count()), Grouped(command.refused));
    if (command.first_visible) {
      text += fmt::format(", something new in the merged stream of {} after {} s", command.primary,
                          Seconds(command.first_visible->count()));
    }
    text += "\n";
  }
  return text;
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
  text += CommandsOf(report.story);
  if (!report.arrived) wrong += "  not everything had arrived in time\n";
  if (report.verify_exit != 0) {
    wrong += fmt::format("  verify ended with {}:\n{}", report.verify_exit, report.verify_output);
  }
  if (!report.stopped.ok()) wrong += fmt::format("  {}\n", report.stopped.message());
  if (report.Clean()) return text + "\nNothing is lost and nothing is doubled.\n";
  return text + "\nNOT CLEAN:\n" + wrong;
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
