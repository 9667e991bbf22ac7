// A spool whose files were damaged: opened, read, cut, written on and opened again. Whatever is
// left of it, no message comes out that did not go in, none twice, and what is accepted after the
// damage stays.
//
// The input is a list of damages: which file, what, where, and the bytes.
#include <memory>
#include <set>
#include <vector>

#include "base/random.h"
#include "collector/spool/spool.h"
#include "net/entry_list.h"
#include "storage/disk/memory_disk.h"
#include "tests/fuzz/fuzz.h"

using namespace databus;

namespace {

constexpr uint64_t kMost = uint64_t{1} << 30;
const std::string kDir = "/spool";

struct File {
  std::string name;
  std::string content;
};

std::unique_ptr<Spool> OpenSpool(Disk& disk, Clock& clock, Random& random) {
  SpoolOptions options{.dir = kDir, .collector = "c1"};
  options.segment_bytes = 400;
  options.journal_bytes = 700;
  options.disk_reserve_bytes = 0;
  auto opened = Spool::Open({disk, clock, random}, options);
  return opened.ok() ? *std::move(opened) : nullptr;
}

SpoolAnswer Put(Spool& spool, const std::string& message, std::optional<BatchId> id) {
  EntryList list;
  list.Add("clicks", message);
  const Frame frame = Frame::Copy(list.bytes());
  std::vector<SpoolBatch> batches;
  batches.push_back({frame, frame.bytes(), 1, id, {{"bad/name", "rejected", "no stream"}}});
  SpoolAnswer answer = SpoolAnswer::kClose;
  spool.Append(std::move(batches),
               [&](std::span<const SpoolOutcome> outcomes) { answer = outcomes.front().answer; });
  spool.FlushOnce();
  return answer;
}

// Everything unsealed; with `cut` it is sealed and settled.
enum class Take : uint8_t { kLook, kCut };
std::multiset<std::string> ReadAll(Spool& spool, Take take) {
  std::multiset<std::string> messages;
  for (const UnsealedRange& unsealed : spool.UnsealedRanges()) {
    const auto read = spool.Read(unsealed.range, kMost, [&](const SpoolRecord& record) {
      const Status walked = ForEachEntry(
          record.entries,
          [&](std::string_view, std::string_view message) { messages.emplace(message); });
      FUZZ_REQUIRE(walked.ok());
    });
    FUZZ_REQUIRE(read.ok());
    if (take == Take::kLook) continue;
    const auto cut = spool.AddCut({*read}, {.intents = {{.stream = "clicks", .staged_path = "s"}}});
    FUZZ_REQUIRE(cut.ok());
    const uint64_t ids[] = {cut->intents[0].id};
    FUZZ_REQUIRE(spool.Settle(ids).ok());
  }
  return messages;
}

// The undamaged spool: several segments, an open cut, marks.
struct Origin {
  std::vector<File> files;
  std::set<std::string> messages;

  Origin() {
    MemoryDisk disk;
    ManualClock clock{WallTime(std::chrono::hours(24 * 365 * 60))};
    const auto random = SeededRandom(7);
    {
      const auto spool = OpenSpool(disk, clock, *random);
      FUZZ_REQUIRE(spool && spool->RememberCluster("cluster").ok());
      for (uint64_t i = 1; i <= 9; ++i) {
        const std::string message = "message-" + std::to_string(i);
        FUZZ_REQUIRE(Put(*spool, message, BatchId{77, i, i}) == SpoolAnswer::kKept);
        messages.insert(message);
      }
      const auto unsealed = spool->UnsealedRanges();
      FUZZ_REQUIRE(unsealed.size() > 1);
      FUZZ_REQUIRE(spool->AddCut({unsealed[0].range}, {.intents = {{.stream = "clicks"}}}).ok());
      const std::vector<std::string> streams{"clicks"};
      FUZZ_REQUIRE(spool->NextCounters(streams).ok());
    }
    const auto names = disk.List(kDir);
    for (const std::string& name : *names) {
      const auto file = disk.Open(kDir + "/" + name);
      std::string content;
      if (file.ok() && (*file)->ReadAt(0, kMost, content).ok()) files.push_back({name, content});
    }
    FUZZ_REQUIRE(files.size() >= 4);  // identity, journal, segments
  }
};

std::vector<File> Damaged(std::vector<File> files, fuzz::Parts parts) {
  while (!parts.empty()) {
    std::string& content = files[parts.Byte() % files.size()].content;
    fuzz::Damage(parts, content);
  }
  return files;
}

void Write(MemoryDisk& disk, const std::vector<File>& files) {
  FUZZ_REQUIRE(disk.MakeDirs(kDir).ok());
  for (const File& file : files) {
    const auto made = disk.Create(kDir + "/" + file.name);
    const std::string_view parts[] = {file.content};
    FUZZ_REQUIRE(made.ok() && (*made)->Append(parts).ok() && (*made)->Sync().ok());
  }
  FUZZ_REQUIRE(disk.SyncDir(kDir).ok() && disk.SyncDir("/").ok());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Origin kOrigin;
  if (size > 2000) return 0;
  ManualClock clock{WallTime(std::chrono::hours(24 * 365 * 60))};
  const auto random = SeededRandom(8);
  MemoryDisk disk;
  Write(disk, Damaged(kOrigin.files, fuzz::Parts(fuzz::Text(data, size))));
  auto spool = OpenSpool(disk, clock, *random);
  if (!spool) return 0;  // refused: an operator must look
  const auto before = ReadAll(*spool, Take::kLook);
  for (const std::string& message : before) {
    FUZZ_REQUIRE(kOrigin.messages.contains(message) && before.count(message) == 1);
  }
  FUZZ_REQUIRE(Put(*spool, "late", {}) == SpoolAnswer::kKept);
  spool.reset();
  spool = OpenSpool(disk, clock, *random);
  FUZZ_REQUIRE(spool);
  auto expected = before;
  expected.insert("late");
  FUZZ_REQUIRE(ReadAll(*spool, Take::kCut) == expected);
  FUZZ_REQUIRE(ReadAll(*spool, Take::kLook).empty());
  return 0;
}
