#include "cli/installation.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "commit/minute_tree.h"

namespace databus {
namespace {

void AddMinuteOption(CLI::App& app, const std::string& name, const std::string& help,
                     Minute& minute) {
  app.add_option_function<std::string>(
         name,
         [name, &minute](const std::string& text) {
           const auto parsed = Minute::ParseIso(text);
           if (!parsed) {
             throw CLI::ValidationError(
                 name,
                 fmt::format("found '{}', expected a minute in UTC: YYYY-MM-DDTHH:MMZ", text));
           }
           minute = *parsed;
         },
         help)
      ->type_name("T");
}

}  // namespace

void AddTopologyOption(CLI::App& app, std::string& file) {
  app.add_option("--topology", file, "databus.xml: which clusters and streams there are")
      ->required()
      ->type_name("FILE");
}

void AddRangeOptions(CLI::App& app, MinuteRange& range) {
  AddMinuteOption(app, "--from", "First minute, YYYY-MM-DDTHH:MMZ (default: the oldest)",
                  range.from);
  AddMinuteOption(app, "--to", "Last minute, inclusive (default: the newest)", range.to);
}

Status CheckRange(const MinuteRange& range) {
  if (range.from <= range.to) return Status::Ok();
  return {Code::kInvalid,
          fmt::format("--from {} is after --to {}", range.from.ToIso(), range.to.ToIso())};
}

Result<std::string> ReadTextFile(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    return Status(Code::kNotFound, path + ": is a directory");
  }
  std::ifstream file(path, std::ios::binary);
  if (!file) return Status(Code::kNotFound, path + ": " + std::strerror(errno));
  std::ostringstream text;
  text << file.rdbuf();
  if (file.bad()) return Status(Code::kNotFound, path + ": cannot be read");
  return text.str();
}

Result<std::string> ReadConfiguration(const Seams& seams, const std::string& file) {
  auto text = seams.read_file(file);
  if (!text.ok()) return Status(Code::kInvalid, text.status().message());
  return text;
}

Result<Topology> LoadTopology(const Seams& seams, const std::string& file) {
  DATABUS_ASSIGN_OR_RETURN(const std::string text, ReadConfiguration(seams, file));
  return ParseTopology(text, file);
}

Result<TopologyDesk> OpenDesk(Seams& seams, const std::string& topology_file) {
  DATABUS_ASSIGN_OR_RETURN(Topology topology, LoadTopology(seams, topology_file));
  return TopologyDesk(
      {.random = seams.random,
       .open = [&seams](
                   const ClusterSpec& spec) { return seams.open_storage(spec.url, spec.root_dir); },
       .clusters = std::move(topology.clusters)});
}

Topology CurrentTopology(TopologyDesk& desk, const Topology& file) {
  const TopologyPicture& picture = desk.Look();
  if (picture.heads.empty()) return file;
  Topology topology = picture.heads.front()->stored.topology;
  topology.file = file.file;
  return topology;
}

Result<Topology> CurrentTopology(Seams& seams, const std::string& topology_file) {
  DATABUS_ASSIGN_OR_RETURN(const Topology file, LoadTopology(seams, topology_file));
  DATABUS_ASSIGN_OR_RETURN(TopologyDesk desk, OpenDesk(seams, topology_file));
  return CurrentTopology(desk, file);
}

Result<std::unique_ptr<Storage>> OpenCluster(Seams& seams, const Topology& topology,
                                             const std::string& name) {
  const ClusterSpec* cluster = topology.FindCluster(name);
  if (cluster == nullptr) {
    std::vector<std::string> names;
    names.reserve(topology.clusters.size());
    for (const ClusterSpec& known : topology.clusters) names.push_back(known.name);
    return Status(Code::kInvalid, fmt::format("{} has no cluster '{}'; it has {}", topology.file,
                                              name, fmt::join(names, ", ")));
  }
  return seams.open_storage(cluster->url, cluster->root_dir);
}

Result<std::vector<DirEntry>> ListIfThere(Storage& storage, const std::string& path) {
  auto entries = storage.List(path);
  if (entries.code() == Code::kNotFound) return std::vector<DirEntry>{};
  return entries;
}

Result<std::vector<DirEntry>> ListMinuteFiles(Storage& storage, const std::string& path) {
  DATABUS_ASSIGN_OR_RETURN(std::vector<DirEntry> entries, storage.List(path));
  std::erase_if(entries, [](const DirEntry& entry) { return !IsVisibleFile(entry); });
  return entries;
}

}  // namespace databus
