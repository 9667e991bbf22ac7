// Files of old collectors (Scribe), which know no sealing: uncompressed, never announced, and
// perhaps still open when they are taken. They are published by copy, compressed and with an
// identity given here; the original goes to the trash, where a late tail is noticed (P25).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "audit/gzip.h"
#include "base/clock.h"
#include "cluster/names.h"
#include "commit/group_writer.h"
#include "telemetry/problems.h"

namespace databus {

// A data file's name, whose stream is what stands before the date.
std::optional<DataFileName> ParseClaimName(const std::string& data_name);

// One thread at a time.
class ForeignFiles {
 public:
  struct Options {
    Storage& storage;
    const Clock& clock;
    ProblemBoard& problems;
    std::string cluster;
    std::string cluster_id;
    Milliseconds idle_timeout;  // a tail is published when nothing was appended for so long
  };
  explicit ForeignFiles(Options options) : options_(std::move(options)) {}

  // A file in the trash that is longer than what was published of it.
  struct Tail {
    std::string path;
    paths::TrashName name;
    std::string stream;
  };
  std::vector<Tail> FindTails();

  // Adds a claimed file to a commit: `file`, which has its stream and name, by copy; the original
  // goes to the trash.
  Status Add(StagingArea& staging, const Claim& claim, NewFile file, CommitRequest& request);
  // Adds tails as files of their own. One that cannot be read is reported and stops nobody.
  //   kNoSpace, kStale  stop
  Status AddTails(StagingArea& staging, const std::vector<Tail>& tails, CommitRequest& request);

 private:
  Status AddTail(StagingArea& staging, const Tail& tail, CommitRequest& request);
  struct Part {
    const std::string& path;
    uint64_t offset = 0;
    const std::string& collector;
  };
  Result<uint64_t> Compress(StagingArea& staging, const Part& part, NewFile& file);

  const Options options_;
  GzipCompressor compressor_;
};

}  // namespace databus
