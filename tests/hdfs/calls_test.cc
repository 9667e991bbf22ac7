// What the worker asks of name nodes: bounded, and counted on a real cluster.
//   a run in which no minute closes: the same whatever the number of streams
//   a minute that closes: two calls for each stream and view
//   a sealed file until it is published in streams_local: four
//   a file that is merged, or mirrored: eight
// and for each run and group something constant besides. `complete` that has to be asked again,
// because a data node had not reported yet, is chance, and counted apart.
// And the processor's time of the servers for a run and for a file.

#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "audit/announcement.h"
#include "base/crc32c.h"
#include "cluster/names.h"
#include "commit/cluster_id.h"
#include "commit/minute_tree.h"
#include "tests/hdfs/rig.h"
#include "worker/worker.h"

namespace databus {
namespace {

constexpr std::string_view kAgain = "complete (again)";
constexpr Group kGroups = 4;

Topology TopologyOf(int streams) {
  std::string xml = "<databus><defaults><rootdir>/x</rootdir></defaults><streams>";
  for (int i = 0; i < streams; ++i) {
    xml += fmt::format(
        "<stream name=\"s{}\"><sources><source><name>dc1</name></source></sources><destinations>"
        "<destination><name>dc1</name><primary>true</primary></destination>"
        "<destination><name>dc2</name></destination></destinations></stream>",
        i);
  }
  xml += "</streams><clusters>";
  for (const char* dc : {"dc1", "dc2"}) {
    xml += fmt::format(
        "<cluster name=\"{}\" hdfsurl=\"hdfs://{}\" jturl=\"local\" jobqueuename=\"default\"/>", dc,
        dc);
  }
  auto topology = ParseTopology(xml + "</clusters></databus>", "databus.xml");
  EXPECT_TRUE(topology.ok()) << topology.status().ToString();
  return *std::move(topology);
}

// Two clusters, which are two trees on one HDFS, and a worker for each. Its steps are called here.
class Installation {
 public:
  explicit Installation(int streams)
      : root_(fmt::format("/calls/{}", ++made_)), topology_(TopologyOf(streams)) {
    for (const char* dc : {"dc1", "dc2"}) {
      EXPECT_TRUE(CreateHdfsRoot(OptionsOf(dc, nullptr)).ok());
      trees_[dc] = OpenHdfsStorage(OptionsOf(dc, nullptr));
      EXPECT_TRUE(InitializeTree(*trees_[dc], *random_, kGroups).ok());
      StartWorker(dc);
    }
    Round();
  }

  // One sealed file of a stream at dc1, announced by itself.
  void Deliver(int stream) {
    Storage& tree = *trees_["dc1"];
    const std::string name = fmt::format("s{}", stream);
    SealedHeader header;
    header.identity = {"dc1", "00000000000000c1", ++counter_};
    header.stream = name;
    header.collector = "c1";
    header.messages = 1;
    const std::string payload = fmt::format("payload {}", counter_);
    header.payload_bytes = payload.size();
    header.payload_crc32c = Crc32c(payload);
    const std::string content = EncodeSealedHeader(header) + payload;
    const std::string path = paths::DataFile(
        name, "c1", DataFileName{name, Minute::Of(clock_.Wall()), counter_, true}.ToString());
    for (const std::string& dir :
         {paths::DataStream(name), paths::DataCollector(name, "c1"), paths::Sealed("c1")}) {
      ASSERT_TRUE(EnsureDir(tree, dir).ok());
    }
    ASSERT_TRUE(tree.WriteFile(path, content).ok());
    const std::string text = EncodeAnnouncement(
        {{path, content.size(), Crc32c(content), header.messages, header.identity}});
    const paths::AnnouncementName announcement{GroupOf(name, kGroups), counter_};
    ASSERT_TRUE(
        tree.WriteFile(paths::Join(paths::Sealed("c1"), announcement.ToString()), text).ok());
  }

