#include "commit/ledger.h"

#include <algorithm>
#include <functional>
#include <set>

#include <fmt/format.h>

#include "base/crc32c.h"
#include "base/planted.h"
#include "commit/minute_content.h"
#include "commit/minute_tree.h"

namespace databus {
namespace {

// The newest minute directory of a stream that a publisher can have made.
Result<std::optional<Minute>> NewestOf(Storage& storage, View view, const std::string& stream,
                                       Minute latest, Ledger& ledger) {
  const std::string root = paths::Stream(view, stream);
  DATABUS_ASSIGN_OR_RETURN(const std::optional<Minute> newest, NewestMinute(storage, root));
  if (!newest || *newest <= latest) return newest;
  ledger.strays.push_back(stream);
  return NewestMinute(storage, root, latest);
}

// How old the newest manifest may be to be believed that no other primary came after it.
constexpr int kFreshMinutes = 10;

// The newest of the stream's last minutes that a manifest describes.
Result<std::optional<Minute>> NewestDescribed(MinuteContent& content, const std::string& stream,
                                              Minute newest, std::optional<Minute> cut) {
  std::set<Minute, std::greater<>> candidates{newest, newest + -1};
  if (cut) candidates.insert({*cut, *cut + -1});
  for (const Minute minute : candidates) {
    if (minute > newest) continue;
    DATABUS_ASSIGN_OR_RETURN(const MinuteContent::Streams* streams, content.Described(minute));
    if (streams->contains(stream)) return std::optional<Minute>(minute);
  }
  return std::optional<Minute>();
}

// The minute before the stream's oldest one, if a manifest of ours says nothing of that. Nothing:
// it is of the original system, from before there were manifests.
Result<std::optional<Minute>> BeforeFirst(Storage& storage, Group group,
                                          const std::string& stream) {
  DATABUS_ASSIGN_OR_RETURN(const std::optional<Minute> oldest,
                           OldestMinute(storage, paths::Stream(View::kMerged, stream)));
  if (!oldest) return std::optional<Minute>();
  const auto manifest = ReadManifest(storage, View::kMerged, group, *oldest, "");
  const bool absent = manifest.code() == Code::kNotFound || manifest.code() == Code::kCorrupt;
  if (!manifest.ok() && !absent) return manifest.status();
  if (!manifest.ok() || manifest->streams.contains(stream)) return std::optional<Minute>();
  return std::optional<Minute>(*oldest + -1);
}

// The streams that the manifest names and whose minute was taken out of the view since (P32).
Result<std::set<std::string>> TakenAway(MinuteContent& content, const Manifest& manifest) {
  std::set<std::string> gone;
  DATABUS_ASSIGN_OR_RETURN(const bool amended, content.IsAmended(manifest.minute));
  if (!amended) return gone;
  DATABUS_ASSIGN_OR_RETURN(const MinuteContent::Streams* streams,
                           content.Described(manifest.minute));
  for (const auto& [stream, files] : manifest.streams) {
    if (!streams->contains(stream)) gone.insert(stream);
  }
  return gone;
}

struct StreamsToLoad {
  View view;
  Group group;
  const std::vector<std::string>& streams;
  Minute latest;
  const Cuts& cuts;
};

// Whether the stream's newest minute, of which no manifest tells anything, is of a primary before
// this one: this cluster was its mirror, in its first minute, and that was open there. It may be
// later than the cut, where a copy was recovered after that was decided upon; and than the minute
// that is open here, as which a publisher makes none.
bool IsAnothersFirst(const StreamsToLoad& load, const Ledger& ledger, Minute newest,
                     std::optional<Minute> cut) {
  if (load.view != View::kMerged || !ledger.primary.empty()) return false;
  return cut || (ledger.closed && newest > ledger.closed->Next());
}

// `manifest` is the ledger's newest one, or null. Streams that it names have their newest directory
// there, or in the minute after it.
Status LoadStreams(Storage& storage, const StreamsToLoad& load, const Manifest* manifest,
                   Ledger& ledger) {
  const Minute latest = ledger.open ? std::max(load.latest, *ledger.open) : load.latest;
  // Only the merged view changes hands.
  const bool stale = load.view == View::kMerged && manifest != nullptr &&
                     load.latest != kLastMinute && manifest->minute + kFreshMinutes < load.latest;
  MinuteContent content(storage, load.view, load.group);
  std::set<std::string> gone;
  if (load.view == View::kMerged && manifest != nullptr) {
    DATABUS_ASSIGN_OR_RETURN(gone, TakenAway(content, *manifest));
  }
  std::optional<Minute> first;  // that follows a history
  std::optional<Minute> newest_of_all;
  for (const std::string& stream : load.streams) {
    const auto found = load.cuts.find(stream);
    const std::optional<Minute> cut =
        found == load.cuts.end() ? std::nullopt : std::optional<Minute>(found->second);
    const bool named =
        manifest != nullptr && manifest->streams.contains(stream) && !gone.contains(stream);
    if (named && !stale && (!cut || *cut <= manifest->minute)) {
      ledger.streams[stream].newest = manifest->minute;
      continue;
    }
    // New since, or left out of the manifest, or of the original system, or of another primary.
    DATABUS_ASSIGN_OR_RETURN(
        const std::optional<Minute> newest,
        NewestOf(storage, load.view, stream, cut ? std::max(latest, *cut) : latest, ledger));
    if (!newest) continue;
    StreamMinutes& minutes = ledger.streams[stream];
    minutes.newest = newest;
    if (load.view == View::kMerged) {
      DATABUS_ASSIGN_OR_RETURN(minutes.history, NewestDescribed(content, stream, *newest, cut));
    }
    // Left out of its first minute already, as it had to wait (P28).
    const bool closed_without = !minutes.history && load.view == View::kMerged &&
                                ledger.primary.empty() && manifest != nullptr &&
                                *newest <= manifest->minute;
    if (closed_without) {
      DATABUS_ASSIGN_OR_RETURN(minutes.history, BeforeFirst(storage, load.group, stream));
    }
    if (!minutes.history && IsAnothersFirst(load, ledger, *newest, cut)) {
      minutes.history = *newest + -1;
    }
    // It only stood still: nobody has published after the manifest.
    const bool stood_still =
        named && *newest <= manifest->minute.Next() && minutes.history == manifest->minute;
    if (stood_still && (!cut || *cut <= manifest->minute)) {
      minutes = {.newest = manifest->minute};
      continue;
    }
    if (!minutes.history) {
      newest_of_all = newest_of_all ? std::max(*newest_of_all, *newest) : *newest;
    } else if (!first || minutes.history->Next() < *first) {
      first = minutes.history->Next();
    }
  }
  if (newest_of_all && (!ledger.open || *newest_of_all > *ledger.open)) {
    ledger.open = newest_of_all;
  }
  // Where a copy begins is decided by what it is compared with.
  if (!ledger.open && ledger.primary.empty()) ledger.open = first;
  return Status::Ok();
}

}  // namespace

void FactsOfBytes::Append(std::string_view bytes) {
  if (file_.length == 0) {
    auto header = DecodeSealedHeader(bytes);
    if (header.ok()) {
      header_ = std::move(*header);
      file_.messages = header_->header.messages;
      file_.identity = header_->header.identity;
    } else if (header.code() != Code::kNotFound) {
      damage_ = header.status().ToString();
    }
  }
  if (header_) {
    const size_t payload_at =
        file_.length >= header_->header_bytes ? 0 : header_->header_bytes - file_.length;
    if (payload_at < bytes.size()) {
      payload_crc32c_ = Crc32c(bytes.substr(payload_at), payload_crc32c_);
    }
  }
  file_.length += bytes.size();
  file_.crc32c = Crc32c(bytes, file_.crc32c);
}

FileFacts FactsOfBytes::Finish() const {
  FileFacts facts{file_, damage_};
  if (header_ && file_.length != header_->header_bytes + header_->header.payload_bytes) {
    facts.damage = fmt::format("is {} bytes long, its header says {}", file_.length,
                               header_->header_bytes + header_->header.payload_bytes);
  } else if (header_ && payload_crc32c_ != header_->header.payload_crc32c) {
    facts.damage = fmt::format("has checksum {:08x}, its header says {:08x}", payload_crc32c_,
                               header_->header.payload_crc32c);
  }
  return facts;
}

Result<FileFacts> ReadFacts(Storage& storage, const std::string& path) {
  DATABUS_ASSIGN_OR_RETURN(const std::unique_ptr<FileReader> reader, storage.Open(path));
  FactsOfBytes facts;
  uint64_t offset = 0;
  while (true) {
    DATABUS_ASSIGN_OR_RETURN(const std::string part, reader->Read(offset, size_t{4} << 20));
    if (part.empty()) return facts.Finish();
    offset += part.size();
    facts.Append(part);
  }
}

Result<MinuteFiles> ReadMinuteFiles(Storage& storage, const std::string& minute_dir,
                                    std::vector<std::string>* unreadable) {
  DATABUS_ASSIGN_OR_RETURN(const std::vector<DirEntry> entries, storage.List(minute_dir));
  MinuteFiles files;
  for (const DirEntry& entry : entries) {
    // Names with a leading '_' or '.' are invisible to every reader of these trees.
    if (entry.info.kind != NodeKind::kFile || entry.name[0] == '_' || entry.name[0] == '.')
      continue;
    const std::string path = paths::Join(minute_dir, entry.name);
    auto facts = ReadFacts(storage, path);
    if (facts.ok()) {
      files[entry.name] = std::move(facts->file);
    } else if (unreadable != nullptr && facts.code() == Code::kRefused) {
      unreadable->push_back(path);
    } else {
      return facts.status();
    }
  }
  return files;
}

Result<Ledger> LoadLedger(Storage& storage, View view, Group group, const std::string& primary,
                          const std::vector<std::string>& streams, Minute latest,
                          const Cuts& cuts) {
  Ledger ledger;
  ledger.primary = primary;
  DATABUS_ASSIGN_OR_RETURN(ledger.closed, NewestManifest(storage, view, group, primary));
  const StreamsToLoad load{view, group, streams, latest, cuts};
  if (ledger.closed) {
    ledger.open = ledger.closed->Next();
    Result<Manifest> manifest = ReadManifest(storage, view, group, *ledger.closed, primary);
    if (manifest.code() == Code::kCorrupt) {
      // That it is there says that the minute is closed; what it held is looked up in the tree.
      manifest = Manifest{view, group, *ledger.closed, primary, {}};
    }
    if (!manifest.ok()) return manifest.status();
    DATABUS_RETURN_IF_ERROR(LoadStreams(storage, load, &*manifest, ledger));
  } else {
    DATABUS_RETURN_IF_ERROR(LoadStreams(storage, load, nullptr, ledger));
  }
  if (!ledger.open) return ledger;
  for (auto& [stream, minutes] : ledger.streams) {
    if (minutes.history && *minutes.history >= *ledger.open) continue;
    auto files =
        ReadMinuteFiles(storage, paths::MinuteDir(view, stream, *ledger.open), &ledger.unreadable);
    if (files.code() == Code::kNotFound) continue;
    if (!files.ok()) return files.status();
    minutes.newest = minutes.newest ? std::max(*minutes.newest, *ledger.open) : *ledger.open;
    if (!Planted(Bug::kOpenFilesForgotten)) minutes.open_files = std::move(*files);
  }
  return ledger;
}

}  // namespace databus
