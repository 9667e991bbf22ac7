#include "cli/bench/machine.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <fstream>

#include "base/settings.h"
#include "cli/bench/sample.h"
#include "cluster/paths.h"
#include "net/tcp_socket.h"

namespace databus {
namespace {

constexpr int kSyncedWrites = 200;
constexpr size_t kSyncedWriteBytes = 4096;
// Like a spool's segments: growing for ever would be another kind of work for the file system.
constexpr uint64_t kFileBytes = 128'000'000;

double Seconds(std::chrono::nanoseconds time) {
  return std::chrono::duration<double>(time).count();
}

std::string CpuModel() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("model name")) continue;
    return std::string(Trimmed(std::string_view(line).substr(line.find(':') + 1)));
  }
  return "unknown";
}

// The type of the mount whose path is the longest one above `dir`.
std::string FileSystemOf(const std::string& dir) {
  std::ifstream mounts("/proc/mounts");
  std::string device, path, type, rest, best_path, best;
  while (mounts >> device >> path >> type && std::getline(mounts, rest)) {
    const bool above =
        path.size() == 1 || dir == path || (dir.starts_with(path) && dir[path.size()] == '/');
    if (!above || path.size() < best_path.size()) continue;
    best_path = path;
    best = type;
  }
  return best.empty() ? "unknown" : best;
}

Result<double> SyncedWriteMs(const std::string& dir, const Clock& clock) {
  const std::string path = paths::Join(dir, "synced");
  const Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_DSYNC | O_CLOEXEC, 0644));
  if (!file.open()) return ErrnoStatus(Code::kRefused, "open " + path, errno);
  const std::array<char, kSyncedWriteBytes> block{};
  const BootTime begin = clock.Boot();
  for (int i = 0; i < kSyncedWrites; ++i) {
    if (::write(file.get(), block.data(), block.size()) < 0) {
      return ErrnoStatus(Code::kRefused, "write " + path, errno);
    }
  }
  const double took_s = Seconds(clock.Boot() - begin);
  ::unlink(path.c_str());
  return took_s * 1000 / kSyncedWrites;
}

}  // namespace

Result<MachineFacts> LookAtMachine(const std::string& dir, const Clock& clock) {
  MachineFacts facts;
  facts.cpu = CpuModel();
  facts.cores = static_cast<unsigned>(::sysconf(_SC_NPROCESSORS_ONLN));
  utsname system{};
  if (::uname(&system) == 0) facts.kernel = fmt::format("{} {}", system.sysname, system.release);
  facts.file_system = FileSystemOf(dir);
  std::ifstream("/proc/loadavg") >> facts.load;
  DATABUS_ASSIGN_OR_RETURN(facts.synced_4k_ms, SyncedWriteMs(dir, clock));
  return facts;
}

std::string ToText(const MachineFacts& facts) {
  return fmt::format("{}, {} cores, {}, {}; a synced write of 4 KiB takes {:.2f} ms; load {:.1f}\n",
                     facts.cpu, facts.cores, facts.kernel, facts.file_system, facts.synced_4k_ms,
                     facts.load);
}

nlohmann::ordered_json ToJson(const MachineFacts& facts) {
  return {{"cpu", facts.cpu},
          {"cores", facts.cores},
          {"kernel", facts.kernel},
          {"file_system", facts.file_system},
          {"synced_4k_ms", facts.synced_4k_ms},
          {"load", facts.load}};
}

Result<double> SequentialWriteRate(Disk& disk, const Clock& clock, const std::string& dir,
                                   uint64_t flush_bytes, Milliseconds duration) {
  SampleLines lines(4096);
  std::string bytes;
  while (bytes.size() < flush_bytes) bytes += lines.Next();
  bytes.resize(flush_bytes);
  const std::string_view parts[] = {bytes};
  uint64_t files = 0;
  const auto path = [&] { return paths::Join(dir, fmt::format("sequential-{}", files)); };
  DATABUS_ASSIGN_OR_RETURN(std::unique_ptr<DiskFile> file, disk.Create(path()));
  uint64_t in_file = 0;
  uint64_t written = 0;
  const BootTime begin = clock.Boot();
  while (clock.Boot() < begin + duration) {
    if (in_file >= kFileBytes) {
      ++files;
      DATABUS_ASSIGN_OR_RETURN(file, disk.Create(path()));
      in_file = 0;
    }
    DATABUS_RETURN_IF_ERROR(file->Append(parts));
    DATABUS_RETURN_IF_ERROR(file->Sync());
    in_file += flush_bytes;
    written += flush_bytes;
  }
  const double rate = static_cast<double>(written) / Seconds(clock.Boot() - begin);
  file.reset();
  for (uint64_t last = files + 1; last > 0; --last) {
    files = last - 1;
    DATABUS_RETURN_IF_ERROR(disk.Remove(path()));
  }
  return rate;
}

}  // namespace databus
