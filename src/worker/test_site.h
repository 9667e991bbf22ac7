// An installation whose workers are processes that come and go, and whose streams change their
// primary: what the tests of that share.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "commit/minute_tree.h"
#include "worker/test_installation.h"

namespace databus {

class Site {
 public:
  explicit Site(Topology topology = TestTopology()) : world(std::move(topology)) {}

  void Start(const std::string& cluster) {
    processes_[cluster] = std::make_unique<WorkerProcess>(
        world, std::vector<std::string>{cluster}, ++pid_, world.topology, AdoptTree::kNo, alone);
  }
  // A process that gives up its lease; what it had under way is left as it is.
  void Stop(const std::string& cluster) {
    if (processes_.contains(cluster)) processes_[cluster]->of().Finish();
    processes_.erase(cluster);
  }
  std::unique_ptr<WorkerProcess> Take(const std::string& cluster) {
    return std::move(processes_.extract(cluster).mapped());
  }
  // Of two that run, dc1 goes on for a while though nobody hears of it: dc2 is stopped, so that
  // nothing more is mirrored, and dc1 merges only what is its own. Then dc1's worker is this one.
  std::unique_ptr<WorkerProcess> TakeUnheard() {
    Stop("dc2");
    CutOff("dc1", "dc2");
    for (int i = 0; i < 3; ++i) {
      for (const std::string stream : {"clicks", "views"}) world.Deliver("dc1", stream, "c5");
      Step(4);
      world.clock.Advance(std::chrono::minutes(1));
    }
    return Take("dc1");
  }
  WorkerProcess& of(const std::string& cluster) { return *processes_.at(cluster); }

  void Step(int times = 1) {
    for (int i = 0; i < times; ++i) {
      for (const auto& [cluster, process] : processes_) process->Step();
      world.clock.Advance(std::chrono::seconds(1));
    }
  }
  // Events everywhere, and the minute that they fall into ends.
  void Minutes(int count) {
    for (int i = 0; i < count; ++i) {
      for (const std::string cluster : {"dc1", "dc2"}) {
        for (const std::string stream : {"clicks", "views", "orders"}) {
          world.Deliver(cluster, stream, "c" + cluster);
        }
      }
      Step(6);
      world.clock.Advance(std::chrono::minutes(1));
      Step(4);
    }
  }

  // As the command's last epoch of a planned change: after a drain, of frozen streams.
  void Freeze(const std::string& from) {
    for (StreamSpec& stream : world.topology.streams) {
      if (stream.Primary() == from) stream.publication = Publication::kFrozen;
    }
    Obey();
    Step(6);
  }
  void Obey() {
    for (const std::string cluster : {"dc1", "dc2"}) {
      if (!processes_.contains(cluster)) continue;
      Stop(cluster);
      Start(cluster);
    }
  }
  void Swap(const std::string& from, const std::string& to, const std::string& cut_of) {
    std::map<std::string, Minute> cuts;
    for (const StreamSpec& stream : world.topology.streams) {
      if (stream.Primary() == from) cuts[stream.name] = world.Newest(cut_of, stream.name);
    }
    world.topology = Moved(world.topology, from, to, cuts);
    Obey();
  }
  void PlannedSwap(const std::string& from, const std::string& to) {
    Freeze(from);
    Swap(from, to, from);
  }
  // Nothing of the process reaches the other cluster's tree.
  void CutOff(const std::string& cluster, const std::string& from) {
    of(cluster).plan.Add(
        {.store_part = from + ":", .times = FaultRule::kAlways, .fault = Fault::RequestLost()});
  }

  std::vector<std::string> Divergent(const std::string& cluster) {
    std::vector<std::string> files;
    std::vector<std::string> open = {paths::DivergentRoot()};
    while (!open.empty()) {
      const std::string dir = open.back();
      open.pop_back();
      const auto entries = world.at(cluster).List(dir);
      if (!entries.ok()) continue;
      for (const DirEntry& entry : *entries) {
        const std::string path = paths::Join(dir, entry.name);
        (entry.info.kind == NodeKind::kDirectory ? open : files).push_back(path);
      }
    }
    return files;
  }
  std::string Problems(const std::string& cluster) { return of(cluster).Problems(); }
  // What each closed minute of a cluster's merged streams holds.
  std::map<std::string, std::set<std::string>> Names(const std::string& cluster) {
    std::map<std::string, std::set<std::string>> names;
    for (const SeenFile& file : world.Files(cluster, View::kMerged)) {
      names[file.stream + " " + file.minute].insert(file.name);
    }
    return names;
  }

  Installation world;
  std::string alone;  // P28: as the processes that start will have it

 private:
  std::map<std::string, std::unique_ptr<WorkerProcess>> processes_;
  int64_t pid_ = 0;
};

}  // namespace databus
