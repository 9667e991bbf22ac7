#include "cli/verify_observe.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "audit/gzip.h"
#include "base/crc32c.h"
#include "cli/stream_view.h"
#include "cluster/names.h"
#include "commit/cluster_id.h"
#include "commit/record.h"

namespace databus {
namespace {

constexpr size_t kReadBytes = size_t{1} << 20;
constexpr size_t kSmallFileMax = size_t{64} << 20;

// "" when the bytes are what the header says, and can be uncompressed; else what is wrong.
Result<std::string> LookAtBytes(FileReader& file, const std::string& path,
                                const Result<DecodedHeader>& header) {
  if (header.ok()) {
    uint32_t crc = 0;
    for (uint64_t offset = header->header_bytes;;) {
      DATABUS_ASSIGN_OR_RETURN(const std::string bytes, file.Read(offset, kReadBytes));
      if (bytes.empty()) break;
      crc = Crc32c(bytes, crc);
      offset += bytes.size();
    }
    const uint32_t expected = header->header.payload_crc32c;
    if (crc != expected) {
      return fmt::format("its checksum is {:08x}, its header says {:08x}", crc, expected);
    }
  }
  if (!path.ends_with(".gz")) return std::string();
  GzipReader gzip(file);
  for (;;) {
    const auto bytes = gzip.Next();
    if (bytes.code() == Code::kCorrupt) return bytes.status().message();
    if (!bytes.ok()) return bytes.status();
    if (bytes->empty()) return std::string();
  }
}

}  // namespace

VerifyObserver::VerifyObserver(const Topology& topology, Seams& seams, Depth depth)
    : topology_(topology), seams_(seams), depth_(depth) {}

void VerifyObserver::OpenAll() {
  for (const ClusterSpec& cluster : topology_.clusters) {
    Tree& tree = trees_[cluster.name];
    tree.away.clear();
    if (tree.storage == nullptr) {
      auto opened = seams_.open_storage(cluster.url, cluster.root_dir);
      if (!opened.ok()) {
        tree.away = opened.status().message();
        continue;
      }
      tree.storage = std::move(opened).value();
    }
    const auto id = ReadClusterId(*tree.storage);
    if (id.ok()) {
      tree.id = id->id;
      tree.groups = id->groups;
    } else {
      tree.away = id.code() == Code::kNotFound
                      ? "no system/cluster-id there: never started, or a disk that is not mounted"
                      : id.status().message();
    }
  }
}

SeenStream VerifyObserver::Observe(const StreamSpec& stream, Minute from) {
  OpenAll();
  SeenStream seen{.stream = stream.name, .primary = stream.Primary()};
  for (const SourceSpec& source : stream.sources) {
    CountDelivered(source.cluster, seen);
    seen.views.push_back(ObserveView(source.cluster, View::kLocal, stream.name, from));
    ReadQueue(source.cluster, seen.primary, View::kLocal, seen);
  }
  seen.views.push_back(ObserveView(seen.primary, View::kMerged, stream.name, from));
  for (const std::string& mirror : stream.Mirrors()) {
    ReadQueue(seen.primary, mirror, View::kMerged, seen);
    seen.views.push_back(ObserveView(mirror, View::kMerged, stream.name, from));
  }
  return seen;
}

SeenView VerifyObserver::ObserveView(const std::string& cluster, View view,
                                     const std::string& stream, Minute from) {
  SeenView seen;
  seen.cluster = cluster;
  seen.view = view;
  const auto retention = view == View::kLocal ? topology_.LocalRetention(cluster, stream)
                                              : topology_.MergedRetention(cluster, stream);
  seen.kept_from = Minute::Of(seams_.clock.Wall() - retention);
  Tree& tree = trees_[cluster];
  seen.unreadable = tree.away;
  if (!seen.unreadable.empty()) return seen;
  Status read = ReadOpenCommits(tree, seen, stream);
  if (read.ok()) read = ReadView(tree, seen, stream, from);
  if (read.ok()) read = ReadSetAside(tree, seen, stream);
  seen.unreadable = read.message();
  return seen;
}

Status VerifyObserver::ReadView(Tree& tree, SeenView& seen, const std::string& stream,
                                Minute from) {
  DATABUS_ASSIGN_OR_RETURN(
      const std::vector<Minute> minutes,
      ListMinutes(*tree.storage, paths::Stream(seen.view, stream), from, kLastMinute));
  if (!minutes.empty()) seen.newest = minutes.back();
  for (const Minute minute : minutes) {
    auto files = ListMinuteFiles(*tree.storage, paths::MinuteDir(seen.view, stream, minute));
    if (files.code() == Code::kNotFound) continue;  // purged meanwhile
    if (!files.ok()) return files.status();
    for (const DirEntry& entry : *files) {
      const std::string path = paths::MinuteFile(seen.view, stream, minute, entry.name);
      auto facts = ReadFileFacts(tree, path, entry, stream);
      if (facts.code() == Code::kNotFound) continue;  // purged meanwhile
      if (!facts.ok()) return facts.status();
      facts->minute = minute;
      seen.files.push_back(std::move(facts).value());
    }
  }
  return Status::Ok();
}

Result<SeenFile> VerifyObserver::ReadFileFacts(Tree& tree, const std::string& path,
                                               const DirEntry& entry, const std::string& stream) {
  const std::string key =
      fmt::format("{}\n{}\n{}", tree.storage->Describe(), path, entry.info.length);
  if (const auto known = known_.find(key); known != known_.end()) return known->second;
  DATABUS_ASSIGN_OR_RETURN(const std::unique_ptr<FileReader> file, tree.storage->Open(path));
  DATABUS_ASSIGN_OR_RETURN(const std::string first, file->Read(0, kSealedHeaderBytesMax));
  const auto header = DecodeSealedHeader(first);
  SeenFile facts;
  facts.name = entry.name;
  const auto name = PublishedFileName::Parse(stream, entry.name);
  facts.sealed = name ? name->data.minute : kLastMinute;
  if (header.ok()) {
    const SealedHeader& sealed = header->header;
    facts.identity = fmt::format("{} {} {}", sealed.identity.cluster, sealed.identity.incarnation,
                                 sealed.identity.counter);
    facts.source = SourceOf(sealed.identity.cluster);
    facts.messages = sealed.messages;
    const uint64_t expected = header->header_bytes + sealed.payload_bytes;
    if (entry.info.length != expected) {
      facts.damage =
          fmt::format("its length is {}, its header says {}", entry.info.length, expected);
    }
  } else if (header.code() == Code::kInvalid) {
    return header.status().WithContext(path);
  } else {
    facts.identity = fmt::format("{} {}", entry.name, entry.info.length);
    if (header.code() == Code::kCorrupt) facts.damage = header.status().message();
  }
  if (depth_ == Depth::kBytes && facts.damage.empty()) {
    DATABUS_ASSIGN_OR_RETURN(facts.damage, LookAtBytes(*file, path, header));
  }
  known_[key] = facts;
  return facts;
}

Status VerifyObserver::ReadOpenCommits(Tree& tree, SeenView& seen, const std::string& stream) {
  const std::string root = paths::Staging(seen.view, GroupOf(stream, tree.groups));
  DATABUS_ASSIGN_OR_RETURN(const auto epochs, ListIfThere(*tree.storage, root));
  for (const DirEntry& epoch : epochs) {
    if (!paths::ParseStagingName(epoch.name)) continue;
    const std::string directory = paths::Join(root, epoch.name);
    DATABUS_ASSIGN_OR_RETURN(const auto files, ListIfThere(*tree.storage, directory));
    for (const DirEntry& file : files) {
      if (staged::Parse(file.name).kind != staged::Kind::kRecord) continue;
      const std::string path = paths::Join(directory, file.name);
      const auto text = tree.storage->ReadFile(path, kSmallFileMax);
      if (text.code() == Code::kNotFound) continue;  // finished meanwhile
      if (!text.ok()) return text.status();
      DATABUS_ASSIGN_OR_RETURN(const Record record, Record::Decode(*text, path));
      for (const RecordedMove& move : record.moves) {
        if (move.kind == MoveKind::kFile) seen.in_commit.emplace(paths::BaseName(move.to));
      }
    }
  }
  return Status::Ok();
}

Status VerifyObserver::ReadSetAside(Tree& tree, SeenView& seen, const std::string& stream) {
  DATABUS_ASSIGN_OR_RETURN(const auto files,
                           ListIfThere(*tree.storage, paths::Quarantine(seen.view, stream)));
  for (const DirEntry& file : files) seen.set_aside.insert(file.name);
  return Status::Ok();
}

void VerifyObserver::ReadQueue(const std::string& holder, const std::string& destination, View view,
                               SeenStream& seen) {
  Tree& tree = trees_[holder];
  if (!tree.away.empty()) return;
  const std::string directory =
      view == View::kLocal ? paths::Consumers(destination) : paths::Mirrors(destination);
  const auto entries = ListIfThere(*tree.storage, directory);
  if (!entries.ok()) return;  // nothing is excused by it
  auto& queued = seen.queued[{holder, destination}];
  for (const DirEntry& entry : *entries) {
    const auto text = tree.storage->ReadFile(paths::Join(directory, entry.name), kSmallFileMax);
    if (!text.ok()) continue;
    std::istringstream lines(*text);
    for (std::string line; std::getline(lines, line);) {
      const auto path = paths::ParseQueueLine(line);
      if (!path || path->stream != seen.stream || path->file.empty()) continue;
      queued.insert(paths::MinuteFile(path->view, path->stream, path->minute, path->file));
    }
  }
}

void VerifyObserver::CountDelivered(const std::string& cluster, SeenStream& seen) {
  Tree& tree = trees_[cluster];
  if (!tree.away.empty()) return;
  uint64_t count = 0;
  const auto collectors = ListIfThere(*tree.storage, paths::DataStream(seen.stream));
  if (!collectors.ok()) return;
  for (const DirEntry& collector : *collectors) {
    const auto files =
        ListIfThere(*tree.storage, paths::DataCollector(seen.stream, collector.name));
    if (!files.ok()) continue;
    count += std::ranges::count_if(*files, [](const DirEntry& file) {
      return file.info.kind == NodeKind::kFile && !IsIgnoredDataName(file.name);
    });
  }
  // Claimed by a worker, and in no commit yet.
  const std::string root = paths::Staging(View::kLocal, GroupOf(seen.stream, tree.groups));
  const auto epochs = ListIfThere(*tree.storage, root);
  if (!epochs.ok()) return;
  for (const DirEntry& epoch : *epochs) {
    const auto staged = ListIfThere(*tree.storage, paths::Join(root, epoch.name));
    if (!staged.ok()) continue;
    count += std::ranges::count_if(*staged, [&](const DirEntry& file) {
      const staged::Name name = staged::Parse(file.name);
      return name.kind == staged::Kind::kClaim &&
             DataFileName::Parse(seen.stream, name.data_name).has_value();
    });
  }
  if (count > 0) seen.delivered[cluster] = count;
}

std::string VerifyObserver::SourceOf(const std::string& id_or_name) const {
  for (const auto& [name, tree] : trees_) {
    if (id_or_name == name || (!tree.id.empty() && id_or_name == tree.id)) return name;
  }
  return "";
}

}  // namespace databus
