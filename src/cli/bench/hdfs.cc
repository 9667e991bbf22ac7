#include "cli/bench/hdfs.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "cli/bench/child.h"
#include "cli/table.h"
#include "cluster/paths.h"
#include "storage/storage.h"
#include "worker/copier.h"

namespace databus {
namespace {

constexpr size_t kFilesPerCommitMax = 1000;  // as when merging
constexpr size_t kPartBytes = size_t{4} << 20;
// A collector writes together what is small, and no more of it than it can hold.
constexpr uint64_t kTogetherBytesMax = 16u << 20;

std::string FileName(size_t number) { return fmt::format("file-{:06}", number); }

// Bytes that no compression on the way makes shorter; each file begins with another.
std::string Noise(size_t bytes, uint64_t seed) {
  std::string noise;
  noise.reserve(bytes + 8);
  for (uint64_t state = 2 * seed + 1; noise.size() < bytes;) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    noise.append(reinterpret_cast<const char*>(&state), sizeof state);
  }
  noise.resize(bytes);
  return noise;
}

Status FirstFailure(std::span<const Status> answers) {
  const auto failed = std::ranges::find_if(answers, [](const Status& s) { return !s.ok(); });
  return failed == answers.end() ? Status::Ok() : *failed;
}

// What is renamed out of a staging directory of its own, which goes at the end.
class Target {
 public:
  static Result<Target> Open(const std::string& url, Seams& seams) {
    DATABUS_RETURN_IF_ERROR(seams.create_root(url, ""));
    Target target;
    DATABUS_ASSIGN_OR_RETURN(target.storage_, seams.open_storage(url, ""));
    target.staging_ = "staging-" + seams.random.Hex(8);
    DATABUS_RETURN_IF_ERROR(target.storage_->MakeDir(target.staging_));
    return target;
  }
  Storage& storage() { return *storage_; }
  std::string Staged(const std::string& name) const { return paths::Join(staging_, name); }
  Status Publish(std::span<const std::string> names) {
    std::vector<Move> moves;
    moves.reserve(names.size());
    for (const std::string& name : names) moves.push_back({Staged(name), name});
    return FirstFailure(storage_->Renames(moves));
  }
  Status Close() { return storage_->Remove(staging_); }

 private:
  std::unique_ptr<Storage> storage_;
  std::string staging_;
};

// Runs the task and says what it cost this process.
template <typename Task>
Result<HdfsTaskResult> Timed(Seams& seams, Task&& task) {
  HdfsTaskResult result;
  DATABUS_ASSIGN_OR_RETURN(const ProcessUse before, UseOf(::getpid()));
  const BootTime begin = seams.clock.Boot();
  DATABUS_RETURN_IF_ERROR(task(result));
  result.seconds = std::chrono::duration<double>(seams.clock.Boot() - begin).count();
  DATABUS_ASSIGN_OR_RETURN(const ProcessUse after, UseOf(::getpid()));
  result.own_cpu_s = after.cpu_s - before.cpu_s;
  result.resident_bytes_max = after.resident_bytes_max;
  return result;
}

Status CopySome(Storage& source, Target& target, std::span<const std::string> names, int threads,
                HdfsTaskResult& result) {
  std::vector<CopyJob> jobs;
  jobs.reserve(names.size());
  for (const std::string& name : names) jobs.push_back({&source, name, target.Staged(name)});
  for (const CopyOutcome& outcome : CopyFiles(target.storage(), jobs, threads)) {
    DATABUS_RETURN_IF_ERROR(outcome.status);
    ++result.files;
    result.bytes += outcome.facts.file.length;
  }
  return target.Publish(names);
}

Status WriteOne(Storage& storage, const std::string& path, uint64_t bytes, uint64_t seed) {
  const std::string part = Noise(std::min<uint64_t>(bytes, kPartBytes), seed);
  DATABUS_ASSIGN_OR_RETURN(const std::unique_ptr<FileWriter> writer, storage.Create(path));
  for (uint64_t left = bytes; left > 0;) {
    const uint64_t some = std::min<uint64_t>(left, part.size());
    DATABUS_RETURN_IF_ERROR(writer->Append(std::string_view(part).substr(0, some)));
    left -= some;
  }
  return writer->Finish();
}

// Files [first, first + count) in one batch.
Status WriteTogether(Target& target, size_t first, size_t count, uint64_t bytes) {
  std::vector<SmallFile> files;
  std::vector<std::string> names;
  for (size_t i = first; i < first + count; ++i) {
    names.push_back(FileName(i));
    files.push_back({target.Staged(names.back()), Noise(bytes, i)});
  }
  DATABUS_RETURN_IF_ERROR(FirstFailure(target.storage().WriteFiles(files)));
  return target.Publish(names);
}

}  // namespace

