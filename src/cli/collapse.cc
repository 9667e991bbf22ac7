// `databus collapse`: many small queue entries become few.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>

#include "cli/all_commands.h"
#include "cli/installation.h"
#include "cli/table.h"
#include "cluster/names.h"
#include "commit/cluster_id.h"
#include "worker/queue_join.h"

namespace databus {
namespace {

struct Options {
  std::string url;
  std::string directory;
  bool dry_run = false;
  bool json = false;
};

// What DIR names: a tree, and a queue in it.
struct Place {
  std::string root_dir;
  std::string queue;
};

// As the original took it: `/databus/system/mirrors/dc2`, with or without the URL before it.
Result<Place> ParsePlace(const Options& options) {
  std::string_view path = options.directory;
  if (path.starts_with(options.url)) path.remove_prefix(options.url.size());
  while (path.ends_with('/')) path.remove_suffix(1);
  const std::string cluster(paths::BaseName(path));
  for (const std::string& queue : {paths::Consumers(cluster), paths::Mirrors(cluster)}) {
    if (!ValidateClusterName(cluster).ok() || !path.ends_with(queue)) continue;
    const std::string_view root = path.substr(0, path.size() - queue.size());
    if (root.empty() || root.ends_with('/')) return Place{std::string(root), queue};
  }
  return Status(
      Code::kInvalid,
      fmt::format("{}: is no queue directory; expected <rootdir>/{} or <rootdir>/{}",
                  options.directory, paths::Consumers("<cluster>"), paths::Mirrors("<cluster>")));
}

void Print(const Options& options, const JoinReport& report, Io& io) {
  if (options.json) {
    const nlohmann::ordered_json json = {{"url", options.url},
                                         {"directory", options.directory},
                                         {"dry_run", options.dry_run},
                                         {"entries_before", report.entries_before},
                                         {"entries_after", report.entries_after},
                                         {"entries_joined", report.joined},
                                         {"lines", report.lines},
                                         {"left_alone", report.left_alone}};
    io.out << json.dump(1) << "\n";
    return;
  }
  for (const std::string& left : report.left_alone) {
    io.err << "databus: left alone: " << left << "\n";
  }
  io.out << fmt::format("{}: {} entries before, {} {}\n", options.directory,
                        Grouped(report.entries_before), Grouped(report.entries_after),
                        options.dry_run ? "after it (nothing was changed)" : "after");
}

Exit Collapse(const Options& options, Io& io, Seams& seams) {
  const auto place = ParsePlace(options);
  if (!place.ok()) return Report(io, place.status());
  const auto tree = seams.open_storage(options.url, place->root_dir);
  if (!tree.ok()) return Report(io, tree.status());
  Storage& storage = **tree;
  // Also tells a tree that is not there from an empty queue (P1).
  const auto identity = ReadClusterId(storage);
  if (identity.code() == Code::kNotFound) {
    return Report(io, {Code::kRefused,
                       fmt::format("{}: has no {}; it is no tree of a cluster, or its disk is not "
                                   "mounted",
                                   storage.Describe(), paths::ClusterId())});
  }
  if (!identity.ok()) return Report(io, identity.status());
  const auto report = JoinQueue({storage, place->queue, identity->groups}, seams.random,
                                options.dry_run ? JoinMode::kDryRun : JoinMode::kJoin);
  if (report.code() == Code::kNotFound) {
    return Report(io, {Code::kRefused, fmt::format("{}: {}: there is no such queue",
                                                   storage.Describe(), place->queue)});
  }
  if (report.unknown()) {
    return Report(io, report.status().WithContext("nothing is lost, try again"));
  }
  if (!report.ok()) return Report(io, report.status());
  Print(options, *report, io);
  return report->joined == 0 ? Exit::kNothingToDo : Exit::kDone;
}

CommandBody Define(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("URL", options->url, "The cluster's hdfsurl, as in databus.xml")->required();
  app.add_option("DIR", options->directory,
                 "The queue: <rootdir>/system/mirrors/<cluster> or .../consumers/<cluster>")
      ->required();
  app.add_flag("--dry-run", options->dry_run, "Say what would be done, and change nothing");
  app.add_flag("--json", options->json, "Print JSON");
  return [options](Io& io, Seams& seams) { return Collapse(*options, io, seams); };
}

}  // namespace

const Command kCollapse{
    .name = "collapse",
    .summary = "Join the many small entries of a queue into few.",
    .details =
        "For a queue that has grown long while the cluster that reads it was away. The order is\n"
        "kept, entries of different groups of streams are never mixed, and workers may run: no\n"
        "line is lost whatever happens, and one that is read twice does no harm. May be killed\n"
        "and repeated at any time, but not while the original's own collapse works on the same\n"
        "queue. Exit 3 when there was nothing to join.",
    .define = &Define};

}  // namespace databus
