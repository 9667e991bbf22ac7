#include "worker/test_installation.h"

#include <algorithm>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "audit/announcement.h"
#include "base/crc32c.h"
#include "cluster/names.h"
#include "commit/cluster_id.h"
#include "commit/minute_tree.h"

namespace databus {
namespace {

constexpr std::string_view kTopology = R"(<databus>
  <defaults><rootdir>/databus</rootdir><retentioninhours>3</retentioninhours></defaults>
  <streams>
    <stream name="clicks">
      <sources><source><name>dc1</name></source><source><name>dc2</name></source></sources>
      <destinations>
        <destination><name>dc1</name><primary>true</primary></destination>
        <destination><name>dc2</name></destination>
      </destinations>
    </stream>
    <stream name="views">
      <sources><source><name>dc1</name></source><source><name>dc2</name></source></sources>
      <destinations>
        <destination><name>dc1</name><primary>true</primary></destination>
        <destination><name>dc2</name></destination>
      </destinations>
    </stream>
    <stream name="orders">
      <sources><source><name>dc1</name></source><source><name>dc2</name></source></sources>
      <destinations>
        <destination><name>dc2</name><primary>true</primary></destination>
        <destination><name>dc1</name></destination>
      </destinations>
    </stream>
  </streams>
  <clusters>
    <cluster name="dc1" hdfsurl="file:///dc1" jturl="local" jobqueuename="default"/>
    <cluster name="dc2" hdfsurl="file:///dc2" jturl="local" jobqueuename="default"/>
  </clusters>
</databus>)";

void ReadStream(Storage& storage, View view, const std::string& stream,
                std::vector<SeenFile>& files) {
  const auto minutes = ListMinutes(storage, paths::Stream(view, stream), kFirstMinute, kLastMinute);
  if (!minutes.ok()) return;
  for (const Minute minute : *minutes) {
    const std::string dir = paths::MinuteDir(view, stream, minute);
    for (const DirEntry& entry : *storage.List(dir)) {
      files.push_back(
          {stream, minute.ToIso(), entry.name, *storage.ReadFile(paths::Join(dir, entry.name))});
    }
  }
}

}  // namespace

std::shared_ptr<const ObeyedTopology> Obeyed(Topology topology, const std::string& alone) {
  StoredTopology stored;
  stored.alone = alone;
  stored.topology = topology;
  return std::make_shared<const ObeyedTopology>(
      ObeyedTopology{TopologyEpoch::Of(std::move(stored)), std::move(topology), {}});
}

Topology TestTopology() { return *ParseTopology(kTopology, "test.xml"); }

Topology Moved(Topology topology, const std::string& from, const std::string& to,
               const std::map<std::string, Minute>& cuts) {
  for (StreamSpec& stream : topology.streams) {
    stream.publication = Publication::kOpen;
    if (stream.Primary() != from) continue;
    for (DestinationSpec& destination : stream.destinations) {
      destination.role = destination.cluster == to ? Role::kPrimary : Role::kMirror;
    }
    if (cuts.contains(stream.name)) stream.cut = cuts.at(stream.name);
  }
  return topology;
}

Installation::Installation(Topology of)
    : clock(Minute::ParseIso("2031-05-06T10:58Z")->Start() + std::chrono::seconds(20)),
      topology(std::move(of)),
      random(SeededRandom(7)) {
  for (const ClusterSpec& cluster : topology.clusters) {
    trees_[cluster.name] = std::make_unique<MemoryStorage>(clock, cluster.name + ":");
    EXPECT_TRUE(InitializeTree(*trees_[cluster.name], *random, 2).ok());
  }
}

void Installation::Deliver(const std::string& cluster, const std::string& stream,
                           const std::string& collector, Announced announced) {
  Storage& storage = at(cluster);
  SealedHeader header;
  header.identity = {cluster, fmt::format("{:0>16}", collector + cluster),
                     ++counters_[{cluster, collector, stream}]};
  header.stream = stream;
  header.collector = collector;
  header.messages = 3;
  const std::string payload =
      fmt::format("payload {} {} {} {}", cluster, stream, collector, header.identity.counter);
  header.payload_bytes = payload.size();
  header.payload_crc32c = Crc32c(payload);
  const std::string content = EncodeSealedHeader(header) + payload;
  const std::string name =
      DataFileName{stream, Minute::Of(clock.Wall()), header.identity.counter, true}.ToString();
  const std::string path = paths::DataFile(stream, collector, name);
  for (const std::string& dir : {paths::DataStream(stream), paths::DataCollector(stream, collector),
                                 paths::Sealed(collector)}) {
    ASSERT_TRUE(EnsureDir(storage, dir).ok());
  }
  ASSERT_TRUE(storage.WriteFile(path, content).ok());
  delivered_[{cluster, stream}].insert(content);
  if (announced == Announced::kNo) return;
  const paths::AnnouncementName announcement{GroupOf(stream, 2),
                                             header.identity.counter * 10 + GroupOf(stream, 7)};
  const std::string text = EncodeAnnouncement(
      {{path, content.size(), Crc32c(content), header.messages, header.identity}});
  ASSERT_TRUE(
      storage.WriteFile(paths::Join(paths::Sealed(collector), announcement.ToString()), text).ok());
}

