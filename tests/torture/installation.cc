#include "tests/torture/installation.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sched.h>
#include <sys/mount.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <utility>

#include "cli/demo/free_ports.h"
#include "cli/installation.h"
#include "cluster/paths.h"
#include "tests/torture/fault_page.h"

namespace databus {
namespace {

namespace fs = std::filesystem;

constexpr int kInputLines = 200;

std::string Below(const std::string& root, std::string_view directory, std::string_view name) {
  return paths::Join(paths::Join(root, directory), name);
}

Status Write(const std::string& path, std::string_view text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  return file ? Status::Ok() : Status(Code::kRefused, path + ": cannot be written");
}

std::string Replaced(std::string text, std::string_view from, std::string_view to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
  return text;
}

Status MakeInput(Installation& installation, Random& random) {
  std::string text;
  for (int line = 0; line < kInputLines; ++line) {
    text += random.Hex(static_cast<int>(1 + random.Below(32)));
    text += std::string(random.Below(200), 'x') + "\n";
  }
  const std::string file = Below(installation.site.root, "conf", "input.txt");
  DATABUS_RETURN_IF_ERROR(Write(file, text));
  DATABUS_ASSIGN_OR_RETURN(DemoInput input, DemoInput::Open(file));
  installation.input = std::make_unique<DemoInput>(std::move(input));
  return Status::Ok();
}

// A fifth collector, without a cluster: hands everything to the last one, over a stretch of network
// that is cut as well (P22).
Status AddRelay(Installation& installation, Random& random) {
  DemoSite& site = installation.site;
  const DemoService& to = site.collectors.back();
  DATABUS_ASSIGN_OR_RETURN(std::unique_ptr<Proxy> proxy, Proxy::Start(to.port));
  DATABUS_ASSIGN_OR_RETURN(const uint16_t port, FreePorts(TcpNetwork(), random).Next());
  const std::string name = "dc1-r1";
  const std::string config = Below(site.root, "conf", "scribe-" + name + ".conf");
  DATABUS_ASSIGN_OR_RETURN(const std::string example,
                           ReadTextFile(DATABUS_EXAMPLES "/scribe-redirect.conf"));
  DATABUS_RETURN_IF_ERROR(Write(
      config, Filled(example, {{"timeout=5000", fmt::format("timeout={}", kHandOverTimeoutMs)},
                               {"@ROOT@", site.root},
                               {"@NAME@", name},
                               {"@PORT@", std::to_string(port)},
                               {"@REDIRECT_PORT@", std::to_string(proxy->port())}})));
  installation.cables.push_back({name + " to " + to.name, std::move(proxy)});
  site.collectors.push_back({name, "collector", config, port});
  return Status::Ok();
}

Status Configure(DemoSite& site) {
  for (const DemoService& collector : site.collectors) {
    DATABUS_ASSIGN_OR_RETURN(std::string text, ReadTextFile(collector.config));
    text = Replaced(std::move(text), "retry_interval=2",
                    fmt::format("retry_interval={}", kRetryMs / 1000));
    DATABUS_RETURN_IF_ERROR(
        Write(collector.config, "databus.collector.disk_reserve_bytes=0\n" + text));
  }
  for (const DemoService& worker : site.workers) {
    DATABUS_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(worker.config));
    DATABUS_RETURN_IF_ERROR(
        Write(worker.config, text + fmt::format("databus.worker.lease_timeout_ms={}\n"
                                                "databus.worker.full_scan_interval_s={}\n"
                                                "databus.worker.purge_interval_s=5\n",
                                                kLeaseTimeoutMs, kFullScanMs / 1000)));
  }
  return Status::Ok();
}

Status AddDisk(Installation& installation, const std::string& name, const std::string& directory,
               const char* size) {
  std::error_code error;
  fs::create_directories(directory, error);
  if (::mount("tmpfs", directory.c_str(), "tmpfs", MS_NOATIME, size) != 0) {
    return ErrnoStatus(Code::kRefused, "mount " + directory, errno);
  }
  installation.disks.push_back({name, directory, paths::Join(directory, "filler")});
  return Status::Ok();
}

Result<std::string> MakePage(const DemoSite& site, const std::string& name, Random& random) {
  const std::string path = Below(site.root, "faults", name);
  std::string page(sizeof(FaultPage), '\0');
  const uint64_t seed = random.Next();
  page.replace(offsetof(FaultPage, seed), sizeof seed, reinterpret_cast<const char*>(&seed),
               sizeof seed);
  DATABUS_RETURN_IF_ERROR(Write(path, page));
  return path;
}

Status AddService(Installation& installation, const DemoService& service, std::string cluster,
                  const Programs& programs, Random& random) {
  TortureProcess process{.kind = service.command == "worker" ? TortureProcess::Kind::kWorker
                                                             : TortureProcess::Kind::kCollector,
                         .name = service.name,
                         .cluster = std::move(cluster),
                         .command = {},
                         .fault_page = {},
                         .port = service.port};
  if (!programs.preload.empty()) {
    DATABUS_ASSIGN_OR_RETURN(process.fault_page, MakePage(installation.site, service.name, random));
    process.command = {"env", "LD_PRELOAD=" + programs.preload,
                       fmt::format("{}={}", kFaultPageVariable, process.fault_page)};
  }
  for (const char* word : {programs.databus.c_str(), service.command.c_str(), "--config"}) {
    process.command.emplace_back(word);
  }
  process.command.push_back(service.config);
  installation.processes.push_back(std::move(process));
  return Status::Ok();
}

Status AddProducer(Installation& installation, const DemoService& collector,
                   const Programs& programs, uint32_t in_flight_max) {
  const DemoSite& site = installation.site;
  DATABUS_ASSIGN_OR_RETURN(std::unique_ptr<Proxy> proxy, Proxy::Start(collector.port));
  TortureProcess process{
      .kind = TortureProcess::Kind::kProducer,
      .name = "producer-" + collector.name,
      .cluster = {},
      .command = {programs.torture, "produce", "--input", Below(site.root, "conf", "input.txt"),
                  "--collector", collector.name, "--port", std::to_string(proxy->port()), "--rate",
                  std::to_string(kEventsPerS), "--in-flight", std::to_string(in_flight_max)},
      .fault_page = {},
      .port = 0};
  installation.cables.push_back({process.name, std::move(proxy)});
  for (const StreamSpec& stream : site.topology.streams) {
    const std::string record =
        Below(site.root, "records", fmt::format("{}-{}", collector.name, stream.name));
    for (const std::string& word :
         {std::string("--stream"), stream.name, std::string("--record"), record}) {
      process.command.push_back(word);
    }
    DATABUS_ASSIGN_OR_RETURN(std::unique_ptr<RecordFile> file, RecordFile::Open(record));
    installation.records.push_back({{stream.name, collector.name}, std::move(file)});
  }
  installation.processes.push_back(std::move(process));
  return Status::Ok();
}

Status AddProcesses(Installation& installation, const Programs& programs, Random& random) {
  DemoSite& site = installation.site;
  for (size_t dc = 0; dc < site.workers.size(); ++dc) {
    const std::string& cluster = site.topology.clusters[dc].name;
    // Two that compete for the first cluster, one for the other.
    for (const char* suffix : {"", "-b", "-c"}) {
      if (dc > 0 && std::string_view(suffix) == "-c") continue;
      DemoService worker = site.workers[dc];
      worker.name += suffix;
      DATABUS_RETURN_IF_ERROR(AddService(installation, worker, cluster, programs, random));
    }
  }
  for (const DemoService& collector : site.collectors) {
    DATABUS_RETURN_IF_ERROR(AddService(installation, collector,
                                       collector.name.substr(0, collector.name.rfind('-')),
                                       programs, random));
  }
  uint32_t in_flight_max = 1;
  for (const DemoService& collector : site.collectors) {
    DATABUS_RETURN_IF_ERROR(AddProducer(installation, collector, programs, in_flight_max));
    in_flight_max = in_flight_max == 1 ? 4 : 1;
  }
  return Status::Ok();
}

}  // namespace

