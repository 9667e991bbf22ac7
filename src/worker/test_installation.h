// Two clusters in memory, collectors that deliver into them, and worker processes that can be
// killed at any call: what the worker's tests share.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "storage/fault/fault_storage.h"
#include "storage/memory/memory_storage.h"
#include "worker/worker.h"

namespace databus {

// Streams: clicks and views with primary dc1 and mirror dc2, orders the other way; sources in both.
Topology TestTopology();

// As if it were the first epoch that was stored.
std::shared_ptr<const ObeyedTopology> Obeyed(Topology topology, const std::string& alone = "");

// Another cluster becomes the primary of the streams of `from`, which mirrors them from then on.
// `cuts`: by stream.
Topology Moved(Topology topology, const std::string& from, const std::string& to,
               const std::map<std::string, Minute>& cuts);

// One published or sealed file, as a reader sees it.
struct SeenFile {
  std::string stream;
  std::string minute;  // its directory, ISO
  std::string name;
  std::string content;
};

class Installation {
 public:
  explicit Installation(Topology of = TestTopology());

  // A sealed file of `messages` lines appears in data/ of a cluster, announced or not.
  enum class Announced : uint8_t { kNo, kYes };
  void Deliver(const std::string& cluster, const std::string& stream, const std::string& collector,
               Announced announced = Announced::kYes);

  MemoryStorage& at(const std::string& cluster) { return *trees_.at(cluster); }
  std::vector<SeenFile> Files(const std::string& cluster, View view) const;
  // What is wrong: lost, doubled, holes, mirrors that are no prefix, queues that are not empty.
  // `Settled`: everything delivered must have arrived everywhere.
  enum class Settled : uint8_t { kNo, kYes };
  std::vector<std::string> Violations(Settled settled);
  // The newest minute of a cluster's merged stream; there must be one.
  Minute Newest(const std::string& cluster, const std::string& stream);

  ManualClock clock;
  Topology topology;  // as Violations sees it
  std::unique_ptr<Random> random;

 private:
  void CheckView(const std::string& cluster, const StreamSpec& stream, View view,
                 const std::set<std::string>& expected, Settled settled,
                 std::vector<std::string>& violations);
  void CheckMirror(const StreamSpec& stream, const std::string& mirror, Settled settled,
                   std::vector<std::string>& violations);

  std::map<std::string, std::unique_ptr<MemoryStorage>> trees_;
  // By cluster, collector and stream.
  std::map<std::tuple<std::string, std::string, std::string>, uint64_t> counters_;
  // Contents delivered, by cluster and stream.
  std::map<std::pair<std::string, std::string>, std::set<std::string>> delivered_;
};

// A worker process for some clusters; all its storage calls, to any cluster, go through `plan`.
class WorkerProcess {
 public:
  WorkerProcess(Installation& installation, std::vector<std::string> clusters, int64_t pid,
                Topology topology = TestTopology(), AdoptTree adopt_tree = AdoptTree::kNo,
                const std::string& alone = "", MakeLease make_lease = {});

  FaultPlan plan;
  // Prepares, takes the lease if it is free, and runs every step once.
  void Step();
  // Each problem and what to do about it, a line each.
  std::string Problems();
  // What is under way ends after the commit that it is at.
  void Stop() { worker_->Stop(); }
  // Another topology, which the process is told of while it runs.
  void Obey(Topology topology);
  ClusterWorker& of(size_t i = 0) { return *worker_->clusters()[i]; }

 private:
  void Begin(Topology topology, Learnt learnt);

  Installation& installation_;
  WorkerConfig config_;
  const int64_t pid_;
  const AdoptTree adopt_tree_;
  const std::string alone_;
  const MakeLease make_lease_;
  std::unique_ptr<Worker> worker_;
};

// A worker for each of the two clusters.
struct TwoWorkers {
  Installation world;
  WorkerProcess dc1{world, {"dc1"}, 1};
  WorkerProcess dc2{world, {"dc2"}, 2};

  // Both step, then a second passes; so many times.
  void Step(int times = 1) {
    for (int i = 0; i < times; ++i) {
      dc1.Step();
      dc2.Step();
      world.clock.Advance(std::chrono::seconds(1));
    }
  }
};

}  // namespace databus
