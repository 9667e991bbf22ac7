// What the tests of this folder share: two clusters in memory, collectors that deliver sealed
// files, a process that publishes them as the local service does, and an eye that sees the whole
// tree.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/minute.h"
#include "base/random.h"
#include "commit/group_writer.h"
#include "storage/fault/fault_storage.h"
#include "storage/memory/memory_storage.h"

namespace databus {

// Every path of a tree; directories end in '/', with empty content.
using Tree = std::map<std::string, std::string>;
Tree ReadTree(Storage& storage, const std::string& top);

// The bytes of a sealed file with this identity.
std::string SealedBytes(const std::string& stream, const FileIdentity& identity);

// The local view is published by the own clock, `streams` is a copy of dc2's but for those of
// `own`.
class FixedRules final : public StreamRules {
 public:
  std::set<std::string> own;

  std::optional<std::string> PrimaryOf(View view, const std::string& stream) const override;
  std::vector<std::string> QueuesOf(View view, const std::string& stream) const override;
  std::set<std::string> Primaries(View view) const override;
};

// The minute at which the scenarios begin; its hour ends two minutes later.
Minute StartMinute();

// The rows of the recovery table that a single fault at any call of the crash scenario leads to.
// The others need somebody's hand in the tree, or two faults.
const std::set<RecoveryRow>& RowsOfOneFault();

CommitRequest RequestOf(std::vector<NewFile> files);

// What outlives every process.
struct World {
  World();

  // A sealed file appears in data/.
  DataFileRef Deliver(const std::string& stream, const std::string& collector, Minute minute,
                      uint64_t sequence);
  // dc2 has a queue entry that may go when all of `files` are published.
  void Enqueue(const std::string& name, const std::vector<DataFileRef>& files);
  std::vector<DataFileRef> InData();

  ManualClock clock;
  MemoryStorage dc1;
  MemoryStorage dc2;
  std::unique_ptr<Random> random;
  FixedRules rules;
  RecoveryRows rows;
  std::map<std::string, std::string> delivered;          // content by published name
  std::map<std::string, std::set<std::string>> entries;  // published names by path in dc2
};

// A sequence number that the process refuses to publish.
inline constexpr uint64_t kRefusedSequence = 66'666;

// One process that publishes the local view of a World. Its calls go through `plan`.
class Process {
 public:
  enum class Remote : uint8_t { kReachable, kAway };
  explicit Process(World& world, Remote remote = Remote::kReachable, View view = View::kLocal);

  FaultPlan& plan() { return plan_; }
  Storage& storage() { return dc1_; }
  GroupWriter& writer() { return *writer_; }
  bool open() const { return writer_ != nullptr; }
  void Drop() { writer_.reset(); }

  // Each leaves the writer open when it answers ok, and drops it otherwise.
  Status Open();
  // Claims what lies in data/.
  Status Take();
  // Claims, and publishes what is claimed.
  Status Publish(Minute now);
  Status Close(Minute now);
  Status Purge(const std::string& stream, Minute hour);

  // Stages `content` as a file of the stream, as a copy would be.
  Result<NewFile> Stage(const std::string& stream, const std::string& name,
                        const std::string& content);
  std::vector<std::string> Incidents();

 private:
  Status Dropped(Status status);
  Result<CommitRequest> Request();
  void AddCleanUps(CommitRequest& request);

  World& world_;
  FaultPlan plan_;
  FaultStorage dc1_;
  FaultStorage dc2_;
  const GroupWriter::Options options_;
  std::unique_ptr<GroupWriter> writer_;
  std::vector<Claim> claims_;
};

}  // namespace databus