  ClusterWorker& of(const std::string& dc) { return *workers_.at(dc)->clusters()[0]; }
  // All steps of both, until nothing is on its way.
  void Round() {
    for (int i = 0; i < 2; ++i) {
      for (const auto& [dc, worker] : workers_) {
        const Status prepared = of(dc).Prepare();
        EXPECT_TRUE(prepared.ok()) << prepared.ToString();
        of(dc).LeaseStep();
        of(dc).LocalStep();
        of(dc).StreamsStep();
        EXPECT_TRUE(of(dc).ListProblems().empty()) << of(dc).ListProblems()[0].what;
      }
    }
  }
  void PassMinute() {
    clock_.Advance(std::chrono::minutes(1));
    for (const auto& [dc, worker] : workers_) of(dc).LeaseStep();  // it would not be ours any more
    for (const auto& [dc, worker] : workers_) of(dc).LeaseStep();
  }
  // The calls of one step, by kind.
  std::map<std::string, int64_t> Calls(const std::string& dc, const std::function<void()>& step) {
    const auto before = Sums(dc);
    step();
    auto calls = Sums(dc);
    for (const auto& [kind, count] : before) calls[kind] -= count;
    calls.erase(std::string(kAgain));
    std::erase_if(calls, [](const auto& call) { return call.second == 0; });
    return calls;
  }
  std::map<std::string, int64_t> Local() {
    return Calls("dc1", [&] { of("dc1").LocalStep(); });
  }
  std::map<std::string, int64_t> Streams(const std::string& dc) {
    return Calls(dc, [&] { of(dc).StreamsStep(); });
  }
  size_t Files(const std::string& dc, View view, int stream) {
    size_t files = 0;
    const std::string root = paths::Stream(view, fmt::format("s{}", stream));
    const auto minutes = ListMinutes(*trees_[dc], root, kFirstMinute, kLastMinute);
    if (!minutes.ok()) return 0;
    for (const Minute minute : *minutes) {
      files += trees_[dc]->List(paths::MinuteDir(view, fmt::format("s{}", stream), minute))->size();
    }
    return files;
  }

 private:
  HdfsOptions OptionsOf(const std::string& dc, std::shared_ptr<StorageCalls> calls) const {
    const RigCluster& cluster = TheRig().cluster();
    HdfsOptions options = cluster.Options(root_ + "/" + dc, cluster.rpc_port);
    options.calls = std::move(calls);
    return options;
  }
  void StartWorker(const std::string& dc) {
    calls_[dc] = std::make_shared<StorageCalls>();
    WorkerConfig& config = configs_[dc];
    config.clusters = {dc};
    config.run_interval = std::chrono::seconds(1);
    config.lease_timeout = std::chrono::hours(24);
    WorkerSeams seams{clock_, *random_,
                      [this, dc](const ClusterSpec& spec) -> Result<std::unique_ptr<Storage>> {
                        return OpenHdfsStorage(OptionsOf(spec.name, calls_[dc]));
                      },
                      [](const ClusterSpec&) { return Status::Ok(); }};
    StoredTopology stored;
    stored.topology = topology_;
    auto obeyed = std::make_shared<const ObeyedTopology>(
        ObeyedTopology{TopologyEpoch::Of(std::move(stored)), topology_, {}});
    auto worker =
        Worker::Create(std::move(seams), config, std::move(obeyed), {"host", 1}, AdoptTree::kNo);
    ASSERT_TRUE(worker.ok()) << worker.status().ToString();
    workers_[dc] = *std::move(worker);
  }
  std::map<std::string, int64_t> Sums(const std::string& dc) const {
    std::map<std::string, int64_t> sums;
    for (const auto& [tree, kinds] : calls_.at(dc)->All()) {
      for (const auto& [kind, count] : kinds) sums[kind] += static_cast<int64_t>(count);
    }
    return sums;
  }

