// For tests that compare minutes: two trees with closed minutes of one group, and how many files
// are opened in them.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "commit/cluster_id.h"
#include "commit/manifest.h"
#include "storage/fault/fault_storage.h"
#include "storage/memory/memory_storage.h"

namespace databus {

class TwoTrees {
 public:
  static constexpr Group kGroup = 3;
  const Minute first = *Minute::ParseIso("2031-05-06T10:04Z");
  std::vector<std::string> streams;

  explicit TwoTrees(int count) {
    for (int i = 0; i < count; ++i) streams.push_back(fmt::format("s{}", i));
  }

  // Of all streams at both sides, equal, but for what `here` lacks.
  void Close(Minute from, int minutes) {
    for (int i = 0; i < minutes; ++i) {
      CloseOne(there, "", from + i, 1);
      CloseOne(here, "dc1", from + i, 1);
    }
  }
  // The minute of all streams with a file of this checksum.
  void CloseOne(Storage& tree, const std::string& primary, Minute minute, uint32_t crc) {
    Manifest manifest{View::kMerged, kGroup, minute, primary, {}};
    for (const std::string& stream : streams) {
      manifest.streams[stream]["a.gz"] = {.length = 1, .crc32c = crc};
      Make(tree, paths::MinuteDir(View::kMerged, stream, minute));
    }
    const std::string path = paths::Manifest(View::kMerged, kGroup, minute, primary);
    Make(tree, std::string(paths::Parent(path)));
    EXPECT_TRUE(tree.WriteFile(path, manifest.Encode()).ok());
  }
  static void Make(Storage& tree, const std::string& directory) {
    EXPECT_TRUE(EnsureDirsBelow(tree, "", directory).ok());
  }
  void Purge(Storage& tree, Minute minute) {
    for (const std::string& stream : streams) {
      EXPECT_TRUE(tree.Remove(paths::MinuteDir(View::kMerged, stream, minute)).ok());
    }
  }
  uint64_t Count(Verb verb) const {
    const std::vector<Call> trace = plan.trace();
    return static_cast<uint64_t>(
        std::ranges::count_if(trace, [&](const Call& call) { return call.verb == verb; }));
  }

  MemoryStorage here{SystemClock(), "memory:here"};
  MemoryStorage there{SystemClock(), "memory:there"};
  FaultPlan plan;
  FaultStorage counted_here{here, plan};
  FaultStorage counted_there{there, plan};
};

}  // namespace databus