std::vector<SeenFile> Installation::Files(const std::string& cluster, View view) const {
  std::vector<SeenFile> files;
  for (const StreamSpec& stream : topology.streams) {
    ReadStream(*trees_.at(cluster), view, stream.name, files);
  }
  return files;
}

std::vector<std::string> Installation::Violations(Settled settled) {
  std::vector<std::string> violations;
  for (const StreamSpec& stream : topology.streams) {
    std::set<std::string> all;
    for (const auto& [name, tree] : trees_) {
      const std::set<std::string>& here = delivered_[{name, stream.name}];
      CheckView(name, stream, View::kLocal, here, settled, violations);
      all.insert(here.begin(), here.end());
    }
    for (const DestinationSpec& to : stream.destinations) {
      CheckView(to.cluster, stream, View::kMerged, all, settled, violations);
    }
    for (const std::string& mirror : stream.Mirrors()) {
      CheckMirror(stream, mirror, settled, violations);
    }
  }
  return violations;
}

Minute Installation::Newest(const std::string& cluster, const std::string& stream) {
  const auto newest = NewestMinute(at(cluster), paths::Stream(View::kMerged, stream));
  EXPECT_TRUE(newest.ok() && newest->has_value()) << cluster << " " << stream;
  return newest.ok() && *newest ? **newest : kFirstMinute;
}

void Installation::CheckView(const std::string& cluster, const StreamSpec& stream, View view,
                             const std::set<std::string>& expected, Settled settled,
                             std::vector<std::string>& violations) {
  Storage& storage = at(cluster);
  const std::string place = fmt::format("{} {} {}", cluster, ViewName(view), stream.name);
  std::vector<SeenFile> files;
  ReadStream(storage, view, stream.name, files);
  std::map<std::string, int> times;
  for (const SeenFile& file : files) ++times[file.content];
  for (const auto& [content, count] : times) {
    if (count > 1) violations.push_back(place + ": doubled");
    if (!expected.contains(content)) violations.push_back(place + ": nobody delivered this");
  }
  if (settled == Settled::kYes && times.size() != expected.size()) {
    violations.push_back(fmt::format("{}: {} of {} files", place, times.size(), expected.size()));
  }
  const auto minutes =
      *ListMinutes(storage, paths::Stream(view, stream.name), kFirstMinute, kLastMinute);
  for (size_t i = 1; i < minutes.size(); ++i) {
    if (minutes[i] - minutes[i - 1] != 1) violations.push_back(place + ": hole");
  }
}

void Installation::CheckMirror(const StreamSpec& stream, const std::string& mirror, Settled settled,
                               std::vector<std::string>& violations) {
  const auto as_set = [&](const std::string& cluster) {
    std::vector<SeenFile> files;
    ReadStream(at(cluster), View::kMerged, stream.name, files);
    std::set<std::string> set;
    for (const SeenFile& file : files) {
      set.insert(fmt::format("{} {} {:08x}", file.minute, file.name, Crc32c(file.content)));
    }
    return set;
  };
  const std::set<std::string> ours = as_set(mirror);
  const std::set<std::string> theirs = as_set(stream.Primary());
  if (!std::includes(theirs.begin(), theirs.end(), ours.begin(), ours.end())) {
    violations.push_back(fmt::format("{} {}: not as on its primary", mirror, stream.name));
  }
  if (settled == Settled::kYes && ours != theirs) {
    violations.push_back(fmt::format("{} {}: mirror is incomplete", mirror, stream.name));
  }
}

WorkerProcess::WorkerProcess(Installation& installation, std::vector<std::string> clusters,
                             int64_t pid, Topology topology, AdoptTree adopt_tree,
                             const std::string& alone, MakeLease make_lease)
    : installation_(installation),
      pid_(pid),
      adopt_tree_(adopt_tree),
      alone_(alone),
      make_lease_(std::move(make_lease)) {
  config_.clusters = std::move(clusters);
  config_.run_interval = std::chrono::seconds(1);
  config_.copy_threads = 1;  // one order of calls
  Begin(std::move(topology), {});
}

void WorkerProcess::Begin(Topology topology, Learnt learnt) {
  WorkerSeams seams{installation_.clock, *installation_.random,
                    [this](const ClusterSpec& spec) -> Result<std::unique_ptr<Storage>> {
                      return std::unique_ptr<Storage>(
                          std::make_unique<FaultStorage>(installation_.at(spec.name), plan));
                    },
                    [](const ClusterSpec&) { return Status::Ok(); }, make_lease_};
  auto worker = Worker::Create(seams, config_, Obeyed(std::move(topology), alone_), {"host", pid_},
                               adopt_tree_, std::move(learnt));
  EXPECT_TRUE(worker.ok());
  worker_ = std::move(*worker);
}

void WorkerProcess::Obey(Topology topology) {
  Learnt learnt = worker_->StopFor(config_.clusters);
  Begin(std::move(topology), std::move(learnt));
}

std::string WorkerProcess::Problems() {
  std::string all;
  for (const Problem& problem : of().ListProblems()) {
    all += problem.what + "; " + problem.next + "\n";
  }
  return all;
}

void WorkerProcess::Step() {
  for (const auto& cluster : worker_->clusters()) {
    if (!cluster->Prepare().ok()) continue;
    cluster->LeaseStep();
    cluster->LocalStep();
    cluster->StreamsStep();
  }
}

}  // namespace databus
