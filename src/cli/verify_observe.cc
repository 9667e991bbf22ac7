#include "cli/verify_observe.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "audit/gzip.h"
#include "base/crc32c.h"
#include "cli/stream_view.h"
#include "cli/verify_waiting.h"
#include "cluster/names.h"
#include "commit/cluster_id.h"
#include "commit/eras.h"
#include "worker/salvage.h"

namespace databus {
namespace {

constexpr size_t kReadBytes = size_t{1} << 20;

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

// Reads staging and queues when they are first asked for: after whatever was read before.
class VerifyObserver::Step {
 public:
  explicit Step(std::map<std::string, Tree>& trees) : trees_(trees) {}

  // REQUIRES: the cluster answers.
  const StagedFiles& Staged(const std::string& cluster, View view, const std::string& stream) {
    Tree& tree = trees_[cluster];
    const Group group = GroupOf(stream, tree.groups);
    const auto [found, is_new] = staged_.try_emplace({cluster, view, group});
    if (is_new) found->second = ReadStaged(*tree.storage, view, group);
    return found->second;
  }
  // Adds what the queue says of the stream. Not where nothing can be compared with it.
  void Queue(const std::string& holder, const std::string& destination, View view,
             SeenStream& seen) {
    Tree& tree = trees_[holder];
    const std::string& reader = view == View::kLocal ? seen.primary : destination;
    if (!tree.away.empty() || !trees_[reader].away.empty()) return;
    const std::string directory =
        view == View::kLocal ? paths::Consumers(destination) : paths::Mirrors(destination);
    const auto [found, is_new] = queues_.try_emplace({holder, directory});
    if (is_new) found->second = ReadQueue(*tree.storage, directory, tree.queues);
    if (!found->second.read.ok()) seen.unread[holder] = found->second.read.message();
    seen.queued[{holder, destination}].merge(found->second.paths[seen.stream]);
  }

  // By its own notes.
  std::string Divergent(const std::string& mirror, const StreamSpec& stream, SeenStream& seen) {
    if (EraOf(stream).IsFirst() || !trees_[mirror].away.empty()) return "";
    const Result<Eras>& eras = ErasOf(mirror, stream.name);
    if (!eras.ok()) seen.unread[mirror] = eras.status().message();
    if (!eras.ok() || eras->IsIn(stream)) return "";
    return fmt::format("{} has not been compared yet since its primary changed", mirror);
  }

  // By the primary's own notes.
  void Salvage(const StreamSpec& stream, const std::string& source, SeenStream& seen) {
    if (EraOf(stream).IsFirst() || !trees_[stream.Primary()].away.empty()) return;
    const Result<Eras>& eras = ErasOf(stream.Primary(), stream.name);
    if (!eras.ok()) {
      seen.unread[stream.Primary()] = eras.status().message();
      return;
    }
    SeenSalvage& salvage = seen.salvage[source];
    const auto looked = eras->salvaged.find({source, stream.name});
    if (looked != eras->salvaged.end() && looked->second.of == SalvageDigest(stream)) {
      salvage.looked_to = looked->second.to;
    }
    const auto missed = eras->missed.find(source);
    if (missed == eras->missed.end()) return;
    for (const auto& [path, file] : missed->second) salvage.missed.insert(path);
  }

 private:
  const Result<Eras>& ErasOf(const std::string& cluster, const std::string& stream) {
    Tree& tree = trees_[cluster];
    const Group group = GroupOf(stream, tree.groups);
    auto found = eras_.find({cluster, group});
    if (found == eras_.end()) {
      found = eras_.emplace(std::pair(cluster, group), ReadEras(*tree.storage, group)).first;
    }
    return found->second;
  }

