#include "cli/failover/session.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "cli/failover/scratch_stream.h"
#include "cli/installation.h"
#include "failover/gates.h"
#include "failover/run.h"

namespace databus {

using failover::Journal;
using failover::Kind;

std::string_view WayName(Way way) { return way == Way::kOver ? "failover" : "failback"; }

void AddWithoutOption(CLI::App& app, FailoverOptions& options) {
  app.add_option("--without", options.request.without,
                 "Do not wait for this collector (CLUSTER/NAME) or cluster; may be repeated")
      ->type_name("NAME");
}

void AddRequestOptions(CLI::App& app, Way way, FailoverOptions& options) {
  AddTopologyOption(app, options.topology_file);
  if (way == Way::kOver) {
    app.add_option("--from", options.request.from, "The cluster whose business moves")
        ->required()
        ->type_name("CLUSTER");
  } else {
    options.request.kind = Kind::kFailback;
  }
  app.add_option("--to", options.request.to,
                 way == Way::kOver ? "The cluster that takes it over"
                                   : "The cluster that was failed over, and comes back")
      ->required()
      ->type_name("CLUSTER");
  AddWithoutOption(app, options);
  if (way == Way::kBack) return;
  app.add_flag_function(
      "--unplanned", [&options](int64_t) { options.request.kind = Kind::kUnplanned; },
      "The cluster is lost: swap at once, after the loss statement is accepted");
  app.add_option_function<std::vector<std::string>>(
         "--redirect-to",
         [&options](const std::vector<std::string>& texts) {
           for (const std::string& text : texts) {
             const auto endpoint = Endpoint::Parse(text);
             if (!endpoint) {
               throw CLI::ValidationError("--redirect-to",
                                          fmt::format("found '{}', expected HOST:PORT", text));
             }
             options.request.redirect_to.push_back(*endpoint);
           }
         },
         "Send the collectors' messages there, rather than to the live collectors of --to")
      ->type_name("HOST:PORT");
}

std::string CommandLineOf(Way way, std::string_view verb, const FailoverOptions& options) {
  const failover::Request& request = options.request;
  std::string line = fmt::format("databus {} {}", WayName(way), verb);
  if (!options.topology_file.empty()) line += " --topology " + options.topology_file;
  if (way == Way::kOver) line += " --from " + request.from;
  line += " --to " + request.to;
  if (request.kind == Kind::kUnplanned) line += " --unplanned";
  for (const std::string& name : request.without) line += " --without " + name;
  for (const Endpoint& receiver : request.redirect_to) {
    line += " --redirect-to " + receiver.ToString();
  }
  return line;
}

FailoverSession::FailoverSession(const Topology& topology, Seams& seams)
    : of_the_file_(topology.clusters),
      desk_({.random = seams.random,
             .open =
                 [&seams](const ClusterSpec& cluster) {
                   return seams.open_storage(cluster.url, cluster.root_dir);
                 },
             .clusters = topology.clusters}),
      store_(desk_),
      observer_(desk_, seams.clock) {}

Result<std::unique_ptr<FailoverSession>> FailoverSession::Open(const std::string& topology_file,
                                                               Seams& seams) {
  DATABUS_ASSIGN_OR_RETURN(const Topology topology, LoadTopology(seams, topology_file));
  return std::unique_ptr<FailoverSession>(new FailoverSession(topology, seams));
}

Result<std::map<std::string, Journal>> FailoverSession::Journals() {
  desk_.Look();
  failover::FoundJournals found = store_.ReadAll();
  if (found.unreadable.empty()) return std::move(found.by_id);
  return Status(Code::kRefused, fmt::format("nobody can tell whether a failover is open: {}",
                                            fmt::join(found.unreadable, "; ")));
}

Result<failover::Plan> FailoverSession::MakePlan(const failover::Request& request) {
  DATABUS_ASSIGN_OR_RETURN(const auto journals, Journals());
  const auto& heads = desk_.picture().heads;
  const failover::Scope scope = heads.empty()
                                    ? failover::Scope()
                                    : failover::ScopeOf(request, heads.front()->stored.topology);
  failover::Plan plan = failover::MakePlan(request, observer_.Look(scope), journals);
  WarnOfOtherTrees(plan);
  return plan;
}

// Where the stored topology says something else, the file is not what is looked at.
void FailoverSession::WarnOfOtherTrees(failover::Plan& plan) const {
  const auto& heads = desk_.picture().heads;
  if (heads.empty()) return;
  for (const ClusterSpec& stored : heads.front()->stored.topology.clusters) {
    const auto named = std::ranges::find(of_the_file_, stored.name, &ClusterSpec::name);
    if (named == of_the_file_.end() || named->RootUrl() == stored.RootUrl()) continue;
    plan.warnings.push_back(
        fmt::format("the topology file has the tree of {} at {}, the stored topology at {}, which "
                    "holds: mend the file (hdfsurl, rootdir)",
                    stored.name, named->RootUrl(), stored.RootUrl()));
  }
}

failover::Observation FailoverSession::Look(const Journal& journal) {
  desk_.Look();
  failover::Observation seen = observer_.Look(failover::ScopeOf(journal));
  failover::SeeOthers(store_.ReadAll(), journal.id, seen);
  return seen;
}

Result<Journal> FailoverSession::FindJournal(Way way, const std::string& id,
                                             Rehearsals rehearsals) {
  DATABUS_ASSIGN_OR_RETURN(auto journals, Journals());
  const Journal* best = nullptr;
  for (const auto& [known, journal] : journals) {
    const bool back = journal.kind == Kind::kFailback;
    // One that is open is meant, whatever it is called; of those that have ended, this kind.
    const bool meant = !journal.Ended() || back == (way == Way::kBack);
    if (id.empty() ? !meant : known != id) continue;
    if (id.empty() && journal.Ended() && rehearsals == Rehearsals::kNamed && IsRehearsal(journal)) {
      continue;
    }
    const bool better = best == nullptr || (best->Ended() && !journal.Ended()) ||
                        (best->Ended() == journal.Ended() && journal.started > best->started);
    if (better) best = &journal;
  }
  if (best != nullptr) return *best;
  std::vector<std::string> away;
  for (const TopologyAt& at : desk_.picture().clusters) {
    if (!at.away.empty())
      away.push_back(fmt::format("{} does not answer: {}", at.cluster, at.away));
  }
  if (!away.empty()) {
    return Status(Code::kUnavailable, fmt::format("nobody can tell whether there was a {}: {}",
                                                  WayName(way), fmt::join(away, "; ")));
  }
  return Status(Code::kNotFound, id.empty() ? fmt::format("there was no {} yet", WayName(way))
                                            : fmt::format("there is no journal '{}'", id));
}

}  // namespace databus
