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

// The minute before `oldest`, the stream's oldest one, if a manifest of ours says nothing of that.
// Nothing: it is of the original system, from before there were manifests.
Result<std::optional<Minute>> BeforeFirst(Storage& storage, Group group, const std::string& stream,
                                          Minute oldest) {
  const auto manifest = ReadManifest(storage, View::kMerged, group, oldest, "");
  const bool absent = manifest.code() == Code::kNotFound || manifest.code() == Code::kCorrupt;
  if (!manifest.ok() && !absent) return manifest.status();
  if (!manifest.ok() || manifest->streams.contains(stream)) return std::optional<Minute>();
  return std::optional<Minute>(oldest + -1);
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

  std::optional<Minute> CutOf(const std::string& stream) const {
    const auto found = cuts.find(stream);
    return found == cuts.end() ? std::nullopt : std::optional<Minute>(found->second);
  }
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

// Fills the streams of a ledger that knows its newest manifest and, by that, its open minute.
class StreamsLoader {
 public:
  // `manifest`: the newest one, or null.
  StreamsLoader(Storage& storage, const StreamsToLoad& load, const Manifest* manifest,
                Ledger& ledger)
      : storage_(storage),
        load_(load),
        manifest_(manifest),
        latest_(ledger.open ? std::max(load.latest, *ledger.open) : load.latest),
        content_(storage, load.view, load.group),
        ledger_(ledger) {}

  Status Run() {
    DATABUS_RETURN_IF_ERROR(FindNewest());
    for (auto& [stream, minutes] : ledger_.streams) {
      DATABUS_RETURN_IF_ERROR(CanBeRead(stream, Read(stream, minutes)).status());
    }
    for (const auto& [stream, why] : ledger_.unread) ledger_.streams.erase(stream);
    return Status::Ok();
  }

 private:
  Status FindNewest() {
    // Only the merged view changes hands.
    const bool stale = load_.view == View::kMerged && manifest_ != nullptr &&
                       load_.latest != kLastMinute &&
                       manifest_->minute + kFreshMinutes < load_.latest;
    if (load_.view == View::kMerged && manifest_ != nullptr) {
      DATABUS_ASSIGN_OR_RETURN(gone_, TakenAway(content_, *manifest_));
    }
    for (const std::string& stream : load_.streams) {
      const std::optional<Minute> cut = load_.CutOf(stream);
      if (IsNamed(stream) && !stale && (!cut || *cut <= manifest_->minute)) {
        ledger_.streams[stream].newest = manifest_->minute;
        continue;
      }
      DATABUS_RETURN_IF_ERROR(Add(stream, cut));
    }
    if (newest_of_all_ && (!ledger_.open || *newest_of_all_ > *ledger_.open)) {
      ledger_.open = newest_of_all_;
    }
    // Where a copy begins is decided by what it is compared with.
    if (!ledger_.open && ledger_.primary.empty()) ledger_.open = first_;
    return Status::Ok();
  }

  // Of what was looked for below the stream's own directory. False: only it waits. Manifests are of
  // the whole group: of those it is not asked.
  Result<bool> CanBeRead(const std::string& stream, const Status& status) {
    if (status.ok()) return true;
    if (!CannotBeRead(status)) return status;
    ledger_.unread[stream] = status.message();
    return false;
  }

  // Streams that the manifest names have their newest directory there, or in the minute after it.
  bool IsNamed(const std::string& stream) const {
    return manifest_ != nullptr && manifest_->streams.contains(stream) && !gone_.contains(stream);
  }

  // One that is new since, or left out of the manifest, or of the original system, or of another
  // primary.
  Status Add(const std::string& stream, std::optional<Minute> cut) {
    const auto found =
        NewestOf(storage_, load_.view, stream, cut ? std::max(latest_, *cut) : latest_, ledger_);
    DATABUS_ASSIGN_OR_RETURN(const bool is_read, CanBeRead(stream, found.status()));
    if (!is_read || !*found) return Status::Ok();
    const std::optional<Minute> newest = *found;
    StreamMinutes minutes{.newest = newest};
    if (load_.view == View::kMerged) {
      DATABUS_ASSIGN_OR_RETURN(minutes.history, NewestDescribed(content_, stream, *newest, cut));
    }
    // Left out of its first minute already, as it had to wait (P28).
    const bool closed_without = !minutes.history && load_.view == View::kMerged &&
                                ledger_.primary.empty() && manifest_ != nullptr &&
                                *newest <= manifest_->minute;
    if (closed_without) {
      const auto oldest = OldestMinute(storage_, paths::Stream(View::kMerged, stream));
      DATABUS_ASSIGN_OR_RETURN(const bool is_known, CanBeRead(stream, oldest.status()));
      if (!is_known) return Status::Ok();
      if (*oldest) {
        DATABUS_ASSIGN_OR_RETURN(minutes.history,
                                 BeforeFirst(storage_, load_.group, stream, **oldest));
      }
    }
    if (!minutes.history && IsAnothersFirst(load_, ledger_, *newest, cut)) {
      minutes.history = *newest + -1;
    }
    // It only stood still: nobody has published after the manifest.
    const bool stood_still = IsNamed(stream) && *newest <= manifest_->minute.Next() &&
                             minutes.history == manifest_->minute;
    if (stood_still && (!cut || *cut <= manifest_->minute)) {
      ledger_.streams[stream] = {.newest = manifest_->minute};
      return Status::Ok();
    }
    if (!minutes.history) {
      newest_of_all_ = newest_of_all_ ? std::max(*newest_of_all_, *newest) : *newest;
    } else if (!first_ || minutes.history->Next() < *first_) {
      first_ = minutes.history->Next();
    }
    if (minutes.history) undescribed_[stream] = minutes.history->Next();
    const bool is_copy = !ledger_.primary.empty();
    if (!minutes.history && is_copy) undescribed_[stream] = *newest;  // its first
    ledger_.streams[stream] = std::move(minutes);
    return Status::Ok();
  }

  // What lies in the open minute. Of minutes that no manifest describes it is enough that they can
  // be read: they are described, or compared, before the stream goes on. Silence tells nothing yet.
  Status Read(const std::string& stream, StreamMinutes& minutes) {
    const auto from = undescribed_.find(stream);
    for (Minute m = from == undescribed_.end() ? kLastMinute : from->second; m <= minutes.newest;
         m = m.Next()) {
      if (m == ledger_.open) continue;
      const auto files = ReadMinuteFiles(storage_, paths::MinuteDir(load_.view, stream, m));
      if (CannotBeRead(files.status())) return files.status();
    }
    const std::optional<Minute>& open = ledger_.open;
    if (!open || (minutes.history && *minutes.history >= *open)) return Status::Ok();
    auto files = ReadMinuteFiles(storage_, paths::MinuteDir(load_.view, stream, *open));
    if (files.code() == Code::kNotFound) return Status::Ok();
    DATABUS_RETURN_IF_ERROR(files.status());
    minutes.newest = minutes.newest ? std::max(*minutes.newest, *open) : *open;
    if (!Planted(Bug::kOpenFilesForgotten)) minutes.open_files = std::move(*files);
    return Status::Ok();
  }

  Storage& storage_;
  const StreamsToLoad& load_;
  const Manifest* const manifest_;
  const Minute latest_;
  MinuteContent content_;
  Ledger& ledger_;
  std::set<std::string> gone_;
  std::optional<Minute> first_;  // that follows a history
  std::optional<Minute> newest_of_all_;
  std::map<std::string, Minute> undescribed_;  // streams, from which minute on
};

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

bool CannotBeRead(const Status& status) {
  return status.code() == Code::kRefused || status.code() == Code::kCorrupt;
}

Result<MinuteFiles> ReadMinuteFiles(Storage& storage, const std::string& minute_dir) {
  DATABUS_ASSIGN_OR_RETURN(const std::vector<DirEntry> entries, storage.List(minute_dir));
  MinuteFiles files;
  for (const DirEntry& entry : entries) {
    if (!IsVisibleFile(entry)) continue;
    DATABUS_ASSIGN_OR_RETURN(FileFacts facts,
                             ReadFacts(storage, paths::Join(minute_dir, entry.name)));
    files[entry.name] = std::move(facts.file);
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
    DATABUS_RETURN_IF_ERROR(StreamsLoader(storage, load, &*manifest, ledger).Run());
  } else {
    DATABUS_RETURN_IF_ERROR(StreamsLoader(storage, load, nullptr, ledger).Run());
  }
  return ledger;
}

}  // namespace databus