  static int made_;
  const std::string root_;
  const Topology topology_;
  // As the cluster's own clock has it, or nothing is published (P13); a minute does not end by
  // chance.
  ManualClock clock_{Minute::Of(SystemClock().Wall()).Start() + std::chrono::seconds(20)};
  const std::unique_ptr<Random> random_ = SeededRandom(7);
  uint64_t counter_ = 0;
  std::map<std::string, std::unique_ptr<Storage>> trees_;
  std::map<std::string, std::shared_ptr<StorageCalls>> calls_;
  std::map<std::string, WorkerConfig> configs_;
  std::map<std::string, std::unique_ptr<Worker>> workers_;
};

int Installation::made_ = 0;

int64_t SumOf(const std::map<std::string, int64_t>& calls) {
  int64_t sum = 0;
  for (const auto& [kind, count] : calls) sum += count;
  return sum;
}

std::string Text(const std::map<std::string, int64_t>& calls) {
  std::string text = fmt::format("{} calls:", SumOf(calls));
  for (const auto& [kind, count] : calls) text += fmt::format(" {} {}", kind, count);
  return text;
}

// What each of `more` costs beyond what `fewer` of them cost.
double Each(const std::map<std::string, int64_t>& with_fewer,
            const std::map<std::string, int64_t>& with_more, int difference) {
  return static_cast<double>(SumOf(with_more) - SumOf(with_fewer)) / difference;
}

// Steps of an installation whose streams all have had a file.
struct Costs {
  std::map<std::string, int64_t> idle_local;
  std::map<std::string, int64_t> idle_streams;  // dc1's: nothing to merge
  std::map<std::string, int64_t> idle_mirror;   // dc2's
  std::map<std::string, int64_t> closing_local;
  std::map<std::string, int64_t> closing_merged;
  std::map<std::string, int64_t> closing_mirror;
};

Costs CostsOf(int streams) {
  Installation world(streams);
  for (int i = 0; i < streams; ++i) world.Deliver(i);
  world.Round();
  EXPECT_EQ(world.Files("dc2", View::kMerged, streams - 1), 1u);
  // A minute that had files closes; those after it are empty.
  world.PassMinute();
  world.Round();
  Costs costs;
  costs.idle_local = world.Local();
  costs.idle_streams = world.Streams("dc1");
  costs.idle_mirror = world.Streams("dc2");
  world.PassMinute();
  costs.closing_local = world.Local();
  costs.closing_merged = world.Streams("dc1");
  costs.closing_mirror = world.Streams("dc2");
  return costs;
}

TEST(CallsTest, StreamsCostNothingButWhenMinutesClose) {
  constexpr int kFew = 12;
  constexpr int kMany = 28;
  const Costs few = CostsOf(kFew);
  const Costs many = CostsOf(kMany);
  std::string all;
  for (const auto& [name, part] : {std::pair{"idle local", &Costs::idle_local},
                                   {"idle merge", &Costs::idle_streams},
                                   {"idle mirror", &Costs::idle_mirror},
                                   {"closing local", &Costs::closing_local},
                                   {"closing merged", &Costs::closing_merged},
                                   {"closing mirror", &Costs::closing_mirror}}) {
    all += fmt::format("{}: {} streams {}\n{}: {} streams {}\n", name, kFew, Text(few.*part), name,
                       kMany, Text(many.*part));
  }
  std::puts(all.c_str());
  EXPECT_EQ(few.idle_local, many.idle_local);
  EXPECT_EQ(few.idle_streams, many.idle_streams);
  EXPECT_EQ(few.idle_mirror, many.idle_mirror);
  EXPECT_LE(Each(few.closing_local, many.closing_local, kMany - kFew), 2);
  EXPECT_LE(Each(few.closing_merged, many.closing_merged, kMany - kFew), 2);
  EXPECT_LE(Each(few.closing_mirror, many.closing_mirror, kMany - kFew), 2);
}

struct FileCosts {
  std::map<std::string, int64_t> local;
  std::map<std::string, int64_t> merge;
  std::map<std::string, int64_t> mirror;
};

// Of `files` files of one stream. Each has an announcement of its own, and entries of its own in
// the queues: the dearest that it can be.
FileCosts CostsOfFiles(int files) {
  Installation world(1);
  world.Deliver(0);
  world.Round();
  FileCosts costs;
  for (int i = 0; i < files; ++i) world.Deliver(0);
  costs.local = world.Local();
  EXPECT_EQ(world.Files("dc1", View::kLocal, 0), static_cast<size_t>(files) + 1);
  world.Round();
  for (int i = 0; i < files; ++i) {
    world.Deliver(0);
    world.Local();
  }
  costs.merge = world.Streams("dc1");
  EXPECT_EQ(world.Files("dc1", View::kMerged, 0), 2u * files + 1);
  world.Round();
  for (int i = 0; i < files; ++i) {
    world.Deliver(0);
    world.Local();
    world.Streams("dc1");
  }
  costs.mirror = world.Streams("dc2");
  EXPECT_EQ(world.Files("dc2", View::kMerged, 0), 3u * files + 1);
  return costs;
}

TEST(CallsTest, AFileCostsFourCallsUntilItIsPublishedAndEightToMergeOrMirror) {
  constexpr int kFew = 3;
  constexpr int kMany = 11;
  const FileCosts few = CostsOfFiles(kFew);
  const FileCosts many = CostsOfFiles(kMany);
  std::string all;
  for (const auto& [name, part] : {std::pair{"local", &FileCosts::local},
                                   {"merge", &FileCosts::merge},
                                   {"mirror", &FileCosts::mirror}}) {
    all += fmt::format("{}: {} files {}\n{}: {} files {}\n", name, kFew, Text(few.*part), name,
                       kMany, Text(many.*part));
  }
  std::puts(all.c_str());
  EXPECT_LE(Each(few.local, many.local, kMany - kFew), 4);
  EXPECT_LE(Each(few.merge, many.merge, kMany - kFew), 8);
  EXPECT_LE(Each(few.mirror, many.mirror, kMany - kFew), 8);
}

// The data node's files of blocks that hold a sealed file.
std::set<std::string> SealedBlocks() {
  std::set<std::string> blocks;
  const auto place = std::filesystem::path(TheRig().cluster().conf).parent_path();
  for (const auto& entry : std::filesystem::recursive_directory_iterator(place)) {
    const std::string name = entry.path().filename();
    if (!name.starts_with("blk_") || name.ends_with(".meta")) continue;
    std::ifstream file(entry.path(), std::ios::binary);
    if (file.get() == 0x1f && file.get() == 0x8b) blocks.insert(entry.path());
  }
  return blocks;
}

void FlipAByte(const std::string& path) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(20);
  const int byte = file.get();
  file.seekp(20);
  file.put(static_cast<char>(byte ^ 1));
}

// G11: the only replica of a delivered file is damaged. It waits, is told of, and comes when it is
// mended; the others go on.
TEST(DamagedBlockTest, HoldsUpNothingButItsFile) {
  Installation world(2);
  const std::set<std::string> before = SealedBlocks();
  world.Deliver(0);
  std::set<std::string> made = SealedBlocks();
  std::erase_if(made, [&](const std::string& path) { return before.contains(path); });
  ASSERT_EQ(made.size(), 1u);
  world.Deliver(1);
  FlipAByte(*made.begin());
  world.Local();
  for (int i = 0; i < 2; ++i) {
    world.Streams("dc1");
    EXPECT_EQ(world.Files("dc1", View::kMerged, 0), 0u);
    EXPECT_EQ(world.Files("dc1", View::kMerged, 1), 1u);
    std::string problems;
    for (const Problem& problem : world.of("dc1").ListProblems()) problems += problem.what + "\n";
    EXPECT_THAT(problems, testing::HasSubstr("every replica is damaged"));
    EXPECT_THAT(problems, testing::HasSubstr("s0"));
  }
  FlipAByte(*made.begin());
  world.Streams("dc1");
  EXPECT_EQ(world.Files("dc1", View::kMerged, 0), 1u);
  EXPECT_TRUE(world.of("dc1").ListProblems().empty());
}

// What a server has used of processors so far, for itself and in the system.
Milliseconds TimeOf(int process) {
  std::ifstream file(fmt::format("/proc/{}/stat", process));
  std::string text((std::istreambuf_iterator<char>(file)), {});
  std::istringstream fields(text.substr(text.rfind(')') + 2));  // the name before may hold blanks
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  int64_t user = 0;
  int64_t system = 0;
  EXPECT_TRUE(fields >> user >> system);
  return Milliseconds((user + system) * 1000 / ::sysconf(_SC_CLK_TCK));
}

struct ServerTime {
  double name_node_ms = 0;
  double data_node_ms = 0;
};
ServerTime TimeOfEach(int count, const std::function<void()>& step) {
  const int name_node = TheRig().cluster().name_nodes.at(0);
  const int data_node = TheRig().cluster().data_nodes.at(0);
  const Milliseconds before[] = {TimeOf(name_node), TimeOf(data_node)};
  for (int i = 0; i < count; ++i) step();
  return {static_cast<double>((TimeOf(name_node) - before[0]).count()) / count,
          static_cast<double>((TimeOf(data_node) - before[1]).count()) / count};
}

// Bounds far above the figures: they tell a blunder, not a slow machine.
TEST(CallsTest, ARunAndAFileTakeLittleOfTheServersTime) {
  constexpr int kRuns = 100;
  constexpr int kFiles = 50;
  Installation world(4);
  const auto run = [&] {
    world.Local();
    world.Streams("dc1");
    world.Streams("dc2");
  };
  const auto file = [&] {
    world.Deliver(0);
    run();
  };
  TimeOfEach(kFiles, file);  // a virtual machine is slow at first
  const ServerTime idle = TimeOfEach(kRuns, run);
  const ServerTime all = TimeOfEach(kFiles, file);
  EXPECT_EQ(world.Files("dc2", View::kMerged, 0), 2u * kFiles);
  for (const auto& [server, time] : {std::pair{"name node", &ServerTime::name_node_ms},
                                     {"data node", &ServerTime::data_node_ms}}) {
    fmt::print("{}: {:.2f} ms for an idle run of both workers, {:.2f} ms for one with a file\n",
               server, idle.*time, all.*time);
    EXPECT_LE(idle.*time, 50) << server;
    EXPECT_LE(all.*time, 200) << server;
  }
}

}  // namespace
}  // namespace databus
