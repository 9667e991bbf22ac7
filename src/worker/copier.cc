#include "worker/copier.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <memory>
#include <span>
#include <utility>

#include "base/sync.h"
#include "telemetry/log.h"

namespace databus {
namespace {

constexpr size_t kPartBytes = size_t{4} << 20;
// Files up to this are written together. Some 32 of them are held at a time by each thread.
constexpr size_t kSmallBytesMost = size_t{256} << 10;

Result<FileFacts> CopyBytes(FileReader& reader, FileWriter& writer) {
  FactsOfBytes facts;
  uint64_t offset = 0;
  while (true) {
    DATABUS_ASSIGN_OR_RETURN(const std::string part, reader.Read(offset, kPartBytes));
    if (part.empty()) break;
    offset += part.size();
    facts.Append(part);
    DATABUS_RETURN_IF_ERROR(writer.Append(part));
  }
  DATABUS_RETURN_IF_ERROR(writer.Finish());
  return facts.Finish();
}

// An absent staging directory must not be taken for an absent source.
Status StagingIsThere(const Status& written, const std::string& to) {
  return written.code() == Code::kNotFound ? Status(Code::kStale, to + ": staging is gone")
                                           : written;
}

Result<FileFacts> CopyToNewFile(Storage& target, FileReader& reader, const std::string& to) {
  const auto created = target.Create(to);
  DATABUS_RETURN_IF_ERROR(StagingIsThere(created.status(), to));
  return CopyBytes(reader, **created);
}

void CopyAlone(Storage& target, FileReader& reader, const std::string& to, CopyOutcome& outcome) {
  Result<FileFacts> facts = CopyToNewFile(target, reader, to);
  if (!facts.ok()) RemoveCopies(target, {to});
  outcome.status = facts.status();
  if (facts.ok()) outcome.facts = std::move(*facts);
}

void CopyOne(Storage& target, const CopyJob& job, CopyOutcome& outcome) {
  const auto reader = job.source->Open(job.from);
  outcome.status = reader.status();
  if (reader.ok()) CopyAlone(target, **reader, job.to, outcome);
}

// Small files on their way, with what they are the outcome of.
struct Gathered {
  std::vector<SmallFile> files;
  std::vector<CopyOutcome*> outcomes;
};

void WriteGathered(Storage& target, const Gathered& gathered) {
  if (gathered.files.empty()) return;
  const std::vector<Status> written = target.WriteFiles(gathered.files);
  for (size_t i = 0; i < written.size(); ++i) {
    const SmallFile& file = gathered.files[i];
    gathered.outcomes[i]->status = StagingIsThere(written[i], file.path);
    if (!written[i].ok()) {
      RemoveCopies(target, {file.path});
      continue;
    }
    FactsOfBytes facts;
    if (!file.content.empty()) facts.Append(file.content);
    gathered.outcomes[i]->facts = facts.Finish();
  }
}

// Jobs of one source: all are opened at once, and what is small is written at once. A large file
// goes its way alone.
void CopyTogether(Storage& target, std::span<const CopyJob> jobs, std::span<CopyOutcome> outcomes) {
  if (jobs.size() == 1) return CopyOne(target, jobs.front(), outcomes.front());
  std::vector<std::string> paths;
  paths.reserve(jobs.size());
  for (const CopyJob& job : jobs) paths.push_back(job.from);
  auto readers = jobs.front().source->Opens(paths);
  Gathered small;
  for (size_t i = 0; i < jobs.size(); ++i) {
    outcomes[i].status = readers[i].status();
    if (!readers[i].ok()) continue;
    const std::unique_ptr<FileReader> reader = *std::move(readers[i]);
    Result<std::string> content = reader->Read(0, kSmallBytesMost + 1);
    if (!content.ok()) {
      outcomes[i].status = content.status();
    } else if (content->size() <= kSmallBytesMost) {
      small.files.push_back({jobs[i].to, *std::move(content)});
      small.outcomes.push_back(&outcomes[i]);
    } else {
      CopyAlone(target, *reader, jobs[i].to, outcomes[i]);
    }
  }
  WriteGathered(target, small);
}

// One copying thread: takes the next jobs until there are none. An exception (the death of a
// simulated process) is carried to the caller.
class Pool {
 public:
  Pool(Storage& target, const std::vector<CopyJob>& jobs, std::vector<CopyOutcome>& outcomes,
       int threads)
      : target_(target),
        jobs_(jobs),
        outcomes_(outcomes),
        threads_(std::min(threads, static_cast<int>(jobs.size()))),
        together_(std::clamp<size_t>(jobs.size() / std::max(threads_, 1), 1,
                                     target.SmallFilesAtOnce())) {}

  void Run() {
    std::vector<Thread> others;
    for (int i = 1; i < threads_; ++i) others.emplace_back("copy", [this] { Guarded(); });
    Guarded();
    for (Thread& other : others) other.Join();
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  void Guarded() {
    try {
      for (size_t first = next_.fetch_add(together_); first < jobs_.size();
           first = next_.fetch_add(together_)) {
        Copy(first, std::min(first + together_, jobs_.size()));
      }
    } catch (...) {
      MutexLock lock(mutex_);
      if (!failure_) failure_ = std::current_exception();
      next_ = jobs_.size();
    }
  }

  void Copy(size_t first, size_t end) {
    for (size_t next = first; first < end; first = next) {
      while (next < end && jobs_[next].source == jobs_[first].source) ++next;
      CopyTogether(target_, std::span(jobs_).subspan(first, next - first),
                   std::span(outcomes_).subspan(first, next - first));
    }
  }

  Storage& target_;
  const std::vector<CopyJob>& jobs_;
  std::vector<CopyOutcome>& outcomes_;
  const int threads_;
  const size_t together_;  // jobs that a thread takes at once
  std::atomic<size_t> next_{0};
  Mutex mutex_;
  std::exception_ptr failure_;
};

}  // namespace

void RemoveCopies(Storage& target, const std::vector<std::string>& paths) {
  for (const Status& removed : target.Removes(paths)) {
    if (removed.ok() || removed.code() == Code::kNotFound) continue;
    LogInfo("worker", "part of a copy stays until the next epoch", {{"why", removed}});
  }
}

std::vector<CopyOutcome> CopyFiles(Storage& target, const std::vector<CopyJob>& jobs, int threads) {
  std::vector<CopyOutcome> outcomes(jobs.size());
  Pool(target, jobs, outcomes, threads).Run();
  return outcomes;
}

}  // namespace databus
