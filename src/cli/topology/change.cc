#include "cli/topology/change.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <nlohmann/json.hpp>
#include <ostream>

#include "cli/ask.h"
#include "cli/open_failover.h"
#include "failover/journal_store.h"
#include "failover/plan.h"
#include "failover/steps.h"

namespace databus {
namespace {

using Json = nlohmann::ordered_json;

bool Forbids(const Objection& objection, const ChangeOptions& options) {
  return objection.weight == Objection::Weight::kFinal || !options.force;
}

bool IsForbidden(const TopologyChange& change, const ChangeOptions& options) {
  return std::ranges::any_of(change.objections,
                             [&](const Objection& each) { return Forbids(each, options); });
}

std::string RenderChange(const TopologyChange& change, const ChangeOptions& options) {
  std::string text = fmt::format("From {} to epoch {}:\n", change.base, change.next.epoch);
  for (const std::string& line : change.changes) text += "  " + line + "\n";
  if (change.changes.empty()) text += "  nothing changes\n";
  for (const std::string& line : change.consequences) text += "note: " + line + "\n";
  for (const Objection& objection : change.objections) {
    text +=
        fmt::format("{}: {}\n    next: {}\n", Forbids(objection, options) ? "REFUSED" : "forced",
                    objection.what, objection.next);
  }
  return text;
}

Json ToJson(const TopologyChange& change, const ChangeOptions& options) {
  Json json = {{"version", 1},
               {"base", change.base},
               {"epoch", change.next.epoch},
               {"dry_run", options.dry_run},
               {"changes", change.changes},
               {"notes", change.consequences}};
  json["objections"] = Json::array();
  for (const Objection& objection : change.objections) {
    json["objections"].push_back({{"what", objection.what},
                                  {"next", objection.next},
                                  {"refuses", Forbids(objection, options)}});
  }
  return json;
}

// What is printed before anything is done: for people, or at the end as JSON.
void Show(const TopologyChange& change, const ChangeOptions& options, Io& io) {
  if (!options.json) io.out << RenderChange(change, options) << std::flush;
}

Exit Finish(Json json, const ChangeOptions& options, Exit exit, Io& io) {
  if (!options.json) return exit;
  json["exit"] = static_cast<int>(exit);
  io.out << json.dump(1, ' ', true, Json::error_handler_t::replace) << "\n";
  return exit;
}

Exit StoreIt(const TopologyChange& change, TopologyDesk& desk, const ChangeOptions& options,
             Io& io) {
  const TopologyEpoch next = TopologyEpoch::Of(change.next);
  Json json = ToJson(change, options);
  if (change.waits_for_failover) desk.Look();
  const Status free = change.waits_for_failover ? CheckNoFailoverIsOpen(desk) : Status::Ok();
  const auto stored = free.ok() ? desk.Store(next) : Result<TopologyDesk::Stored>(free);
  if (!stored.ok()) {
    json["failed"] = stored.status().message();
    return Finish(std::move(json), options, Report(io, stored.status()), io);
  }
  json["digest"] = next.digest;
  json["stored_on"] = stored->on;
  json["not_on"] = stored->not_on;
  if (!options.json) {
    io.out << fmt::format("Stored as epoch {} on {}.\n", next.stored.epoch,
                          fmt::join(stored->on, ", "));
    for (const auto& [cluster, why] : stored->not_on) {
      io.out << fmt::format("Not yet on {}: {}\n", cluster, why);
    }
    io.out << "Processes obey it within seconds; `databus status` shows which do.\n";
  }
  return Finish(std::move(json), options, Exit::kDone, io);
}

}  // namespace

void AddChangeOptions(CLI::App& app, ChangeOptions& options) {
  app.add_flag("--dry-run", options.dry_run, "Show what would be done, and change nothing");
  app.add_flag("--yes", options.yes, "Do not ask");
  app.add_flag("--json", options.json, "Print JSON");
}

void AddForceOption(CLI::App& app, ChangeOptions& options) {
  app.add_flag("--force", options.force, "Do it in spite of what speaks against it");
}

TopologyChange ChangeOf(const TopologyDesk& desk, const TopologyEpoch& base, std::string author) {
  return {.base = fmt::format("epoch {} ({})", base.stored.epoch, base.stored.author),
          .next = desk.Next(base, std::move(author)),
          .changes = {},
          .consequences = {},
          .objections = {},
          .waits_for_failover = false};
}

void ObjectToOpenFailover(const TopologyDesk& desk, TopologyChange& change) {
  change.waits_for_failover = true;
  const failover::FoundJournals journals = failover::JournalStore(desk).ReadAll();
  if (const failover::Journal* open = failover::FindOpen(journals.by_id)) {
    change.objections.push_back(
        {fmt::format("{} {} is under way, at step {}", failover::KindName(open->kind), open->id,
                     failover::StepName(open->step)),
         "let it end first: " + failover::HowToEnd(*open), Objection::Weight::kFinal});
  }
  for (const std::string& unreadable : journals.unreadable) {
    change.objections.push_back(
        {fmt::format("the journal of a failover cannot be read: {}", unreadable),
         "it may be under way; mend what the message says", Objection::Weight::kFinal});
  }
}

Exit CarryOut(const TopologyChange& change, TopologyDesk& desk, const ChangeOptions& options,
              Io& io) {
  Show(change, options, io);
  if (IsForbidden(change, options)) {
    io.err << "databus: refused; nothing is changed\n";
    return Finish(ToJson(change, options), options, Exit::kFailed, io);
  }
  if (change.changes.empty()) {
    return Finish(ToJson(change, options), options, Exit::kNothingToDo, io);
  }
  if (options.dry_run) return Finish(ToJson(change, options), options, Exit::kDone, io);
  const std::string question = fmt::format("Store it as epoch {}?", change.next.epoch);
  if (!options.yes && Ask(io, question) == Answer::kNo) {
    io.err << "databus: not confirmed; nothing is changed\n";
    return Finish(ToJson(change, options), options, Exit::kFailed, io);
  }
  return StoreIt(change, desk, options, io);
}

}  // namespace databus
