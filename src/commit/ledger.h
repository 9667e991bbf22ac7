// What a publisher knows of the minutes of one group: which is the newest closed one, which is
// open, and what lies in the open one. Rebuilt from the tree at every take-over.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/minute.h"
#include "base/status.h"
#include "commit/manifest.h"
#include "storage/storage.h"

namespace databus {

struct StreamMinutes {
  std::optional<Minute> newest;  // the newest minute directory
  // The newest minute that some manifest describes, where the ledger's newest one does not name the
  // stream: it had another primary, or stood still by an operator's word. Earlier minutes are not
  // this ledger's business.
  std::optional<Minute> history{};
  MinuteFiles open_files{};  // what is in the ledger's open minute
};

struct Ledger {
  // Who decides when these minutes close: empty, this cluster's own clock; else the primary whose
  // minutes are copied here.
  std::string primary;
  std::optional<Minute> closed;  // the newest manifest
  std::optional<Minute> open;    // the only minute that may get files; nothing before the first
  std::map<std::string, StreamMinutes> streams;
  // Streams with minute directories later than any that a publisher can have made: somebody else's.
  // They move nobody (P13) and are left alone.
  std::vector<std::string> strays;
  // Streams that the tree refuses to show as far as it has to be known (a missing right, damage in
  // the open minute), and why. They are not in `streams`: nothing is guessed, and nothing done.
  std::map<std::string, std::string> unread;
};

struct FileFacts {
  ManifestFile file;
  std::string damage;  // empty, or how the content contradicts its own sealed header
};

// Reads a whole file: its length, checksum, what its sealed header says and whether that is true.
Result<FileFacts> ReadFacts(Storage& storage, const std::string& path);

// The same for somebody who sees the bytes pass, as in a copy.
class FactsOfBytes {
 public:
  // The first call brings at least kSealedHeaderBytesMax bytes, or all.
  void Append(std::string_view bytes);
  FileFacts Finish() const;

 private:
  ManifestFile file_;
  std::optional<DecodedHeader> header_;
  std::string damage_;
  uint32_t payload_crc32c_ = 0;
};

// The files of a minute directory with their facts. kNotFound: no such directory.
Result<MinuteFiles> ReadMinuteFiles(Storage& storage, const std::string& minute_dir);

// Whether this answer is about what was to be read, and certain: it stays until people mend it.
bool CannotBeRead(const Status& status);

// `streams`: the streams of this group and primary that have a directory in the view. `latest`: the
// latest minute that can have been published, by the clock, where no manifest says otherwise.
// `cuts`: the topology's, by stream.
using Cuts = std::map<std::string, Minute>;
Result<Ledger> LoadLedger(Storage& storage, View view, Group group, const std::string& primary,
                          const std::vector<std::string>& streams, Minute latest,
                          const Cuts& cuts = {});

}  // namespace databus
