// The cluster's id, its lease and the names of epochs, as somebody else may have left them in the
// tree. The first byte says what the rest is.
#include "commit/cluster_id.h"
#include "commit/epoch.h"
#include "lease/tree_lease.h"
#include "storage/memory/memory_storage.h"
#include "tests/fuzz/fuzz.h"

using namespace databus;

namespace {

void WithClusterId(Storage& tree, std::string_view content) {
  for (const std::string& text : {std::string(content), fuzz::WithEndLine(content)}) {
    FUZZ_REQUIRE(tree.Replace(paths::ClusterId(), text).ok());
    const auto id = ReadClusterId(tree);
    if (!id.ok()) continue;
    FUZZ_REQUIRE(!id->id.empty() && id->groups > 0);
    FUZZ_REQUIRE(CheckClusterId(tree, id->id).ok());
    FUZZ_REQUIRE(CheckClusterId(tree, id->id + "x").code() == Code::kUnavailable);
  }
}

// Whatever the record says, it is waited for, and then the lease is ours.
void WithLease(Storage& tree, ManualClock& clock, Random& random, std::string_view content) {
  for (const std::string& text : {std::string(content), fuzz::WithEndLine(content)}) {
    FUZZ_REQUIRE(tree.Replace(paths::Join(paths::Leases(), "1"), text).ok());
    TreeLease lease(tree, clock, random, {.holder = "fuzz"});
    for (int i = 0; i < 3; ++i) {
      FUZZ_REQUIRE(lease.Tick().ok());
      clock.Advance(std::chrono::seconds(11));
    }
    FUZZ_REQUIRE(lease.Tick().ok());
    FUZZ_REQUIRE(lease.Held(View::kLocal, 0) && lease.Release().ok());
    const auto left = tree.List(paths::Leases());
    for (const DirEntry& entry : *left) {
      FUZZ_REQUIRE(tree.Remove(paths::Join(paths::Leases(), entry.name)).ok());
    }
  }
}

// Names in a staging directory and among the leases, one a line. An epoch is taken, or refused.
void WithNames(Storage& tree, ManualClock& clock, Random& random, std::string_view names) {
  FUZZ_REQUIRE(EnsureDirsBelow(tree, "system", paths::Staging(View::kLocal, 0)).ok());
  while (!names.empty()) {
    const std::string name(names.substr(0, names.find('\n')));
    names.remove_prefix(std::min(names.size(), name.size() + 1));
    static_cast<void>(tree.MakeDir(paths::Join(paths::Staging(View::kLocal, 0), name)));
    static_cast<void>(tree.WriteFile(paths::Join(paths::Leases(), name), "x"));
  }
  const auto taken = TakeEpoch(tree, random, View::kLocal, 0);
  if (taken.ok()) {
    FUZZ_REQUIRE(taken->epoch > 0);
    FUZZ_REQUIRE(tree.Stat(paths::EpochStaging(View::kLocal, 0, taken->epoch)).ok());
  }
  TreeLease lease(tree, clock, random, {.holder = "fuzz"});
  static_cast<void>(lease.Tick());
  clock.Advance(std::chrono::seconds(11));
  static_cast<void>(lease.Tick());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Parts parts(fuzz::Text(data, size));
  ManualClock clock{WallTime(std::chrono::hours(24 * 365 * 60))};
  const auto random = SeededRandom(7);
  MemoryStorage tree(clock);
  FUZZ_REQUIRE(EnsureServiceDirs(tree).ok());
  switch (parts.Byte()) {
    case 'c': WithClusterId(tree, parts.Rest()); break;
    case 'l': WithLease(tree, clock, *random, parts.Rest()); break;
    case 'n': WithNames(tree, clock, *random, parts.Rest()); break;
    default: break;
  }
  return 0;
}
