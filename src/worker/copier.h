// Copies files from one cluster into another's staging, several at a time, with length and checksum
// taken from the bytes that passed and checked against what the file says of itself.
#pragma once

#include <string>
#include <vector>

#include "commit/ledger.h"
#include "storage/storage.h"

namespace databus {

struct CopyJob {
  Storage* source = nullptr;
  std::string from;  // a path at the source
  std::string to;    // a path in staging that does not exist
};

struct CopyOutcome {
  // kNotFound: the source says that there is no such file. Others: not copied; try again later.
  Status status;
  FileFacts facts;
};

// In the order of the jobs. Blocks until all are done. What was copied in part is removed again, so
// that a source that fails at every run does not fill staging.
std::vector<CopyOutcome> CopyFiles(Storage& target, const std::vector<CopyJob>& jobs, int threads);

// Takes out of staging what is of no use, whole or in part. What stays goes with the next epoch.
void RemoveCopies(Storage& target, const std::vector<std::string>& paths);

}  // namespace databus
