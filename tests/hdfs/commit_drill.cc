#include "tests/hdfs/commit_drill.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>

#include "base/crc32c.h"
#include "cluster/names.h"
#include "cluster/paths.h"
#include "commit/cluster_id.h"
#include "commit/ledger.h"
#include "commit/manifest.h"

namespace databus {
namespace {

using namespace std::chrono_literals;
using testing::IsEmpty;
using testing::SizeIs;

constexpr Group kGroup = 0;
constexpr Group kGroups = 1;

}  // namespace

hdfs::Patience Short() {
  return {.connect = 1'000ms,
          .answer = 2'000ms,
          .unsent = 0ms,
          .sent = 0ms,
          .away = 500ms,
          .again = std::chrono::hours(1)};
}

hdfs::Patience Long() { return {.answer = 300'000ms, .unsent = 300'000ms, .sent = 300'000ms}; }

void Await(StopFlag& flag) {
  const Clock& clock = SystemClock();
  while (!flag.SleepUntil(clock, clock.Boot() + std::chrono::hours(1))) continue;
}

Status Holder::Open() {
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

Status Holder::Commit(const std::vector<DataFileRef>& files, Minute now) {
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

int Place::made_ = 0;

Place::Place(const RigCluster& cluster, uint32_t replication, const hdfs::Patience& patience)
    : cluster_(cluster), root_("/commit/" + std::to_string(++made_)), replication_(replication) {
  const Status root = CreateHdfsRoot(Options(cluster.rpc_ports, patience));
  EXPECT_TRUE(root.ok()) << root.ToString();
  tree_ = Through(cluster.rpc_ports, patience);
  EXPECT_TRUE(EnsureServiceDirs(*tree_).ok());
  Deliver("clicks", "c1", 1);
  Deliver("orders", "c-2", 1);
}

HdfsOptions Place::Options(const std::vector<uint16_t>& ports,
                           const hdfs::Patience& patience) const {
  HdfsOptions options = cluster_.Options(root_, ports.front());
  options.name_nodes.name_nodes.clear();
  for (const uint16_t port : ports) options.name_nodes.name_nodes.push_back({"127.0.0.1", port});
  options.name_nodes.patience = patience;
  options.replication = replication_;
  return options;
}

void Place::Deliver(const std::string& stream, const std::string& collector, uint64_t sequence) {
  const std::string name = DataFileName{stream, StartMinute(), sequence, true}.ToString();
  const std::string content =
      SealedBytes(stream, {"dc1", fmt::format("{:016x}", Crc32c(collector)), sequence});
  const std::string dir = paths::DataCollector(stream, collector);
  ASSERT_TRUE(EnsureDirsBelow(*tree_, paths::Data(), dir).ok());
  ASSERT_TRUE(tree_->WriteFile(paths::Join(dir, name), content).ok());
  const PublishedFileName published{collector, *DataFileName::Parse(stream, name)};
  delivered_[published.ToString()] = content;
}

std::vector<DataFileRef> FilesInData(Storage& tree) {
  std::vector<DataFileRef> files;
  for (const auto& [path, content] : ReadTree(tree, paths::Data())) {
    if (path.back() == '/') continue;
    const std::string_view dir = paths::Parent(path);
    files.push_back({std::string(paths::BaseName(paths::Parent(dir))),
                     std::string(paths::BaseName(dir)), std::string(paths::BaseName(path))});
  }
  return files;
}

void Place::ExpectAllOnce() {
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
  ExpectInManifests(view);
  ExpectQueued(view);
  ExpectNothingOnItsWay();
}

void Place::ExpectInManifests(const Tree& view) {
  for (const auto& [path, content] : view) {
    if (path.back() == '/') continue;
    const auto place = paths::ParseMinutePath(path);
    ASSERT_TRUE(place) << path;
    const auto manifest = ReadManifest(*tree_, View::kLocal, kGroup, place->minute, "");
    ASSERT_TRUE(manifest.ok()) << path << ": " << manifest.status().ToString();
    const auto stream = manifest->streams.find(place->stream);
    ASSERT_NE(stream, manifest->streams.end()) << path;
    ASSERT_TRUE(stream->second.contains(place->file)) << path;
    EXPECT_EQ(stream->second.at(place->file).crc32c, Crc32c(content)) << path;
  }
}

void Place::ExpectQueued(const Tree& view) {
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
void Place::ExpectNothingOnItsWay() {
  const std::string staging = paths::Staging(View::kLocal, kGroup);
  const auto epochs = ReadTree(*tree_, staging);
  for (const auto& [path, content] : epochs) {
    const std::string below = path.substr(staging.size() + 1);
    EXPECT_LE(std::ranges::count(below, '/'), 1) << "left behind: " << path;
  }
}

Asleep::Asleep(uint64_t n, std::function<Status(CallProxy::Plan)> commit)
    : thread_("first", [this, n, commit = std::move(commit)] {
        outcome_ = commit({.number = n,
                           .on_call =
                               [this] {
                                 asleep_.Stop();
                                 Await(wake_);
                               },
                           .passes = true});
        asleep_.Stop();  // it was done before
      }) {
  Await(asleep_);
}

const Status& Asleep::Wake() {
  wake_.Stop();
  thread_.Join();
  return outcome_;
}

size_t CommitDrill::active_ = 0;

CommitDrill::CommitDrill() {
  for (const uint16_t port : rig_.rpc_ports) {
    auto proxy = CallProxy::Start(port);
    EXPECT_TRUE(proxy.ok()) << proxy.status().ToString();
    proxies_.push_back(*std::move(proxy));
  }
}

Status CommitDrill::FirstHolder(Place& tree, const hdfs::Patience& patience, CallProxy::Plan plan) {
  std::vector<uint16_t> ports;
  for (const auto& proxy : proxies_) {
    proxy->Begin({});
    ports.push_back(proxy->port());
  }
  proxies_[active_]->Begin(std::move(plan));
  const auto through = tree.Through(ports, patience);
  Holder holder(*through, rules_, *random_);
  return holder.OpenAndCommit(tree.InData(), StartMinute());
}

void CommitDrill::Finish(Place& tree, Minute now) {
  Holder next(tree.direct(), rules_, *random_);
  const Status finished = next.OpenAndCommit(tree.InData(), now);
  EXPECT_TRUE(finished.ok()) << finished.ToString();
  tree.ExpectAllOnce();
}

uint64_t CommitDrill::CallsOfACommit() {
  Place tree(rig_, 1);
  const Status done = FirstHolder(tree, Long(), {});
  EXPECT_TRUE(done.ok()) << done.ToString();
  Finish(tree);
  return proxies_[active_]->calls();
}

void CommitDrill::ForEachCall(uint64_t step, const std::function<void(uint64_t)>& check) {
  const uint64_t calls = CallsOfACommit();
  EXPECT_GT(calls, 20U);
  for (uint64_t n = 1; n <= calls + 1 && !HasFailure(); n += step) {
    SCOPED_TRACE(fmt::format("call {} of {}", n, calls));
    check(n);
  }
}

void CommitDrill::ExpectFencedAfterSleep(uint64_t n, const std::function<void()>& meanwhile) {
  Place tree(rig_, 1);
  Asleep first(n, [&](CallProxy::Plan plan) { return FirstHolder(tree, Long(), std::move(plan)); });
  meanwhile();
  ExpectFenced(tree, first);
}

void CommitDrill::ExpectFenced(Place& tree, Asleep& first, const std::function<void()>& on_waking) {
  Holder next(tree.direct(), rules_, *random_);
  const Status taken = next.OpenAndCommit(tree.InData(), StartMinute() + 1);
  ASSERT_TRUE(taken.ok()) << taken.ToString();
  const Tree before = tree.View();
  if (on_waking) on_waking();
  const Status& old = first.Wake();
  EXPECT_EQ(tree.View(), before) << "the old one: " << old.ToString();
  tree.Deliver("clicks", "c1", 2);
  const Status more = next.Commit(tree.InData(), StartMinute() + 2);
  // Who slept before it had an epoch takes one now: it is no old holder.
  EXPECT_TRUE(more.ok() || (more.code() == Code::kStale && old.ok())) << more.ToString();
  Finish(tree, StartMinute() + 3);
}

}  // namespace databus