  std::map<std::string, Tree>& trees_;
  std::map<std::pair<std::string, Group>, Result<Eras>> eras_;
  std::map<std::tuple<std::string, View, Group>, StagedFiles> staged_;
  std::map<std::pair<std::string, std::string>, QueuedPaths> queues_;  // by holder and path
};

SeenStream VerifyObserver::Observe(const StreamSpec& stream, Minute from) {
  return std::move(Look({stream}, from).front());
}

std::vector<SeenStream> VerifyObserver::Look(const std::vector<StreamSpec>& streams, Minute from) {
  OpenAll();
  std::vector<SeenStream> all;
  all.reserve(streams.size());
  for (const StreamSpec& stream : streams) {
    all.push_back({.stream = stream.name, .primary = stream.Primary()});
  }
  const auto each = [&](auto read) {
    Step step(trees_);
    for (size_t i = 0; i < streams.size(); ++i) read(streams[i], step, all[i]);
  };
  each([&](const StreamSpec& stream, Step&, SeenStream& seen) {
    for (const std::string& source : ClustersWithLocal(stream)) ListDelivered(source, seen);
  });
  each([&](const StreamSpec& stream, Step& step, SeenStream& seen) {
    ReadLocals(stream, from, step, seen);
  });
  // Those of other clusters first: after a change of the primary lines move from there to its own.
  each([&](const StreamSpec& stream, Step& step, SeenStream& seen) {
    for (const ClusterSpec& other : topology_.clusters) {
      if (other.name == seen.primary) continue;
      for (const std::string& source : ClustersWithLocal(stream)) {
        step.Queue(source, other.name, View::kLocal, seen);
      }
    }
  });
  each([&](const StreamSpec& stream, Step& step, SeenStream& seen) {
    for (const std::string& source : ClustersWithLocal(stream)) {
      step.Queue(source, seen.primary, View::kLocal, seen);
    }
  });
  each([&](const StreamSpec& stream, Step& step, SeenStream& seen) {
    for (const std::string& source : ClustersWithLocal(stream)) {
      step.Salvage(stream, source, seen);
    }
    seen.views.push_back(ReadWhole({seen.primary, View::kMerged, stream.name}, from, step));
  });
  each([&](const StreamSpec& stream, Step& step, SeenStream& seen) {
    for (const std::string& mirror : stream.Mirrors()) {
      step.Queue(seen.primary, mirror, View::kMerged, seen);
    }
  });
  each([&](const StreamSpec& stream, Step& step, SeenStream& seen) {
    for (const std::string& mirror : stream.Mirrors()) {
      // First: once it is compared it differs no more.
      std::string divergent = step.Divergent(mirror, stream, seen);
      seen.views.push_back(ReadWhole({mirror, View::kMerged, stream.name}, from, step));
      seen.views.back().divergent = std::move(divergent);
    }
  });
  CheckTrees(all);
  return all;
}

void VerifyObserver::CheckTrees(std::vector<SeenStream>& all) {
  for (auto& [cluster, tree] : trees_) {
    if (!tree.away.empty()) continue;
    const auto still = CheckClusterId(*tree.storage, tree.id);
    if (still.ok()) continue;
    tree.away = still.status().message();
    for (SeenStream& seen : all) {
      seen.unread[cluster] = tree.away;
      for (SeenView& view : seen.views) {
        if (view.cluster == cluster) view.unreadable = tree.away;
      }
    }
  }
}

void VerifyObserver::ListDelivered(const std::string& cluster, SeenStream& seen) {
  Tree& tree = trees_[cluster];
  if (!tree.away.empty()) return;
  const auto collectors = ListIfThere(*tree.storage, paths::DataStream(seen.stream));
  if (!collectors.ok()) {
    seen.unread[cluster] = collectors.status().message();
    return;
  }
  for (const DirEntry& collector : *collectors) {
    const auto files =
        ListIfThere(*tree.storage, paths::DataCollector(seen.stream, collector.name));
    if (!files.ok()) {
      seen.unread[cluster] = files.status().message();
      continue;
    }
    for (const DirEntry& file : *files) {
      if (file.info.kind != NodeKind::kFile || IsIgnoredDataName(file.name)) continue;
      seen.delivered[cluster].insert(NameOncePublished(collector.name, file.name));
    }
  }
}

void VerifyObserver::ReadLocals(const StreamSpec& stream, Minute from, Step& step,
                                SeenStream& seen) {
  for (const std::string& cluster : ClustersWithLocal(stream)) {
    if (trees_[cluster].away.empty()) {
      // Claimed by a worker, and in no commit yet.
      const auto& claimed = step.Staged(cluster, View::kLocal, stream.name).claimed;
      const auto found = claimed.find(stream.name);
      if (found != claimed.end()) {
        seen.delivered[cluster].insert(found->second.begin(), found->second.end());
      }
    }
    SeenView local = ReadWhole({cluster, View::kLocal, stream.name}, from, step);
    const bool nothing = local.unreadable.empty() && local.files.empty();
    if (stream.HasSource(cluster) || !nothing) seen.views.push_back(std::move(local));
  }
}

std::map<std::string, Storage*> VerifyObserver::AnsweringTrees() const {
  std::map<std::string, Storage*> answering;
  for (const auto& [cluster, tree] : trees_) {
    if (tree.away.empty()) answering[cluster] = tree.storage.get();
  }
  return answering;
}

// The sources first. "No source" steers collectors only (P31): any cluster may have published the
// stream. One that does not answer is doubted where the stream has ever been for certain.
std::vector<std::string> VerifyObserver::ClustersWithLocal(const StreamSpec& stream) const {
  std::vector<std::string> clusters;
  clusters.reserve(stream.sources.size());
  for (const SourceSpec& source : stream.sources) clusters.push_back(source.cluster);
  for (const ClusterSpec& cluster : topology_.clusters) {
    const bool may_be_asked =
        trees_.at(cluster.name).away.empty() || stream.RoleOf(cluster.name).has_value();
    if (may_be_asked && !stream.HasSource(cluster.name)) clusters.push_back(cluster.name);
  }
  return clusters;
}

SeenView VerifyObserver::ReadWhole(const Place& place, Minute from, Step& step) {
  SeenView seen;
  seen.cluster = place.cluster;
  seen.view = place.view;
  const auto retention = place.view == View::kLocal
                             ? topology_.LocalRetention(place.cluster, place.stream)
                             : topology_.MergedRetention(place.cluster, place.stream);
  seen.kept_from = Minute::Of(seams_.clock.Wall() - retention);
  Tree& tree = trees_[place.cluster];
  seen.unreadable = tree.away;
  if (!seen.unreadable.empty()) return seen;
  const StagedFiles& staged = step.Staged(place.cluster, place.view, place.stream);
  const auto names = staged.in_commit.find(place.stream);
  if (names != staged.in_commit.end()) seen.in_commit = names->second;
  Status read = staged.read;
  if (read.ok()) read = ReadView(tree, place, from, seen);
  if (read.ok()) read = ReadSetAside(tree, place, seen);
  seen.unreadable = read.message();
  return seen;
}

Status VerifyObserver::ReadView(Tree& tree, const Place& place, Minute from, SeenView& seen) {
  DATABUS_ASSIGN_OR_RETURN(
      const std::vector<Minute> minutes,
      ListMinutes(*tree.storage, paths::Stream(place.view, place.stream), from, kLastMinute));
  if (!minutes.empty()) seen.newest = minutes.back();
  Files& known = known_[place];
  Files still;
  for (const Minute minute : minutes) {
    auto files = ListMinuteFiles(*tree.storage, paths::MinuteDir(place.view, place.stream, minute));
    if (files.code() == Code::kNotFound) continue;  // purged meanwhile
    if (!files.ok()) return files.status();
    for (const DirEntry& entry : *files) {
      const auto found = known.find({minute, entry.name, entry.info.length});
      std::shared_ptr<const SeenFile> file = found == known.end() ? nullptr : found->second;
      if (file == nullptr) {
        auto read = ReadFile(tree, place, minute, entry);
        if (read.code() == Code::kNotFound) continue;  // purged meanwhile
        if (!read.ok()) return read.status();
        file = std::make_shared<const SeenFile>(*std::move(read));
        // At once: what could be read is not read again because something else could not.
        known.emplace(FileKey(minute, file->name, entry.info.length), file);
      }
      still.emplace(FileKey(minute, file->name, entry.info.length), file);
      seen.files.push_back(std::move(file));
    }
  }
  // What is gone will not come back; what is older was not looked at.
  std::erase_if(known, [&](const auto& file) {
    return std::get<Minute>(file.first) >= from && !still.contains(file.first);
  });
  return Status::Ok();
}

Result<SeenFile> VerifyObserver::ReadFile(Tree& tree, const Place& place, Minute minute,
                                          const DirEntry& entry) {
  const std::string path = paths::MinuteFile(place.view, place.stream, minute, entry.name);
  DATABUS_ASSIGN_OR_RETURN(const std::unique_ptr<FileReader> file, tree.storage->Open(path));
  DATABUS_ASSIGN_OR_RETURN(const std::string first, file->Read(0, kSealedHeaderBytesMax));
  const auto header = DecodeSealedHeader(first);
  SeenFile facts;
  facts.minute = minute;
  facts.name = entry.name;
  facts.length = entry.info.length;
  const auto name = PublishedFileName::Parse(place.stream, entry.name);
  facts.sealed = name ? name->data.minute : kLastMinute;
  if (header.ok()) {
    const SealedHeader& sealed = header->header;
    facts.identity = fmt::format("{} {} {}", sealed.identity.cluster, sealed.identity.incarnation,
                                 sealed.identity.counter);
    facts.source = SourceOf(sealed.identity.cluster);
    facts.messages = sealed.messages;
    facts.payload_crc32c = sealed.payload_crc32c;
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
  return facts;
}

Status VerifyObserver::ReadSetAside(Tree& tree, const Place& place, SeenView& seen) {
  DATABUS_ASSIGN_OR_RETURN(const auto files,
                           ListIfThere(*tree.storage, paths::Quarantine(place.view, place.stream)));
  for (const DirEntry& file : files) seen.set_aside.insert(file.name);
  return Status::Ok();
}

std::string VerifyObserver::SourceOf(const std::string& id_or_name) const {
  for (const auto& [name, tree] : trees_) {
    if (id_or_name == name || (!tree.id.empty() && id_or_name == tree.id)) return name;
  }
  return "";
}

}  // namespace databus
