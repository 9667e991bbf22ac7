// One commit of a group on a real name node, with something happening at each of its calls in turn:
// the connection ends before the call, after it, in the middle of its answer, and the holder comes
// back or does not; the name node is paused, killed and started again; a data node dies; the holder
// is as if paused while another takes over. Then a new holder finishes: nothing is lost, nothing
// doubled, nothing of the old one takes effect any more.

#include <gmock/gmock.h>
#include <signal.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "base/crc32c.h"
#include "cluster/names.h"
#include "commit/cluster_id.h"
#include "commit/group_writer.h"
#include "commit/ledger.h"
#include "commit/test_world.h"
#include "tests/hdfs/call_proxy.h"
#include "tests/hdfs/rig.h"

namespace databus {
namespace {

using namespace std::chrono_literals;
using Then = CallProxy::Plan::Then;
using testing::IsEmpty;
using testing::SizeIs;

constexpr Group kGroup = 0;
constexpr Group kGroups = 1;

// Gives up at once.
hdfs::Patience Short() {
  return {.connect = 1'000ms,
          .answer = 2'000ms,
          .unsent = 0ms,
          .sent = 0ms,
          .away = 500ms,
          .again = std::chrono::hours(1)};
}
// Goes on as long as a restart of a name node may take.
hdfs::Patience Long() { return {.answer = 300'000ms, .unsent = 300'000ms, .sent = 300'000ms}; }

void Await(StopFlag& flag) {
  const Clock& clock = SystemClock();
  while (!flag.SleepUntil(clock, clock.Boot() + std::chrono::hours(1))) continue;
}

// What one process does with a tree: all that lies in data/ becomes visible, by one commit.
class Holder {
 public:
  Holder(Storage& storage, const StreamRules& rules, Random& random)
      : storage_(storage), rules_(rules), random_(random) {}

  Status Open() {
    auto opened = GroupWriter::Open({.storage = storage_,
                                     .random = random_,
                                     .rules = rules_,
                                     .find_cluster = [](const std::string&) { return nullptr; },
                                     .rows = rows_,
                                     .view = View::kLocal,
                                     .group = kGroup,
                                     .groups = kGroups,
                                     .root_url = "hdfs://dc1/databus"});
    DATABUS_RETURN_IF_ERROR(opened.status());
    writer_ = *std::move(opened);
    claims_ = writer_->TakeRecoveredClaims();
    return Status::Ok();
  }
  Status Commit(const std::vector<DataFileRef>& files, Minute now) {
    auto claimed = writer_->ClaimFiles(files);
    DATABUS_RETURN_IF_ERROR(claimed.status());
    claims_.insert(claims_.end(), claimed->begin(), claimed->end());
    CommitRequest request;
    for (const Claim& claim : claims_) {
      // "<stream>-YYYY-MM-DD-HH-MM_NNNNN.gz"
      const std::string stream = claim.data_name.substr(0, claim.data_name.rfind('_') - 17);
      DATABUS_ASSIGN_OR_RETURN(const FileFacts read,
                               ReadFacts(storage_, writer_->staging().PathOf(claim.staged)));
      const std::string name =
          PublishedFileName{claim.collector, *DataFileName::Parse(stream, claim.data_name)}
              .ToString();
      request.files.push_back({stream, claim.staged, name, read.file});
    }
    DATABUS_RETURN_IF_ERROR(writer_->Publish(std::move(request), now).status());
    claims_.clear();
    return writer_->CloseBefore(now + 1);
  }
  Status OpenAndCommit(const std::vector<DataFileRef>& files, Minute now) {
    DATABUS_RETURN_IF_ERROR(Open());
    return Commit(files, now);
  }

 private:
  Storage& storage_;
  const StreamRules& rules_;
  Random& random_;
  RecoveryRows rows_;
  std::unique_ptr<GroupWriter> writer_;
  std::vector<Claim> claims_;
};

// A tree of its own, with sealed files in data/.
class Place {
 public:
  Place(const RigCluster& cluster, uint32_t replication)
      : cluster_(cluster), root_("/commit/" + std::to_string(++made_)), replication_(replication) {
    const Status root = CreateHdfsRoot(Options(cluster.rpc_port, {}));
    EXPECT_TRUE(root.ok()) << root.ToString();
    tree_ = Through(cluster.rpc_port, Long());
    EXPECT_TRUE(EnsureServiceDirs(*tree_).ok());
    Deliver("clicks", "c1", 1);
    Deliver("orders", "c-2", 1);
  }

  Storage& direct() { return *tree_; }
  std::unique_ptr<Storage> Through(uint16_t port, const hdfs::Patience& patience) const {
    return OpenHdfsStorage(Options(port, patience));
  }
  void Deliver(const std::string& stream, const std::string& collector, uint64_t sequence) {
    const std::string name = DataFileName{stream, StartMinute(), sequence, true}.ToString();
    const std::string content =
        SealedBytes(stream, {"dc1", fmt::format("{:016x}", Crc32c(collector)), sequence});
    const std::string dir = paths::DataCollector(stream, collector);
    ASSERT_TRUE(EnsureDirsBelow(*tree_, paths::Data(), dir).ok());
    ASSERT_TRUE(tree_->WriteFile(paths::Join(dir, name), content).ok());
    const PublishedFileName published{collector, *DataFileName::Parse(stream, name)};
    delivered_[published.ToString()] = content;
  }
  // Every file of data/ that is still there.
  std::vector<DataFileRef> InData() {
    std::vector<DataFileRef> files;
    for (const auto& [path, content] : ReadTree(*tree_, paths::Data())) {
      if (path.back() == '/') continue;
      const std::string_view dir = paths::Parent(path);
      files.push_back({std::string(paths::BaseName(paths::Parent(dir))),
                       std::string(paths::BaseName(dir)), std::string(paths::BaseName(path))});
    }
    return files;
  }
  Tree View() { return ReadTree(*tree_, paths::ViewRoot(View::kLocal)); }

  // Everything that was delivered is there once, and nothing else (G2, G3); the queues name it once
  // (P24); the minute is closed, and its manifest says so (P15); nothing is left on the way.
  void ExpectAllOnce() {
    std::map<std::string, std::vector<std::string>> places;
    const Tree view = View();
    for (const auto& [path, content] : view) {
      if (path.back() == '/') continue;
      const std::string name(paths::BaseName(path));
      places[name].push_back(path);
      EXPECT_EQ(content, delivered_[name]) << path;
    }
    for (const auto& [name, content] : delivered_) EXPECT_THAT(places[name], SizeIs(1)) << name;
    EXPECT_THAT(places, SizeIs(delivered_.size()));
    EXPECT_THAT(InData(), IsEmpty());
    ExpectQueued(view);
    ExpectNothingOnItsWay();
  }

 private:
  HdfsOptions Options(uint16_t port, const hdfs::Patience& patience) const {
    HdfsOptions options = cluster_.Options(root_, port);
    options.name_nodes.patience = patience;
    options.replication = replication_;
    return options;
  }
  void ExpectQueued(const Tree& view) {
    for (const char* queue : {"dc1", "dc2"}) {
      std::map<std::string, int> named;
      for (const auto& [path, content] : ReadTree(*tree_, paths::Consumers(queue))) {
        for (size_t at = 0, end = 0; at < content.size(); at = end + 1) {
          end = content.find('\n', at);
          const auto place = paths::ParseQueueLine(content.substr(at, end - at));
          ASSERT_TRUE(place) << path;
          ++named[paths::MinuteFile(place->view, place->stream, place->minute, place->file)];
        }
      }
      for (const auto& [path, content] : view) {
        if (path.back() == '/') continue;
        EXPECT_EQ(named[path], 1) << path << " in the queue of " << queue;
      }
    }
  }
  // Of epochs only their names remain, as tombstones.
  void ExpectNothingOnItsWay() {
    const std::string staging = paths::Staging(View::kLocal, kGroup);
    const auto epochs = ReadTree(*tree_, staging);
    for (const auto& [path, content] : epochs) {
      const std::string below = path.substr(staging.size() + 1);
      EXPECT_LE(std::ranges::count(below, '/'), 1) << "left behind: " << path;
    }
  }

  static int made_;
  const RigCluster& cluster_;
  const std::string root_;
  const uint32_t replication_;
  std::unique_ptr<Storage> tree_;
  std::map<std::string, std::string> delivered_;  // content by published name
};

int Place::made_ = 0;

class CommitTest : public testing::Test {
 protected:
  CommitTest() {
    auto proxy = CallProxy::Start(rig_.rpc_port);
    EXPECT_TRUE(proxy.ok()) << proxy.status().ToString();
    proxy_ = *std::move(proxy);
  }
  // What the first holder's commit came to, `plan` applied to its calls.
  Status FirstHolder(Place& tree, const hdfs::Patience& patience, CallProxy::Plan plan) {
    proxy_->Begin(std::move(plan));
    const auto through = tree.Through(proxy_->port(), patience);
    Holder holder(*through, rules_, *random_);
    return holder.OpenAndCommit(tree.InData(), StartMinute());
  }
  // The next one, which nothing happens to.
  void Finish(Place& tree) {
    Holder next(tree.direct(), rules_, *random_);
    const Status finished = next.OpenAndCommit(tree.InData(), StartMinute() + 1);
    EXPECT_TRUE(finished.ok()) << finished.ToString();
    tree.ExpectAllOnce();
  }
  uint64_t CallsOfACommit() {
    Place tree(rig_, 1);
    const Status done = FirstHolder(tree, Long(), {});
    EXPECT_TRUE(done.ok()) << done.ToString();
    Finish(tree);
    return proxy_->calls();
  }
  // With each call in turn; `step` apart.
  void ForEachCall(uint64_t step, const std::function<void(uint64_t)>& check) {
    const uint64_t calls = CallsOfACommit();
    EXPECT_GT(calls, 20U);
    for (uint64_t n = 1; n <= calls + 1 && !HasFailure(); n += step) {
      SCOPED_TRACE(fmt::format("call {} of {}", n, calls));
      check(n);
    }
  }
  // Whom the cut meets is told what became of its calls when it comes back.
  void ExpectDone(CallCut cut) {
    ForEachCall(1, [&](uint64_t n) {
      Place tree(rig_, 1);
      const Status done = FirstHolder(tree, Long(), {.number = n, .cut = cut});
      EXPECT_TRUE(done.ok()) << done.ToString();
      Finish(tree);
    });
  }
  // It is gone for good, and does not know what became of them.
  void ExpectFinishedByTheNext(CallCut cut) {
    ForEachCall(1, [&](uint64_t n) {
      Place tree(rig_, 1);
      static_cast<void>(
          FirstHolder(tree, Short(), {.number = n, .cut = cut, .then = Then::kIsShutOut}));
      Finish(tree);
    });
  }

  const RigCluster& rig_ = TheRig().cluster();
  const FixedRules rules_{};
  const std::unique_ptr<Random> random_ = SeededRandom(1);
  std::unique_ptr<CallProxy> proxy_;
};

TEST_F(CommitTest, EndsWellWhenTheConnectionEndsBeforeAnyCall) { ExpectDone(CallCut::kBefore); }
TEST_F(CommitTest, EndsWellWhenTheConnectionEndsAfterAnyCall) { ExpectDone(CallCut::kAfter); }
TEST_F(CommitTest, EndsWellWhenTheConnectionEndsInTheMiddleOfAnyAnswer) {
  ExpectDone(CallCut::kHalfAnswer);
}
TEST_F(CommitTest, IsFinishedByTheNextWhenItsHolderIsGoneBeforeAnyCall) {
  ExpectFinishedByTheNext(CallCut::kBefore);
}
TEST_F(CommitTest, IsFinishedByTheNextWhenItsHolderIsGoneAfterAnyCall) {
  ExpectFinishedByTheNext(CallCut::kAfter);
}

// Its holder gives up; what it had sent is executed when the name node goes on, at the same time as
// the calls of the next one.
TEST_F(CommitTest, IsFinishedByTheNextWhenTheNameNodeIsPausedAtAnyCall) {
  const int name_node = rig_.name_nodes.at(0);
  ForEachCall(1, [&](uint64_t n) {
    Place tree(rig_, 1);
    hdfs::Patience patience = Short();
    patience.answer = 1'000ms;
    bool paused = false;
    static_cast<void>(FirstHolder(tree, patience,
                                  {.number = n,
                                   .on_call =
                                       [&] {
                                         ::kill(name_node, SIGSTOP);
                                         paused = true;
                                       },
                                   .passes = true}));
    if (paused) ::kill(name_node, SIGCONT);
    Finish(tree);
  });
}

// The fence on the real name node: the old holder wakes up at every place in turn, when the next
// one has done everything.
TEST_F(CommitTest, ChangesNothingAnyMoreWhenItsHolderSleptWhileAnotherTookOver) {
  ForEachCall(1, [&](uint64_t n) {
    Place tree(rig_, 1);
    StopFlag asleep;
    StopFlag wake;
    Status old;
    Thread sleeper("sleeper", [&] {
      old = FirstHolder(tree, Long(),
                        {.number = n,
                         .on_call =
                             [&] {
                               asleep.Stop();
                               Await(wake);
                             },
                         .passes = true});
      asleep.Stop();  // it was done before
    });
    Await(asleep);
    Holder next(tree.direct(), rules_, *random_);
    const Status taken = next.OpenAndCommit(tree.InData(), StartMinute() + 1);
    EXPECT_TRUE(taken.ok()) << taken.ToString();
    const Tree before = tree.View();
    wake.Stop();
    sleeper.Join();
    EXPECT_EQ(tree.View(), before) << "the old one: " << old.ToString();
    tree.Deliver("clicks", "c1", 2);
    const Status more = next.Commit(tree.InData(), StartMinute() + 2);
    // Who slept before it had an epoch takes one now: it is no old holder.
    EXPECT_TRUE(more.ok() || (more.code() == Code::kStale && old.ok())) << more.ToString();
    Finish(tree);
  });
}

TEST_F(CommitTest, OutlivesTheDeathOfTheNameNodeAtACall) {
  ForEachCall(9, [&](uint64_t n) {
    Place tree(rig_, 1);
    StopFlag killed;
    Thread holder("holder", [&] {
      static_cast<void>(FirstHolder(tree, Long(),
                                    {.number = n,
                                     .on_call =
                                         [&] {
                                           TheRig().Obey("kill 1 namenode1");
                                           killed.Stop();
                                         },
                                     .passes = true}));
      killed.Stop();  // it was done before
    });
    Await(killed);
    TheRig().Obey("kill 1 namenode1");
    TheRig().Obey("start 1 namenode1");
    holder.Join();
    Finish(tree);
  });
}

TEST_F(CommitTest, OutlivesTheDeathOfADataNodeAtACall) {
  ForEachCall(9, [&](uint64_t n) {
    Place tree(rig_, 2);
    bool killed = false;
    const Status done = FirstHolder(tree, Long(),
                                    {.number = n,
                                     .on_call =
                                         [&] {
                                           TheRig().Obey("kill 1 datanode1");
                                           killed = true;
                                         },
                                     .passes = true});
    EXPECT_TRUE(done.ok()) << done.ToString();
    if (killed) TheRig().Obey("start 1 datanode1");
    Finish(tree);
  });
}

}  // namespace
}  // namespace databus
