// What goes wrong below the worker's services, one thing at a time: entries and sources that cannot
// be read, downstreams that cannot be asked, files that grow in the trash.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "commit/minute_tree.h"
#include "telemetry/heartbeat.h"
#include "worker/copier.h"
#include "worker/queue.h"
#include "worker/test_installation.h"

namespace databus {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr Group kGroups = 2;

class QueueReaderTest : public ::testing::Test {
 protected:
  QueueReaderTest() {
    EXPECT_TRUE(EnsureDir(storage_, "system").ok());
    EXPECT_TRUE(EnsureDir(storage_, "system/consumers").ok());
    EXPECT_TRUE(EnsureDir(storage_, paths::Consumers("dc1")).ok());
  }
  void Put(const std::string& name) {
    const std::string line = "streams_local/clicks/2031/05/06/10/58/" + name + ".gz\n";
    EXPECT_TRUE(storage_.WriteFile(paths::Join(paths::Consumers("dc1"), name), line).ok());
  }
  std::vector<QueueEntry*> Entries() { return queue_.OfGroup(GroupOf("clicks", kGroups)); }

  MemoryStorage storage_;
  FaultPlan plan_;
  FaultStorage source_{storage_, plan_};
  QueueReader queue_{paths::Consumers("dc1"), kGroups, [](Group) { return true; }};
};

TEST_F(QueueReaderTest, AnEntryThatCannotBeReadIsNamedAndStopsNobody) {
  Put("a");
  Put("b");
  plan_.Add({.verb = Verb::kOpen,
             .path_part = "dc1/a",
             .times = FaultRule::kAlways,
             .fault = Fault::Refused(Code::kRefused)});
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(queue_.Refresh(source_).ok());
    ASSERT_THAT(Entries(), SizeIs(1));
    EXPECT_EQ(Entries()[0]->path, "system/consumers/dc1/b");
    ASSERT_THAT(queue_.Unreadable(), SizeIs(1));
    EXPECT_THAT(queue_.Unreadable()[0], HasSubstr("system/consumers/dc1/a"));
  }
  plan_.Clear();
  ASSERT_TRUE(queue_.Refresh(source_).ok());
  EXPECT_THAT(Entries(), SizeIs(2));
  EXPECT_THAT(queue_.Unreadable(), IsEmpty());
}

TEST_F(QueueReaderTest, ASourceThatFallsSilentLeavesWhatWasKnown) {
  Put("a");
  ASSERT_TRUE(queue_.Refresh(source_).ok());
  Entries()[0]->settled.insert(0);
  Put("b");
  plan_.Add({.verb = Verb::kOpen, .fault = Fault::RequestLost()});
  EXPECT_TRUE(queue_.Refresh(source_).unknown());
  ASSERT_THAT(Entries(), SizeIs(1));
  EXPECT_TRUE(Entries()[0]->Settled());
  ASSERT_TRUE(storage_.Remove("system/consumers/dc1/a").ok());
  ASSERT_TRUE(queue_.Refresh(source_).ok());
  ASSERT_THAT(Entries(), SizeIs(1));
  EXPECT_EQ(Entries()[0]->path, "system/consumers/dc1/b");
}

TEST(CopierTest, AFailedCopyLeavesNothingInStaging) {
  MemoryStorage base;
  MemoryStorage target;
  ASSERT_TRUE(base.WriteFile("f", "content").ok());
  FaultPlan plan;
  FaultStorage source(base, plan);
  plan.Add({.verb = Verb::kRead, .fault = Fault::Refused(Code::kUnavailable)});
  const std::vector<CopyJob> jobs{{&source, "f", "f1"}};
  EXPECT_FALSE(CopyFiles(target, jobs, 1)[0].status.ok());
  EXPECT_THAT(*target.List(""), IsEmpty());
  EXPECT_TRUE(CopyFiles(target, jobs, 1)[0].status.ok());
  EXPECT_EQ(*target.ReadFile("f1"), "content");
}

struct RepairWorld : TwoWorkers {
  // Each cluster delivers, everything arrives everywhere, and its minutes are closed.
  void DeliverAndClose() {
    for (const std::string stream : {"clicks", "views", "orders"}) {
      world.Deliver("dc1", stream, "c1");
      world.Deliver("dc2", stream, "c2");
    }
    Step(4);
    world.clock.Advance(minutes(2));
    Step(6);
  }
  // Time passes in steps that both workers follow.
  void PassHours(int count) {
    for (int i = 0; i < count; ++i) {
      world.clock.Advance(hours(1));
      Step(15);
    }
  }
};

