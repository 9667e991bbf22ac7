// One commit of a group on a real cluster, for tests in which something happens in the middle of
// it: a tree with sealed files in data/, processes that publish them, and what must be true in the
// end.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/minute.h"
#include "base/sync.h"
#include "cluster/paths.h"
#include "commit/group_writer.h"
#include "commit/test_world.h"
#include "tests/hdfs/call_proxy.h"
#include "tests/hdfs/rig.h"

namespace databus {

// Gives up at once.
hdfs::Patience Short();
// Goes on as long as a restart of a name node may take.
hdfs::Patience Long();

void Await(StopFlag& flag);

// What one process does with a tree: all that lies in data/ becomes visible, by one commit.
class Holder {
 public:
  Holder(Storage& storage, const StreamRules& rules, Random& random)
      : storage_(storage), rules_(rules), random_(random) {}

  Status Commit(const std::vector<DataFileRef>& files, Minute now);
  Status OpenAndCommit(const std::vector<DataFileRef>& files, Minute now) {
    DATABUS_RETURN_IF_ERROR(Open());
    return Commit(files, now);
  }

 private:
  Status Open();

  Storage& storage_;
  const StreamRules& rules_;
  Random& random_;
  RecoveryRows rows_;
  std::unique_ptr<GroupWriter> writer_;
  std::vector<Claim> claims_;
};

// Every file of data/ that is still there.
std::vector<DataFileRef> FilesInData(Storage& tree);

// A tree of its own, with sealed files in data/.
class Place {
 public:
  Place(const RigCluster& cluster, uint32_t replication, const hdfs::Patience& patience = Long());

  const std::string& root() const { return root_; }
  Storage& direct() { return *tree_; }
  // By way of these ports, in the place of the name nodes' own.
  std::unique_ptr<Storage> Through(const std::vector<uint16_t>& ports,
                                   const hdfs::Patience& patience) const {
    return OpenHdfsStorage(Options(ports, patience));
  }
  void Deliver(const std::string& stream, const std::string& collector, uint64_t sequence);
  std::vector<DataFileRef> InData() { return FilesInData(*tree_); }
  Tree View() { return ReadTree(*tree_, paths::ViewRoot(View::kLocal)); }

  // Everything that was delivered is there once, and nothing else (G2, G3); the queues name it once
  // (P24); the minute is closed, and its manifest says so (P15); nothing is left on the way.
  void ExpectAllOnce();

 private:
  HdfsOptions Options(const std::vector<uint16_t>& ports, const hdfs::Patience& patience) const;
  void ExpectInManifests(const Tree& view);
  void ExpectQueued(const Tree& view);
  void ExpectNothingOnItsWay();

  static int made_;
  const RigCluster& cluster_;
  const std::string root_;
  const uint32_t replication_;
  std::unique_ptr<Storage> tree_;
  std::map<std::string, std::string> delivered_;  // content by published name
};

// A commit that is asleep before its call `n`, or has ended before it came to that.
class Asleep {
 public:
  // `commit` applies the plan to its calls.
  Asleep(uint64_t n, std::function<Status(CallProxy::Plan)> commit);
  ~Asleep() { Wake(); }
  // It goes on, to its end; what came of it.
  const Status& Wake();

 private:
  StopFlag asleep_;
  StopFlag wake_;
  Status outcome_;
  Thread thread_;
};

// Commits of which the first holder's calls go through proxies, one before each name node.
class CommitDrill : public testing::Test {
 protected:
  CommitDrill();
  // What the first holder's commit came to, `plan` applied to its calls of the name node that is
  // active now.
  Status FirstHolder(Place& tree, const hdfs::Patience& patience, CallProxy::Plan plan);
  // The next one, which nothing happens to, and whose clock is behind nobody's.
  void Finish(Place& tree, Minute now = StartMinute() + 1);
  // With each call of a commit in turn; `step` apart.
  void ForEachCall(uint64_t step, const std::function<void(uint64_t)>& check);
  // The first holder is asleep, and the next one does everything. When the first one wakes up it
  // changes nothing any more; `on_waking` happens just before.
  void ExpectFenced(Place& tree, Asleep& first, const std::function<void()>& on_waking = {});
  // The same, with `meanwhile` before the next one begins.
  void ExpectFencedAfterSleep(uint64_t n, const std::function<void()>& meanwhile);

  static size_t active_;  // which of the name nodes
  const RigCluster& rig_ = TheRig().cluster();
  const FixedRules rules_{};
  const std::unique_ptr<Random> random_ = SeededRandom(1);
  std::vector<std::unique_ptr<CallProxy>> proxies_;

 private:
  uint64_t CallsOfACommit();
};

}  // namespace databus
