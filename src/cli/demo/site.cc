#include "cli/demo/site.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

#include "cli/demo/example_files.h"
#include "cli/demo/free_ports.h"
#include "cluster/paths.h"

namespace databus {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMarker = ".databus-demo";  // in a directory that a demo may empty

Status Write(const std::string& path, std::string_view text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  return file ? Status::Ok() : Status(Code::kRefused, path + ": cannot be written");
}

// Takes the directory for this demo and empties it.
Result<Fd> Claim(const fs::path& directory) {
  std::error_code error;
  fs::create_directories(directory, error);
  if (error) {
    return Status(Code::kRefused, fmt::format("{}: {}", directory.string(), error.message()));
  }
  const fs::path marker = directory / kMarker;
  if (!fs::is_empty(directory, error) && !fs::exists(marker, error)) {
    return Status(Code::kRefused,
                  fmt::format("{}: not empty and not of an earlier demo; name another directory",
                              directory.string()));
  }
  Fd lock(::open(marker.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (!lock.open()) return ErrnoStatus(Code::kRefused, "open " + marker.string(), errno);
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    return Status(Code::kRefused,
                  fmt::format("{}: another demo is running there", directory.string()));
  }
  for (const auto& entry : fs::directory_iterator(directory, error)) {
    if (entry.path() != marker) fs::remove_all(entry.path(), error);
    if (error) {
      return Status(Code::kRefused, fmt::format("{}: {}", entry.path().string(), error.message()));
    }
  }
  for (const char* part : {"conf", "dc1", "dc2", "spool", "log"}) {
    fs::create_directory(directory / part, error);
  }
  if (error) {
    return Status(Code::kRefused, fmt::format("{}: {}", directory.string(), error.message()));
  }
  return lock;
}

// The examples have each cluster in a directory of the site.
ExampleValues ValuesOf(const std::string& root, const DemoClusters& clusters,
                       WhenAlone when_alone) {
  ExampleValues values;
  if (!clusters.dc1.empty()) values.emplace_back("file://@ROOT@/dc1", clusters.dc1);
  if (!clusters.dc2.empty()) values.emplace_back("file://@ROOT@/dc2", clusters.dc2);
  values.emplace_back("@ROOT@", root);
  if (when_alone == WhenAlone::kWait) {
    values.emplace_back("<stream name=\"clicks\">", "<stream name=\"clicks\" whenalone=\"wait\">");
  }
  return values;
}

Status WriteDataCentre(DemoSite& site, const std::string& dc, FreePorts& ports) {
  const std::string& url = site.topology.FindCluster(dc)->url;
  const std::string conf = paths::Join(site.root, "conf");
  for (const char* number : {"c1", "c2"}) {
    DATABUS_ASSIGN_OR_RETURN(const uint16_t port, ports.Next());
    const std::string name = fmt::format("{}-{}", dc, number);
    const std::string config = paths::Join(conf, fmt::format("scribe-{}.conf", name));
    DATABUS_RETURN_IF_ERROR(
        Write(config, Filled(kExampleCollector, {{"file://@ROOT@/@DC@", url},
                                                 {"@ROOT@", site.root},
                                                 {"@DC@", dc},
                                                 {"@NAME@", name},
                                                 {"@PORT@", std::to_string(port)}})));
    site.collectors.push_back({name, "collector", config, port});
  }
  const std::string config = paths::Join(conf, fmt::format("databus-{}.cfg", dc));
  DATABUS_RETURN_IF_ERROR(
      Write(config, Filled(kExampleWorker, {{"@ROOT@", site.root}, {"@DC@", dc}})));
  site.workers.push_back({"worker-" + dc, "worker", config, 0});
  return Status::Ok();
}

}  // namespace

std::string Filled(std::string_view text, const ExampleValues& values) {
  std::string filled(text);
  for (const auto& [placeholder, value] : values) {
    for (size_t at = 0; (at = filled.find(placeholder, at)) != std::string::npos;
         at += value.size()) {
      filled.replace(at, placeholder.size(), value);
    }
  }
  return filled;
}

std::string DemoSite::LogFile(std::string_view process) const {
  return paths::Join(paths::Join(root, "log"), fmt::format("{}.log", process));
}

const DemoService* DemoSite::Find(std::string_view name) const {
  for (const auto* services : {&collectors, &workers}) {
    for (const DemoService& service : *services) {
      if (service.name == name) return &service;
    }
  }
  return nullptr;
}

Result<DemoSite> MakeDemoSite(const std::string& directory, Network& network, Random& random,
                              const DemoClusters& clusters, WhenAlone when_alone) {
  std::error_code error;
  const fs::path root = fs::weakly_canonical(fs::absolute(directory), error);
  DemoSite site;
  DATABUS_ASSIGN_OR_RETURN(site.lock, Claim(root));
  site.root = root.string();
  const std::string conf = paths::Join(site.root, "conf");
  site.topology_file = paths::Join(conf, "databus.xml");
  const std::string topology = Filled(kExampleTopology, ValuesOf(site.root, clusters, when_alone));
  DATABUS_RETURN_IF_ERROR(Write(site.topology_file, topology));
  DATABUS_ASSIGN_OR_RETURN(site.topology, ParseTopology(topology, site.topology_file));
  FreePorts ports(network, random);
  for (const ClusterSpec& cluster : site.topology.clusters) {
    DATABUS_RETURN_IF_ERROR(WriteDataCentre(site, cluster.name, ports));
  }
  // Not started: the first collector handing everything to the last one, for trials of one's own.
  const DemoService& from = site.collectors.front();
  const DemoService& to = site.collectors.back();
  DATABUS_RETURN_IF_ERROR(
      Write(paths::Join(conf, "scribe-redirect.conf"),
            Filled(kExampleRedirect, {{"@ROOT@", site.root},
                                      {"@NAME@", from.name},
                                      {"@PORT@", std::to_string(from.port)},
                                      {"@REDIRECT_PORT@", std::to_string(to.port)}})));
  return site;
}

}  // namespace databus
