#include "worker/copier.h"

#include <algorithm>
#include <atomic>
#include <exception>

#include "base/sync.h"
#include "telemetry/log.h"

namespace databus {
namespace {

constexpr size_t kPartBytes = size_t{4} << 20;

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

Result<FileFacts> CopyToNewFile(Storage& target, FileReader& reader, const std::string& to) {
  const auto created = target.Create(to);
  // An absent staging directory must not be taken for an absent source.
  if (created.code() == Code::kNotFound) return Status(Code::kStale, to + ": staging is gone");
  if (!created.ok()) return created.status();
  return CopyBytes(reader, **created);
}

Result<FileFacts> CopyOne(Storage& target, const CopyJob& job) {
  DATABUS_ASSIGN_OR_RETURN(const std::unique_ptr<FileReader> reader, job.source->Open(job.from));
  Result<FileFacts> facts = CopyToNewFile(target, *reader, job.to);
  if (facts.ok()) return facts;
  const Status removed = target.Remove(job.to);
  if (!removed.ok() && removed.code() != Code::kNotFound) {
    LogInfo("worker", "part of a copy stays until the next epoch", {{"why", removed}});
  }
  return facts;
}

// One copying thread: takes the next job until there is none. An exception (the death of a
// simulated process) is carried to the caller.
class Pool {
 public:
  Pool(Storage& target, const std::vector<CopyJob>& jobs, std::vector<CopyOutcome>& outcomes)
      : target_(target), jobs_(jobs), outcomes_(outcomes) {}

  void Run(int threads) {
    std::vector<Thread> others;
    for (int i = 1; i < threads; ++i) others.emplace_back("copy", [this] { Guarded(); });
    Guarded();
    for (Thread& other : others) other.Join();
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  void Guarded() {
    try {
      for (size_t i = next_++; i < jobs_.size(); i = next_++) {
        Result<FileFacts> facts = CopyOne(target_, jobs_[i]);
        outcomes_[i].status = facts.status();
        if (facts.ok()) outcomes_[i].facts = std::move(*facts);
      }
    } catch (...) {
      MutexLock lock(mutex_);
      if (!failure_) failure_ = std::current_exception();
      next_ = jobs_.size();
    }
  }

  Storage& target_;
  const std::vector<CopyJob>& jobs_;
  std::vector<CopyOutcome>& outcomes_;
  std::atomic<size_t> next_{0};
  Mutex mutex_;
  std::exception_ptr failure_;
};

}  // namespace

std::vector<CopyOutcome> CopyFiles(Storage& target, const std::vector<CopyJob>& jobs, int threads) {
  std::vector<CopyOutcome> outcomes(jobs.size());
  Pool(target, jobs, outcomes).Run(std::min(threads, static_cast<int>(jobs.size())));
  return outcomes;
}

}  // namespace databus
