// What a GroupWriter is asked to make visible, and what it says of it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/minute.h"
#include "commit/apply.h"
#include "commit/manifest.h"
#include "commit/record.h"

namespace databus {

// A staged file that is to become visible.
struct NewFile {
  std::string stream;
  std::string staged;  // its name in the staging area
  std::string name;    // the name it wants in the minute directory
  ManifestFile facts;
  // What it was compressed from: a claim's staged name, or a path in the trash; empty: nothing.
  std::string original{};
};

// A staged file that must not be published: it goes to quarantine.
struct UnfitFile {
  std::string stream;
  std::string staged;
  std::string name;
  uint64_t length = 0;
  uint32_t crc32c = 0;
  std::string reason;
};

// The staged original of a file that is published as a copy.
struct TrashedFile {
  std::string staged;
  std::string to;  // below system/trash/
};

struct CommitRequest {
  std::vector<NewFile> files;
  std::vector<UnfitFile> unfit;
  std::vector<TrashedFile> trashed;
  std::vector<CleanUp> clean_ups;  // done when all of the above is durable (G7)

  bool Empty() const {
    return files.empty() && unfit.empty() && trashed.empty() && clean_ups.empty();
  }
};

struct PublishedFile {
  std::string stream;
  std::string name;
  ManifestFile facts;
};

struct CommitReport {
  Minute minute;
  std::vector<PublishedFile> published;
  // Files: claims wait in staging for the caller's next commits; copies are to be made again, and
  // none of the request's entries of queues was removed.
  std::vector<Refusal> refused;
};

// A file in data/.
struct DataFileRef {
  std::string stream;
  std::string collector;
  std::string name;
};

// What a change of primary makes of one minute of a group's streams (P32).
struct MinuteChange {
  struct OfStream {
    MinuteFiles out;          // of its directory: these go to system/divergent/
    std::vector<NewFile> in;  // these come, none under the name of one that goes
    MinuteFiles holds;        // what it holds then
    // kGoes: the directory goes with its files; the primary has not got that minute (yet).
    enum class Directory : uint8_t { kStays, kGoes } directory = Directory::kStays;
  };
  std::string primary;  // as whose minute it is to stand; empty: as this cluster's own
  Minute minute;
  std::map<std::string, OfStream> streams;
};

}  // namespace databus
