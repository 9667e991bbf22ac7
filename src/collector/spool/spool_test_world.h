// A machine for tests of the spool: a disk in memory behind a fault plan, a clock, a sender that
// numbers its batches, and a delivery that keeps the rules (P20).
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "collector/spool/spool.h"
#include "collector/spool/state.h"
#include "net/entry_list.h"
#include "storage/disk/fault_disk.h"
#include "storage/disk/memory_disk.h"
#include "storage/fault/fault_plan.h"

namespace databus {

inline SpoolBatch MakeBatch(const std::vector<std::string>& messages,
                            std::optional<BatchId> id = {}) {
  EntryList list;
  for (const std::string& message : messages) list.Add("clicks", message);
  Frame frame = Frame::Copy(list.bytes());
  const std::string_view entries = frame.bytes();
  return {std::move(frame), entries, list.count(), id, {}};
}

inline std::vector<std::string> MessagesOf(std::string_view entries) {
  std::vector<std::string> messages;
  EXPECT_TRUE(ForEachEntry(entries, [&](std::string_view, std::string_view message) {
                messages.emplace_back(message);
              }).ok());
  return messages;
}

// As the version before wrote it: it did not say whether segments are named, and which.
inline std::string EncodeAsVersionTwo(const SpoolChange& change) {
  return EncodeChange(change).erase(24, 12);
}

struct SpoolWorld {
  SpoolWorld() { options.disk_reserve_bytes = 0; }

  Result<std::unique_ptr<Spool>> TryOpen() {
    return Spool::Open({*machine, clock, *random}, options);
  }
  // Opens the spool again, as after a restart of the process.
  Spool& Open() {
    spool.reset();
    Result<std::unique_ptr<Spool>> opened = TryOpen();
    EXPECT_TRUE(opened.ok()) << opened.status().ToString();
    if (!opened.ok()) std::abort();
    spool = *std::move(opened);
    return *spool;
  }
  // One group with one batch, flushed.
  SpoolOutcome Put(SpoolBatch batch) {
    SpoolOutcome outcome{SpoolAnswer::kClose, "no outcome"};
    std::vector<SpoolBatch> batches;
    batches.push_back(std::move(batch));
    spool->Append(std::move(batches),
                  [&](std::span<const SpoolOutcome> outcomes) { outcome = outcomes.front(); });
    spool->FlushOnce();
    return outcome;
  }
  SpoolAnswer Put(const std::string& message, std::optional<BatchId> id = {}) {
    return Put(MakeBatch({message}, id)).answer;
  }
  // All that is unsealed, without cutting it.
  std::vector<std::string> ReadAll() {
    std::vector<std::string> all;
    for (const UnsealedRange& unsealed : spool->UnsealedRanges()) {
      const auto read = spool->Read(unsealed.range, kOffsetMaxForTests, [&](const SpoolRecord& r) {
        for (std::string& message : MessagesOf(r.entries)) all.push_back(std::move(message));
      });
      EXPECT_TRUE(read.ok()) << read.status().ToString();
    }
    return all;
  }
  std::vector<std::string> Names(const std::string& dir) { return *disk.List(dir); }
  std::string Content(const std::string& path) {
    std::string content;
    const auto file = disk.Open(path);
    EXPECT_TRUE(file.ok()) << path;
    if (!file.ok()) return content;
    EXPECT_TRUE((*file)->ReadAt(0, 1u << 20, content).ok());
    return content;
  }
  // Writes a file anew, whatever is in it.
  void SetContent(const std::string& path, std::string_view content) {
    EXPECT_TRUE(disk.Remove(path).ok());
    const auto file = disk.Create(path);
    const std::string_view parts[] = {content};
    EXPECT_TRUE((*file)->Append(parts).ok());
    EXPECT_TRUE((*file)->Sync().ok());
    EXPECT_TRUE(disk.SyncDir(options.dir).ok());
  }

  static constexpr uint64_t kOffsetMaxForTests = uint64_t{1} << 40;

  MemoryDisk disk;
  FaultPlan plan;
  FaultDisk fault_disk{disk, plan};
  // What the next spool is opened on: `disk` itself is one without faults.
  Disk* machine = &fault_disk;
  ManualClock clock{WallTime(std::chrono::hours(24 * 365 * 60))};
  std::unique_ptr<Random> random = SeededRandom(7);
  SpoolOptions options{.dir = "/var/spool", .collector = "c1"};
  std::unique_ptr<Spool> spool;
};

}  // namespace databus
