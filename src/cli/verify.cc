// `databus verify`: are the views of all clusters equal, by identity and by count?
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <set>

#include "base/sync.h"
#include "cli/all_commands.h"
#include "cli/table.h"
#include "cli/told_losses.h"
#include "cli/verify_observe.h"
#include "telemetry/iso_time.h"
#include "telemetry/log.h"

namespace databus {
namespace {

constexpr size_t kLinesMax = 50;  // findings of one verdict that are listed; all are counted

struct Options {
  std::string topology_file;
  std::string stream;
  MinuteRange range;
  Milliseconds wait{0};
  bool deep = false;
  bool json = false;
};

struct ViewCount {
  std::string stream;
  std::string cluster;
  View view = View::kLocal;
  uint64_t files = 0;
  uint64_t messages = 0;
  std::string unreadable;
};

// A file by its stream and its name, wherever it is on its way.
using Travellers = std::set<std::pair<std::string, std::string>>;

struct Outcome {
  std::vector<ViewCount> counts;
  std::vector<Finding> findings;
  Travellers on_its_way;
  bool awaited_are_here = true;  // of what was on its way at the first look
  ToldLosses told{};             // by collectors, of what may be lost with their spools

  uint64_t Files(Verdict verdict) const { return Sum(verdict, &Finding::files); }
  uint64_t Messages(Verdict verdict) const { return Sum(verdict, &Finding::messages); }
  uint64_t Sum(Verdict verdict, uint64_t Finding::* member) const {
    uint64_t sum = 0;
    for (const Finding& finding : findings) sum += finding.verdict == verdict ? finding.*member : 0;
    return sum;
  }
  bool Has(Verdict verdict) const {
    return std::ranges::any_of(findings, [&](const auto& f) { return f.verdict == verdict; });
  }
};

constexpr Verdict kAllVerdicts[] = {Verdict::kLost, Verdict::kDoubled, Verdict::kPending,
                                    Verdict::kPurged, Verdict::kUnknown};

Outcome Look(VerifyObserver& observer, const std::vector<StreamSpec>& streams,
             const MinuteRange& range) {
  Outcome outcome;
  for (const SeenStream& seen : observer.Look(streams, FirstToRead(range))) {
    for (const SeenView& view : seen.views) {
      ViewCount count{seen.stream, view.cluster, view.view, 0, 0, view.unreadable};
      for (const auto& file : view.files) {
        if (!range.Holds(file->minute)) continue;
        ++count.files;
        count.messages += file->messages;
      }
      outcome.counts.push_back(std::move(count));
    }
    for (const auto& [cluster, names] : seen.delivered) {
      for (const std::string& name : names) outcome.on_its_way.emplace(seen.stream, name);
    }
    for (Finding& finding : Judge(seen, range)) {
      if (finding.verdict == Verdict::kPending && paths::ParseMinutePath(finding.path)) {
        outcome.on_its_way.emplace(seen.stream, paths::BaseName(finding.path));
      }
      outcome.findings.push_back(std::move(finding));
    }
  }
  return outcome;
}

bool AreHere(const Travellers& awaited, const Travellers& on_its_way) {
  return std::ranges::none_of(awaited, [&](const auto& file) { return on_its_way.contains(file); });
}

constexpr Milliseconds kTellEvery{10'000};  // where there is no terminal

// Looks again while there is something that a moment may settle, until `wait` is over. What was on
// its way at the first look is waited for; where producers run there is always something.
Outcome LookUntilSettled(VerifyObserver& observer, const std::vector<StreamSpec>& streams,
                         const Options& options, Io& io, const Clock& clock) {
  const BootTime deadline = clock.Boot() + options.wait;
  StopFlag never;
  std::optional<Travellers> awaited;
  BootTime told = clock.Boot();
  for (;;) {
    Outcome outcome = Look(observer, streams, options.range);
    if (outcome.Has(Verdict::kLost) || outcome.Has(Verdict::kDoubled)) {
      Outcome second = Look(observer, streams, options.range);
      second.findings = Confirm(outcome.findings, std::move(second.findings));
      outcome = std::move(second);
    }
    // What cannot be read may hide something.
    if (!awaited && !outcome.Has(Verdict::kUnknown)) awaited = outcome.on_its_way;
    outcome.awaited_are_here = awaited && AreHere(*awaited, outcome.on_its_way);
    const bool settled =
        outcome.awaited_are_here && std::ranges::all_of(outcome.findings, [](const Finding& f) {
          return f.verdict == Verdict::kPurged || f.verdict == Verdict::kPending;
        });
    const BootTime now = clock.Boot();
    if (settled || now >= deadline) return outcome;
    if (io.terminal == Terminal::kYes || now - told >= kTellEvery) {
      told = now;
      const bool terminal = io.terminal == Terminal::kYes;
      io.err << fmt::format("{}waiting: {} on their way, {} left{}", terminal ? "\r" : "",
                            Plural(outcome.on_its_way.size(), "file"),
                            ToHuman(std::chrono::duration_cast<Milliseconds>(deadline - now)),
                            terminal ? "   " : "\n")
             << std::flush;
    }
    never.SleepUntil(clock, std::min(deadline, clock.Boot() + std::chrono::seconds(1)));
  }
}

Exit Judgement(const Outcome& outcome, const Options& options) {
  if (outcome.Has(Verdict::kLost) || outcome.Has(Verdict::kDoubled)) return Exit::kFailed;
  if (outcome.Has(Verdict::kUnknown)) return Exit::kUndecided;
  if (options.wait.count() > 0 && !outcome.awaited_are_here) return Exit::kUndecided;
  const bool nothing =
      outcome.findings.empty() &&
      std::ranges::all_of(outcome.counts, [](const auto& c) { return c.files == 0; });
  return nothing ? Exit::kNothingToDo : Exit::kDone;
}

std::string_view SentenceOfViews(const Outcome& outcome, Exit exit) {
  switch (exit) {
    case Exit::kDone:
      if (!outcome.told.empty()) return "In the views nothing is lost, nothing is doubled.";
      return outcome.Has(Verdict::kPending)
                 ? "Nothing is lost, nothing is doubled; something is still on its way."
                 : "Nothing is lost, nothing is doubled.";
    case Exit::kFailed:
      return "NOT EQUAL: something is lost or doubled. Keep everything as it is; purge nothing.";
    case Exit::kUndecided:
      return outcome.Has(Verdict::kUnknown)
                 ? "CANNOT BE DECIDED: something cannot be read."
                 : "STILL ON ITS WAY: not all that was on its way at the beginning has arrived in "
                   "the time to wait; nothing is lost or doubled.";
    case Exit::kNothingToDo: return "There is nothing in this range.";
    case Exit::kUsage: break;
  }
  return "";
}

std::string Sentence(const Outcome& outcome, Exit exit) {
  return std::string(SentenceOfViews(outcome, exit)) + SentenceOfLossesTold(outcome.told);
}

std::string Render(const Outcome& outcome, Exit exit) {
  Table views({"STREAM", "CLUSTER", "VIEW", ">FILES", ">MESSAGES"});
  for (const ViewCount& count : outcome.counts) {
    const bool known = count.unreadable.empty();
    views.Row({count.stream, count.cluster, std::string(ViewName(count.view)),
               known ? Grouped(count.files) : "?", known ? Grouped(count.messages) : "?"});
  }
  std::string text = views.ToString() + "\n";
  for (const Verdict verdict : kAllVerdicts) {
    text +=
        fmt::format("{:<8}  {}, {}\n", VerdictName(verdict), Plural(outcome.Files(verdict), "file"),
                    Plural(outcome.Messages(verdict), "message"));
    size_t lines = 0;
    for (const Finding& finding : outcome.findings) {
      if (finding.verdict != verdict || verdict == Verdict::kPurged) continue;
      if (++lines > kLinesMax) continue;
      text += fmt::format("  {} {} {}: {}{}{}\n", finding.stream, finding.cluster,
                          ViewName(finding.view), Printable(finding.path),
                          finding.path.empty() ? "" : ": ", Printable(finding.reason));
    }
    if (lines > kLinesMax) text += fmt::format("  and {} more\n", Grouped(lines - kLinesMax));
  }
  return text + "\n" + Sentence(outcome, exit) + "\n";
}

nlohmann::ordered_json ToJson(const Outcome& outcome, Exit exit) {
  nlohmann::ordered_json json = {
      {"version", 1}, {"exit", static_cast<int>(exit)}, {"result", Sentence(outcome, exit)}};
  json["told_by_collectors"] = outcome.told.losses;
  json["collectors_unread"] = outcome.told.unread;
  json["views"] = nlohmann::ordered_json::array();
  for (const ViewCount& count : outcome.counts) {
    json["views"].push_back({{"stream", count.stream},
                             {"cluster", count.cluster},
                             {"view", ViewName(count.view)},
                             {"files", count.files},
                             {"messages", count.messages},
                             {"unreadable", count.unreadable}});
  }
  for (const Verdict verdict : kAllVerdicts) {
    json[std::string(VerdictName(verdict))] = {{"files", outcome.Files(verdict)},
                                               {"messages", outcome.Messages(verdict)}};
  }
  json["findings"] = nlohmann::ordered_json::array();
  for (const Finding& finding : outcome.findings) {
    json["findings"].push_back({{"verdict", VerdictName(finding.verdict)},
                                {"stream", finding.stream},
                                {"cluster", finding.cluster},
                                {"view", ViewName(finding.view)},
                                {"path", finding.path},
                                {"files", finding.files},
                                {"messages", finding.messages},
                                {"reason", finding.reason}});
  }
  return json;
}

Result<std::vector<StreamSpec>> ChooseStreams(const Topology& topology, const std::string& name) {
  if (name.empty()) return topology.streams;
  if (const StreamSpec* stream = topology.FindStream(name)) return std::vector{*stream};
  std::vector<std::string> names;
  names.reserve(topology.streams.size());
  for (const StreamSpec& stream : topology.streams) names.push_back(stream.name);
  return Status(Code::kInvalid, fmt::format("{} has no stream '{}'; it has {}", topology.file, name,
                                            fmt::join(names, ", ")));
}

Exit Verify(const Options& options, Io& io, Seams& seams) {
  if (const Status range = CheckRange(options.range); !range.ok()) return Report(io, range);
  const auto topology = CurrentTopology(seams, options.topology_file);
  if (!topology.ok()) return Report(io, topology.status());
  const auto streams = ChooseStreams(*topology, options.stream);
  if (!streams.ok()) return Report(io, streams.status());
  VerifyObserver observer(*topology, seams, options.deep ? Depth::kBytes : Depth::kHeaders);
  Outcome outcome = LookUntilSettled(observer, *streams, options, io, seams.clock);
  outcome.told = LossesToldOf(observer.AnsweringTrees());
  if (options.wait.count() > 0 && io.terminal == Terminal::kYes) io.err << "\n";
  const Exit exit = Judgement(outcome, options);
  if (options.json) {
    io.out << ToJson(outcome, exit).dump(1, ' ', true, nlohmann::json::error_handler_t::replace)
           << "\n";
  } else {
    io.out << Render(outcome, exit);
  }
  return exit;
}

// "30s", "500ms", "2m", "1h".
Milliseconds ParseSpan(const std::string& text) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view unit(end, text.data() + text.size() - end);
  const int64_t ms = unit == "ms"  ? 1
                     : unit == "s" ? 1000
                     : unit == "m" ? 60'000
                     : unit == "h" ? 3'600'000
                                   : 0;
  constexpr int64_t kHoursMax = 1000;
  if (error != std::errc() || ms == 0 || number < 0 || number > kHoursMax * 3'600'000 / ms) {
    throw CLI::ValidationError("--wait",
                               fmt::format("found '{}', expected a time like 30s or 2m", text));
  }
  return Milliseconds(number * ms);
}

CommandBody Define(CLI::App& app) {
  auto options = std::make_shared<Options>();
  AddTopologyOption(app, options->topology_file);
  app.add_option("--stream", options->stream, "Only this stream (default: all)")->type_name("NAME");
  AddRangeOptions(app, options->range);
  app.add_option_function<std::string>(
         "--wait", [options](const std::string& text) { options->wait = ParseSpan(text); },
         "Give what is on its way now this long to arrive: 30s, 2m")
      ->type_name("D");
  app.add_flag("--deep", options->deep, "Read all bytes too: checksums, and that files uncompress");
  app.add_flag("--json", options->json, "Print JSON");
  return [options](Io& io, Seams& seams) { return Verify(*options, io, seams); };
}

}  // namespace

const Command kVerify{
    .name = "verify",
    .summary = "Compare the views of all clusters, by identity and by count.",
    .details =
        "lost: a file should be in a view and waits nowhere. doubled: it is there twice. pending: "
        "it\n"
        "is on its way, or set aside; no error, unless it was given a time by --wait. purged: "
        "gone\n"
        "by retention. unknown: something cannot be read.\n"
        "Exit 0 equal, 1 lost or doubled, 3 nothing in the range, 4 cannot be decided.",
    .define = &Define};

}  // namespace databus
