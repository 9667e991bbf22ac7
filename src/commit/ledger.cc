#include "commit/ledger.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/crc32c.h"
#include "base/planted.h"
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

// Streams in the newest manifest have their newest directory there, or in the minute after it.
Status LoadAfterManifest(Storage& storage, const Manifest& manifest,
                         const std::vector<std::string>& streams, Minute latest, Ledger& ledger) {
  latest = std::max(latest, *ledger.open);
  for (const std::string& stream : streams) {
    std::optional<Minute> newest;
    if (manifest.streams.contains(stream)) {
      newest = manifest.minute;
    } else {
      // New since, or left out of the manifest, or of the original system.
      DATABUS_ASSIGN_OR_RETURN(newest, NewestOf(storage, manifest.view, stream, latest, ledger));
    }
    if (newest) ledger.streams[stream].newest = newest;
    if (newest && *newest > *ledger.open) ledger.open = newest;
  }
  return Status::Ok();
}

Status LoadWithoutManifest(Storage& storage, View view, const std::vector<std::string>& streams,
                           Minute latest, Ledger& ledger) {
  for (const std::string& stream : streams) {
    DATABUS_ASSIGN_OR_RETURN(const std::optional<Minute> newest,
                             NewestOf(storage, view, stream, latest, ledger));
    if (!newest) continue;
    ledger.streams[stream].newest = newest;
    if (!ledger.open || *newest > *ledger.open) ledger.open = newest;
  }
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
                          const std::vector<std::string>& streams, Minute latest) {
  Ledger ledger;
  ledger.primary = primary;
  DATABUS_ASSIGN_OR_RETURN(ledger.closed, NewestManifest(storage, view, group, primary));
  if (ledger.closed) {
    ledger.open = ledger.closed->Next();
    Result<Manifest> manifest = ReadManifest(storage, view, group, *ledger.closed, primary);
    if (manifest.code() == Code::kCorrupt) {
      // That it is there says that the minute is closed; what it held is looked up in the tree.
      manifest = Manifest{view, group, *ledger.closed, primary, {}};
    }
    if (!manifest.ok()) return manifest.status();
    DATABUS_RETURN_IF_ERROR(LoadAfterManifest(storage, *manifest, streams, latest, ledger));
  } else {
    DATABUS_RETURN_IF_ERROR(LoadWithoutManifest(storage, view, streams, latest, ledger));
  }
  if (!ledger.open) return ledger;
  for (auto& [stream, minutes] : ledger.streams) {
    auto files =
        ReadMinuteFiles(storage, paths::MinuteDir(view, stream, *ledger.open), &ledger.unreadable);
    if (files.code() == Code::kNotFound) continue;
    if (!files.ok()) return files.status();
    minutes.newest = ledger.open;
    if (!Planted(Bug::kOpenFilesForgotten)) minutes.open_files = std::move(*files);
  }
  return ledger;
}

}  // namespace databus
