#include "worker/fetch.h"

#include <fmt/format.h>

#include "worker/copier.h"

namespace databus {

Result<std::vector<NewFile>> FetchFiles(GroupWriter& writer, const FetchFrom& from,
                                        const MinuteFiles& wanted) {
  StagingArea& staging = writer.staging();
  std::vector<CopyJob> jobs;
  std::vector<NewFile> files;
  for (const auto& [name, facts] : wanted) {
    const std::string staged = staged::FileName(staging.NextNumber());
    jobs.push_back({&from.source, paths::MinuteFile(View::kMerged, from.stream, from.minute, name),
                    staging.PathOf(staged)});
    files.push_back({from.stream, staged, name, facts});
  }
  if (jobs.empty()) return files;
  const std::vector<CopyOutcome> outcomes = CopyFiles(staging.storage(), jobs, from.copy_threads);
  Status failed;
  for (size_t i = 0; i < outcomes.size() && failed.ok(); ++i) {
    failed = outcomes[i].status.WithContext(jobs[i].from);
    if (!failed.ok() || SameBytes(outcomes[i].facts.file, files[i].facts)) continue;
    failed = Status(Code::kCorrupt, fmt::format("{}: {}: differs from the manifest",
                                                from.source.Describe(), jobs[i].from));
  }
  if (failed.ok()) return files;
  // The writer may go on without the stream: what is staged of it is in nobody's way.
  std::vector<std::string> staged;
  staged.reserve(jobs.size());
  for (const CopyJob& job : jobs) staged.push_back(job.to);
  RemoveCopies(staging.storage(), staged);
  return failed;
}

MinuteFiles Without(const MinuteFiles& files, const MinuteFiles& others) {
  MinuteFiles left;
  for (const auto& [name, facts] : files) {
    const auto other = others.find(name);
    if (other == others.end() || !SameBytes(other->second, facts)) left.emplace(name, facts);
  }
  return left;
}

}  // namespace databus
