// For tests of delivery: a cluster and a machine that outlive the processes on them, and a process
// of spool and deliverer in front of a fault plan.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "audit/announcement.h"
#include "audit/gzip.h"
#include "cluster/paths.h"
#include "collector/deliver/deliverer.h"
#include "commit/cluster_id.h"
#include "net/entry_list.h"
#include "storage/disk/fault_disk.h"
#include "storage/disk/memory_disk.h"
#include "storage/fault/fault_storage.h"
#include "storage/memory/memory_storage.h"

namespace databus::testing_delivery {

using Entries = std::vector<std::pair<std::string, std::string>>;  // stream, message

inline DeliverySettings DefaultSettings() {
  DeliverySettings settings;
  settings.collector = "c1";
  settings.rotate_period = std::chrono::seconds(1);
  settings.retry.interval = std::chrono::seconds(2);
  settings.retry.range = std::chrono::seconds(1);
  settings.backlog_cuts = 1;
  settings.backlog_interval = std::chrono::seconds(1);
  settings.format = [](std::string_view) { return SealFormat{.bytes_max = 1'000'000}; };
  return settings;
}

// Empty when there is no such directory.
inline std::vector<DirEntry> ListIn(Storage& tree, const std::string& path) {
  auto listed = tree.List(path);
  return listed.ok() ? *std::move(listed) : std::vector<DirEntry>();
}

// Every file below data/ by path.
inline std::map<std::string, std::string> DataFilesIn(Storage& tree) {
  std::map<std::string, std::string> files;
  for (const DirEntry& stream : ListIn(tree, paths::Data())) {
    if (stream.info.kind != NodeKind::kDirectory) continue;
    for (const DirEntry& collector : ListIn(tree, paths::DataStream(stream.name))) {
      const std::string dir = paths::DataCollector(stream.name, collector.name);
      for (const DirEntry& file : ListIn(tree, dir)) {
        const std::string path = paths::Join(dir, file.name);
        if (file.info.kind == NodeKind::kFile) files[path] = *tree.ReadFile(path);
      }
    }
  }
  return files;
}

// The lines of a stream's files below data/, in the order of the files' names.
inline std::vector<std::pair<std::string, std::string>> OrderedLinesIn(Storage& tree) {
  std::vector<std::pair<std::string, std::string>> lines;
  for (const auto& [path, bytes] : DataFilesIn(tree)) {
    const auto head = DecodeSealedHeader(bytes);
    if (!head.ok()) continue;  // somebody else's
    const auto text = GunzipAll(bytes);
    EXPECT_TRUE(text.ok()) << path << ": " << text.status().ToString();
    if (!text.ok()) continue;
    uint64_t messages = 0;
    for (size_t at = 0, end = 0; at < text->size(); at = end + 1, ++messages) {
      end = text->find('\n', at);
      lines.emplace_back(head->header.stream, text->substr(at, end - at));
    }
    EXPECT_EQ(messages, head->header.messages) << path;
  }
  return lines;
}

// How often each line stands in data/, by "stream/line".
inline std::map<std::string, int> LinesIn(Storage& tree) {
  std::map<std::string, int> lines;
  for (const auto& [stream, line] : OrderedLinesIn(tree)) ++lines[stream + "/" + line];
  return lines;
}

// What outlives a process.
struct World {
  explicit World(uint64_t seed = 1) : random(SeededRandom(seed)) {
    EXPECT_TRUE(InitializeTree(cluster, *random, 16).ok());
  }

  std::vector<DirEntry> ListDir(const std::string& path) { return ListIn(cluster, path); }
  std::map<std::string, std::string> DataFiles() { return DataFilesIn(cluster); }
  std::map<std::string, int> Lines() { return LinesIn(cluster); }

  std::vector<AnnouncedFile> Announced() {
    std::vector<AnnouncedFile> files;
    for (const DirEntry& entry : ListDir(paths::Sealed("c1"))) {
      const auto name = paths::AnnouncementName::Parse(entry.name);
      EXPECT_TRUE(name.has_value()) << entry.name;
      const auto some = DecodeAnnouncement(
          *cluster.ReadFile(paths::Join(paths::Sealed("c1"), entry.name)), entry.name);
      EXPECT_TRUE(some.ok()) << some.status().ToString();
      for (const AnnouncedFile& file : *some) {
        const std::string_view dir = paths::Parent(paths::Parent(file.path));
        EXPECT_EQ(GroupOf(paths::BaseName(dir), 16), name->group);
        files.push_back(file);
      }
    }
    return files;
  }

  std::vector<std::string> Staged() {
    std::vector<std::string> names;
    for (const DirEntry& entry : ListDir(paths::CollectorStaging("c1"))) {
      names.push_back(entry.name);
    }
    return names;
  }

  ManualClock clock{WallTime(std::chrono::hours(24 * 365 * 50))};
  std::unique_ptr<Random> random;
  MemoryStorage cluster{clock};
  MemoryDisk disk;
};

// One life of a collector's process, without its server.
class Process {
 public:
  explicit Process(World& world, DeliverySettings settings = DefaultSettings())
      : world_(world), settings_(std::move(settings)) {}

  void Start() {
    SpoolOptions options;
    options.dir = "/spool";
    options.collector = settings_.collector;
    options.disk_reserve_bytes = 0;
    auto opened = Spool::Open({disk, world_.clock, *world_.random}, options);
    ASSERT_TRUE(opened.ok()) << opened.status().ToString();
    spool = *std::move(opened);
    deliverer = std::make_unique<Deliverer>(
        DeliverySeams{&cluster, *spool, world_.clock, *world_.random, problems}, settings_);
  }

  // One `Log` call, flushed. True when it was acknowledged.
  bool Log(const Entries& entries) {
    EntryList list;
    for (const auto& [stream, message] : entries) list.Add(stream, message);
    Frame frame = Frame::Copy(list.bytes());
    const std::string_view bytes = frame.bytes();
    bool kept = false;
    std::vector<SpoolBatch> batches;
    batches.push_back({.frame = std::move(frame),
                       .entries = bytes,
                       .count = list.count(),
                       .id = {},
                       .rejected = {}});
    spool->Append(std::move(batches), [&kept](std::span<const SpoolOutcome> outcomes) {
      kept = outcomes[0].answer == SpoolAnswer::kKept;
    });
    while (spool->FlushOnce()) continue;
    return kept;
  }

  // Time goes on, and with it delivery, for so many seconds.
  void Run(int seconds) {
    for (int i = 0; i < seconds * 4; ++i) {
      deliverer->Step();
      world_.clock.Advance(std::chrono::milliseconds(250));
    }
  }

 private:
  World& world_;
  const DeliverySettings settings_;

 public:
  FaultPlan plan;
  FaultStorage cluster{world_.cluster, plan};
  FaultDisk disk{world_.disk, plan};
  ProblemBoard problems{world_.clock, "collector", ShowTopic::kNo};
  std::unique_ptr<Spool> spool;
  std::unique_ptr<Deliverer> deliverer;
};

}  // namespace databus::testing_delivery