Installation::~Installation() {
  for (const SmallDisk& disk : disks) ::umount2(disk.directory.c_str(), MNT_DETACH);
}

void Installation::KeepDisks() {
  for (const SmallDisk& disk : disks) {
    std::error_code error;  // what cannot be copied is missed by nobody but the reader
    fs::remove(disk.filler, error);
    const std::string to = Below(site.root, "left", disk.name);
    fs::create_directories(to, error);
    fs::copy(disk.directory, to, fs::copy_options::recursive, error);
  }
}

std::string Installation::ClusterRoot(const std::string& cluster) const {
  return paths::Join(paths::Join(site.root, cluster), site.topology.FindCluster(cluster)->root_dir);
}

Status OwnMounts() {
  if (::unshare(CLONE_NEWNS) != 0) return ErrnoStatus(Code::kRefused, "unshare", errno);
  if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    return ErrnoStatus(Code::kRefused, "mount", errno);
  }
  return Status::Ok();
}

Result<std::unique_ptr<Installation>> MakeInstallation(const std::string& directory,
                                                       const Programs& programs,
                                                       SmallDisks small_disks, Random& random) {
  auto installation = std::make_unique<Installation>();
  DATABUS_ASSIGN_OR_RETURN(installation->site, MakeDemoSite(directory, TcpNetwork(), random));
  DemoSite& site = installation->site;
  for (const char* part : {"faults", "records"}) fs::create_directory(paths::Join(site.root, part));
  if (small_disks == SmallDisks::kYes) {
    const std::string& name = site.collectors.front().name;
    const std::string& cluster = site.topology.clusters.back().name;
    DATABUS_RETURN_IF_ERROR(
        AddDisk(*installation, "spool-" + name, Below(site.root, "spool", name), "size=48m"));
    DATABUS_RETURN_IF_ERROR(
        AddDisk(*installation, cluster, paths::Join(site.root, cluster), "size=1g"));
  }
  DATABUS_RETURN_IF_ERROR(MakeInput(*installation, random));
  DATABUS_RETURN_IF_ERROR(AddRelay(*installation, random));
  DATABUS_RETURN_IF_ERROR(Configure(site));
  DATABUS_RETURN_IF_ERROR(AddProcesses(*installation, programs, random));
  return installation;
}

}  // namespace databus
