#include "cli/cluster_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/installation.h"
#include "cluster/names.h"
#include "cluster/text_format.h"
#include "commit/cluster_id.h"
#include "commit/record.h"
#include "commit/staged_walk.h"
#include "control/heartbeats.h"

namespace databus {
namespace {

constexpr size_t kSmallFileMax = size_t{16} << 20;

void Earliest(std::optional<WallTime>& oldest, WallTime time) {
  if (!oldest || time < *oldest) oldest = time;
}

class Observer {
 public:
  Observer(Storage& storage, const Topology& topology, const ObserveScope& scope,
           ClusterReport& report)
      : storage_(storage), topology_(topology), scope_(scope), report_(report) {}

  void Run() {
    Heartbeats();
    for (const ClusterSpec& peer : topology_.clusters) {
      Queue(peer.name, View::kLocal, paths::Consumers(peer.name));
      Queue(peer.name, View::kMerged, paths::Mirrors(peer.name));
    }
    Backlog();
    for (const View view : {View::kLocal, View::kMerged}) {
      Views(view);
      Staging(view);
    }
    Quarantine();
  }

 private:
  // The entries of a directory; absent or unreadable: none, and the latter is noted.
  std::vector<DirEntry> Entries(const std::string& path) {
    auto entries = ListIfThere(storage_, path);
    if (entries.ok()) return std::move(entries).value();
    Note(entries.status());
    return {};
  }
  // The streams below a directory, by name.
  std::vector<std::string> Streams(const std::string& root) {
    if (scope_.stream) return {*scope_.stream};
    std::vector<std::string> names;
    for (const DirEntry& entry : Entries(root)) {
      if (entry.info.kind == NodeKind::kDirectory) names.push_back(entry.name);
    }
    return names;
  }
  void Note(const Status& status) { report_.unreadable.push_back(status.ToString()); }

  void Heartbeats() {
    TreeBeats beats;
    const Status read = ReadHeartbeats(storage_, beats);
    if (!read.ok() && read.code() != Code::kNotFound) Note(read);
    for (const UnreadBeat& unread : beats.unread) Note(unread.why);
    for (ReadBeat& one : beats.read) {
      if (one.beat.process.empty()) one.beat.process = one.process;
      report_.processes.push_back(std::move(one.beat));
    }
  }

  void Queue(const std::string& peer, View view, const std::string& directory) {
    QueueReport queue{.from = report_.name, .to = peer, .view = view};
    for (const DirEntry& entry : Entries(directory)) {
      if (entry.info.kind != NodeKind::kFile || entry.name.starts_with('.')) continue;
      const auto text = storage_.ReadFile(paths::Join(directory, entry.name), kSmallFileMax);
      if (text.code() == Code::kNotFound) continue;  // taken while we looked
      if (!text.ok()) {
        Note(text.status());
        continue;
      }
      ++queue.entries;
      queue.lines += std::ranges::count(*text, '\n');
      Earliest(queue.oldest, entry.info.modified);
    }
    if (queue.entries > 0) report_.queues.push_back(std::move(queue));
  }

  void Backlog() {
    for (const std::string& stream : Streams(paths::Data())) {
      if (!ValidateStreamName(stream).ok()) continue;
      BacklogReport backlog{.stream = stream};
      for (const DirEntry& collector : Entries(paths::DataStream(stream))) {
        if (collector.info.kind != NodeKind::kDirectory) continue;
        for (const DirEntry& file : Entries(paths::DataCollector(stream, collector.name))) {
          if (file.info.kind != NodeKind::kFile || IsIgnoredDataName(file.name)) continue;
          ++backlog.files;
          backlog.bytes += file.info.length;
          Earliest(backlog.oldest, file.info.modified);
        }
      }
      if (backlog.files > 0) report_.backlog.push_back(std::move(backlog));
    }
  }

  void Views(View view) {
    for (const std::string& stream : Streams(paths::ViewRoot(view))) {
      const auto newest = NewestMinute(storage_, paths::Stream(view, stream));
      if (newest.ok()) {
        report_.views.push_back({stream, view, *newest});
      } else {
        Note(newest.status());
      }
    }
  }

  void Staging(View view) {
    StagingReport staging{.view = view};
    for (const DirEntry& entry : Entries(paths::Join(paths::Tmp(), ViewName(view)))) {
      const auto group = ParseNumber(entry.name);
      if (!group.ok()) continue;
      const auto count = [&](const StagedFile& file) {
        const staged::Kind kind = file.name.kind;
        if (kind == staged::Kind::kRecord) ++staging.records;
        if (kind == staged::Kind::kPending) ++staging.pending;
        if (kind == staged::Kind::kClaim) {
          const auto data = DataFileName::ParseAny(file.name.data_name);
          ++staging.claims[data ? data->stream : "unknown"];
        }
        if (kind == staged::Kind::kRecord || kind == staged::Kind::kPending) {
          Earliest(staging.oldest, file.modified);
        }
        return Status::Ok();
      };
      const Status walked = WalkStaged(storage_, view, static_cast<Group>(*group), count);
      // Changed hands just now: there was a worker.
      if (!walked.ok() && walked.code() != Code::kUnavailable) Note(walked);
    }
    const bool any = staging.records + staging.pending + staging.claims.size() > 0;
    if (any) report_.staging.push_back(staging);
  }

  void Quarantine() {
    constexpr std::string_view kReason = ".reason";
    for (const View view : {View::kLocal, View::kMerged}) {
      const std::string root(paths::Parent(paths::Quarantine(view, "x")));
      for (const DirEntry& stream : Entries(root)) {
        const std::string directory = paths::Join(root, stream.name);
        for (const DirEntry& file : Entries(directory)) {
          if (file.name.ends_with(kReason)) continue;
          ++report_.quarantined;
          if (report_.quarantine.size() == kQuarantineMax) continue;
          const std::string path = paths::Join(directory, file.name);
          const auto reason = storage_.ReadFile(path + std::string(kReason), kSmallFileMax);
          report_.quarantine.push_back({path, reason.ok() ? *reason : ""});
        }
      }
    }
  }

  Storage& storage_;
  const Topology& topology_;
  const ObserveScope& scope_;
  ClusterReport& report_;
};

}  // namespace

ClusterReport ObserveCluster(const ClusterSpec& cluster, const Topology& topology,
                             const Result<Storage*>& storage, const ObserveScope& scope) {
  ClusterReport report;
  report.name = cluster.name;
  report.url = cluster.RootUrl();
  if (!storage.ok()) {
    report.away = storage.status().message();
    report.absent = storage.code() == Code::kUnavailable;
    return report;
  }
  const auto id = ReadClusterId(**storage);
  if (id.code() == Code::kNotFound) {
    report.away = report.url + ": no system/cluster-id there";
    report.absent = true;
  } else if (!id.ok()) {
    report.away = id.status().message();
    report.absent = id.code() == Code::kUnavailable;
  } else {
    report.id = id->id;
    report.groups = id->groups;
    Observer(**storage, topology, scope, report).Run();
  }
  return report;
}

}  // namespace databus