Result<HdfsTaskResult> CopyDirectory(const HdfsTaskOptions& options, Seams& seams) {
  return Timed(seams, [&](HdfsTaskResult& result) -> Status {
    DATABUS_ASSIGN_OR_RETURN(const auto source, seams.open_storage(options.from, ""));
    DATABUS_ASSIGN_OR_RETURN(Target target, Target::Open(options.to, seams));
    DATABUS_ASSIGN_OR_RETURN(const std::vector<DirEntry> entries, source->List(""));
    std::vector<std::string> names;
    uint64_t bytes = 0;
    for (const DirEntry& entry : entries) {
      if (entry.info.kind != NodeKind::kFile) continue;
      names.push_back(entry.name);
      bytes += entry.info.length;
    }
    for (size_t first = 0; first < names.size(); first += kFilesPerCommitMax) {
      const size_t count = std::min(kFilesPerCommitMax, names.size() - first);
      DATABUS_RETURN_IF_ERROR(CopySome(*source, target, std::span(names).subspan(first, count),
                                       options.threads, result));
    }
    DATABUS_RETURN_IF_ERROR(target.Close());
    if (result.bytes == bytes) return Status::Ok();
    return {Code::kCorrupt, fmt::format("{}: {} bytes were copied, there are {}", options.from,
                                        result.bytes, bytes)};
  });
}

Result<HdfsTaskResult> CreateFiles(const HdfsTaskOptions& options, Seams& seams) {
  return Timed(seams, [&](HdfsTaskResult& result) -> Status {
    DATABUS_ASSIGN_OR_RETURN(Target target, Target::Open(options.to, seams));
    const uint64_t fit = kTogetherBytesMax / std::max<uint64_t>(options.bytes, 1);
    const size_t most = std::clamp<uint64_t>(fit, 1, kFilesPerCommitMax);
    while (result.files < options.files) {
      const size_t count = std::min<size_t>(most, options.files - result.files);
      DATABUS_RETURN_IF_ERROR(WriteTogether(target, result.files, count, options.bytes));
      result.files += count;
      result.bytes += count * options.bytes;
    }
    return target.Close();
  });
}

Result<HdfsTaskResult> FillDirectory(const HdfsTaskOptions& options, Seams& seams) {
  if (options.bytes <= kPartBytes / 4) return CreateFiles(options, seams);
  return Timed(seams, [&](HdfsTaskResult& result) -> Status {
    DATABUS_RETURN_IF_ERROR(seams.create_root(options.to, ""));
    DATABUS_ASSIGN_OR_RETURN(const auto storage, seams.open_storage(options.to, ""));
    for (; result.files < options.files; ++result.files) {
      DATABUS_RETURN_IF_ERROR(
          WriteOne(*storage, FileName(result.files), options.bytes, result.files));
      result.bytes += options.bytes;
    }
    return Status::Ok();
  });
}

std::string ToText(const HdfsTaskResult& result) {
  return fmt::format(
      "{} files, {} bytes in {:.2f} s: {:.0f} files/s, {:.1f} MB/s; own CPU {:.2f} s, memory {} "
      "MB\n",
      Grouped(result.files), Grouped(result.bytes), result.seconds,
      static_cast<double>(result.files) / result.seconds,
      static_cast<double>(result.bytes) / 1e6 / result.seconds, result.own_cpu_s,
      result.resident_bytes_max / 1'000'000);
}

nlohmann::ordered_json ToJson(const HdfsTaskResult& result) {
  return {{"files", result.files},
          {"bytes", result.bytes},
          {"seconds", result.seconds},
          {"own_cpu_s", result.own_cpu_s},
          {"resident_bytes_max", result.resident_bytes_max}};
}

}  // namespace databus