std::vector<std::string> StreamsWithFiles(const Installation& world, View view) {
  std::vector<std::string> streams;
  for (const SeenFile& file : world.Files("dc1", view)) streams.push_back(file.stream);
  return streams;
}

TEST(PurgeTest, AnHourThatTheMirrorNeverHadStaysAndIsReported) {
  RepairWorld run;
  run.DeliverAndClose();
  // As if clicks had been mirrored only since a later minute.
  MemoryStorage& dc2 = run.world.at("dc2");
  const auto files = run.world.Files("dc2", View::kMerged);
  for (const SeenFile& file : files) {
    if (file.stream != "clicks") continue;
    const Minute minute = *Minute::ParseIso(file.minute);
    const Group group = GroupOf("clicks", kGroups);
    auto manifest = *ReadManifest(dc2, View::kMerged, group, minute, "dc1");
    manifest.streams.erase("clicks");
    ASSERT_TRUE(
        dc2.Replace(paths::Manifest(View::kMerged, group, minute, "dc1"), manifest.Encode()).ok());
    break;
  }
  for (const SeenFile& file : files) {
    if (file.stream != "clicks") continue;
    ASSERT_TRUE(dc2.Remove(paths::MinuteFile(View::kMerged, "clicks",
                                             *Minute::ParseIso(file.minute), file.name))
                    .ok());
  }
  run.PassHours(9);
  EXPECT_THAT(StreamsWithFiles(run.world, View::kMerged), Contains("clicks"));
  EXPECT_THAT(StreamsWithFiles(run.world, View::kMerged), Not(Contains("views")));
  EXPECT_THAT(run.dc1.Problems(),
              HasSubstr("clicks of 2031-05-06T10:00Z is past the retention limit: "
                        "mirror dc2 has not got"));
  const auto since = [&] {
    for (const Problem& problem : run.dc1.of().ListProblems()) {
      if (problem.what.find("past the retention limit") != std::string::npos) return problem.since;
    }
    return WallTime();
  };
  const WallTime before = since();
  run.PassHours(2);
  EXPECT_EQ(since(), before) << "it lasts, though it is looked at again";
}

// A worker of dc1 that drops what is past the limit.
class DroppingWorker {
 public:
  explicit DroppingWorker(Installation& world) : world_(world) {
    WorkerConfig config;
    config.clusters = {"dc1"};
    config.retention_limit_action = "drop";
    WorkerSeams seams{world.clock, *world.random,
                      [this](const ClusterSpec& spec) -> Result<std::unique_ptr<Storage>> {
                        return std::unique_ptr<Storage>(
                            std::make_unique<FaultStorage>(world_.at(spec.name), plan));
                      },
                      [](const ClusterSpec&) { return Status::Ok(); }};
    worker_ = *Worker::Create(seams, config, Obeyed(TestTopology()), {"host", 9}, AdoptTree::kNo);
  }
  // The retention's limit passes while dc2's worker stands still.
  void PassLimit() {
    for (int i = 0; i < 9; ++i) {
      world_.clock.Advance(hours(1));
      for (int step = 0; step < 15; ++step) {
        ClusterWorker& worker = *worker_->clusters()[0];
        EXPECT_TRUE(worker.Prepare().ok());
        worker.LeaseStep();
        worker.LocalStep();
        worker.StreamsStep();
        world_.clock.Advance(seconds(1));
      }
    }
  }
  FaultPlan plan;

 private:
  Installation& world_;
  std::unique_ptr<Worker> worker_;
};

TEST(PurgeTest, ADownstreamThatDoesNotAnswerIsNotTakenForOneThatLacksTheFiles) {
  RepairWorld run;
  run.DeliverAndClose();
  run.dc1.of().Finish();
  DroppingWorker worker(run.world);
  worker.plan.Add({.verb = Verb::kList,
                   .store_part = "dc2",
                   .path_part = "system/manifests/streams",
                   .times = FaultRule::kAlways,
                   .fault = Fault::RequestLost()});
  worker.PassLimit();
  EXPECT_THAT(run.world.Files("dc1", View::kLocal), SizeIs(3));
  worker.plan.Clear();
  worker.PassLimit();
  EXPECT_THAT(run.world.Files("dc1", View::kLocal), IsEmpty());
}

