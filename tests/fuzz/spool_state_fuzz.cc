// The pieces of a spool's files: changes of its journal, rejected entries, headers. Changes that
// can be decoded are committed to a journal, which must say the same after a restart, and go on.
#include "collector/spool/files.h"
#include "collector/spool/format.h"
#include "collector/spool/journal.h"
#include "collector/spool/state.h"
#include "storage/disk/memory_disk.h"
#include "tests/fuzz/fuzz.h"

using namespace databus;

namespace {

const JournalOptions kOptions{.dir = "/spool", .incarnation = 5, .rotate_bytes = 600};

std::string StateOf(const Journal& journal) {
  return EncodeChange(journal.Look([](const SpoolState& state) { return state.Snapshot(); }));
}

void CommitAndReopen(const std::vector<SpoolChange>& changes) {
  MemoryDisk disk;
  FUZZ_REQUIRE(disk.MakeDirs(kOptions.dir).ok());
  std::string state;
  {
    auto journal = Journal::Open(disk, kOptions);
    FUZZ_REQUIRE(journal.ok());
    for (const SpoolChange& change : changes) FUZZ_REQUIRE((*journal)->Commit(change).ok());
    state = StateOf(**journal);
  }
  for (int i = 0; i < 2; ++i) {
    auto journal = Journal::Open(disk, kOptions);
    FUZZ_REQUIRE(journal.ok() && StateOf(**journal) == state);
  }
}

void CheckRejected(std::string_view bytes) {
  const std::vector<RejectedEntry> entries = DecodeRejected(bytes);
  const std::string written = EncodeRejected(entries);
  FUZZ_REQUIRE(bytes.starts_with(written));
  FUZZ_REQUIRE(DecodeRejected(written).size() == entries.size());
}

void CheckHeaders(std::string_view bytes) {
  fuzz::Parts parts(bytes);
  const SegmentId id{parts.Byte(), parts.Byte()};
  const auto rest = parts.Rest();
  static_cast<void>(CheckSegmentHeader(rest, id));
  const size_t at = FindRecordMagic(rest, 0);
  FUZZ_REQUIRE(at <= rest.size());
  const auto header = DecodeRecordHeader(rest.substr(at), id, 64);
  if (!header) return;
  std::string written;
  AppendRecordHeader(written, id, *header);
  FUZZ_REQUIRE(rest.substr(at).starts_with(written) && header->end() > header->offset);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input = fuzz::Text(data, size);
  CheckRejected(input);
  CheckHeaders(input);
  std::vector<SpoolChange> changes;
  for (fuzz::Parts parts(input); !parts.empty();) {
    const std::string_view bytes = parts.Bytes(parts.Short());
    const auto change = DecodeChange(bytes);
    if (!change) continue;
    FUZZ_REQUIRE(EncodeChange(*change) == bytes);
    changes.push_back(*change);
  }
  if (!changes.empty()) CommitAndReopen(changes);
  return 0;
}