TEST(PurgeTest, ADamagedManifestOfADownstreamDropsNothing) {
  RepairWorld run;
  run.DeliverAndClose();
  run.dc1.of().Finish();
  MemoryStorage& dc2 = run.world.at("dc2");
  for (Group group = 0; group < kGroups; ++group) {
    for (const std::string primary : {"", "dc1"}) {
      for (const Minute minute :
           *ListManifests(dc2, View::kMerged, group, primary, kFirstMinute, kLastMinute)) {
        ASSERT_TRUE(
            dc2.Replace(paths::Manifest(View::kMerged, group, minute, primary), "damaged").ok());
      }
    }
  }
  DroppingWorker worker(run.world);
  worker.PassLimit();
  EXPECT_THAT(run.world.Files("dc1", View::kLocal), SizeIs(3));
}

TEST(PurgeTest, AFileThatGrewInTheTrashStaysUntilItsTailIsPublished) {
  RepairWorld run;
  Storage& dc1 = run.world.at("dc1");
  ASSERT_TRUE(dc1.MakeDir("data/clicks").ok());
  ASSERT_TRUE(dc1.MakeDir("data/clicks/old-1").ok());
  for (const std::string number : {"56", "57", "58"}) {
    const std::string name = "data/clicks/old-1/clicks-2031-05-06-10-" + number + "_00000";
    ASSERT_TRUE(dc1.WriteFile(name, number + "\n").ok());
  }
  run.Step(2);
  const std::string dir = "system/trash/2031-05-06/10";
  const auto trash = dc1.List(dir);
  ASSERT_THAT(*trash, SizeIs(2));
  const std::string grown = paths::Join(dir, trash->front().name);
  run.world.clock.Advance(hours(30));
  ASSERT_TRUE(dc1.Replace(grown, "56\nlate\n").ok());
  run.Step(15);
  EXPECT_TRUE(dc1.Stat(grown).ok());
  EXPECT_THAT(*dc1.List(dir), SizeIs(1)) << "what did not grow is gone";
  run.world.clock.Advance(minutes(70));
  run.Step(15);
  run.world.clock.Advance(minutes(70));
  run.Step(15);
  EXPECT_FALSE(dc1.Stat(dir).ok()) << "with its tail published it goes too";
  std::set<std::string> names;
  for (const SeenFile& file : run.world.Files("dc1", View::kLocal)) names.insert(file.name);
  EXPECT_THAT(names, Contains("old-1-clicks-2031-05-06-10-56_1000000003.gz"));
}

TEST(PurgeTest, TheNewestManifestOfAGroupIsNeverRemoved) {
  RepairWorld run;
  run.DeliverAndClose();
  MemoryStorage& dc2 = run.world.at("dc2");
  const Group group = GroupOf("clicks", kGroups);
  const auto before = *NewestManifest(dc2, View::kMerged, group, "dc1");
  ASSERT_TRUE(before.has_value());
  run.world.clock.Advance(hours(240));  // dc1 stands still
  for (int i = 0; i < 20; ++i) {
    run.dc2.Step();
    run.world.clock.Advance(seconds(1));
  }
  EXPECT_EQ(*NewestManifest(dc2, View::kMerged, group, "dc1"), before);
}

TEST(RestartTest, AWorkerThatRestartsAloneKnowsTheOtherClustersIdsFromItsOwnTree) {
  RepairWorld run;
  run.Step(3);
  run.dc2.of().BeatStep();
  run.dc2.of().Finish();
  MemoryStorage& dc1 = run.world.at("dc1");
  const std::string id = ReadClusterId(dc1)->id;
  MemoryStorage other;
  ASSERT_TRUE(InitializeTree(other, *run.world.random, kGroups).ok());
  ASSERT_TRUE(dc1.Replace(paths::ClusterId(), *other.ReadFile(paths::ClusterId())).ok());
  ASSERT_NE(ReadClusterId(dc1)->id, id);

  WorkerProcess restarted(run.world, {"dc2"}, 3);
  for (int i = 0; i < 15; ++i) {
    restarted.Step();
    run.world.clock.Advance(seconds(1));
  }
  restarted.of().BeatStep();
  const auto text = run.world.at("dc2").ReadFile(paths::StatusFile("worker-dc2"));
  const auto beat = DecodeHeartbeat(*text, "worker-dc2");
  EXPECT_EQ(beat->pid, 3);
  EXPECT_EQ(beat->facts["cluster_ids"]["dc1"], id);
}

}  // namespace
}  // namespace databus
