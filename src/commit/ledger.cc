#include "commit/ledger.h"

#include <algorithm>

#include "base/crc32c.h"
#include "commit/minute_tree.h"

namespace databus {
namespace {

// Streams in the newest manifest have their newest directory there, or in the minute after it.
Status LoadAfterManifest(Storage& storage, const Manifest& manifest,
                         const std::vector<std::string>& streams, Ledger& ledger) {
  for (const std::string& stream : streams) {
    std::optional<Minute> newest;
    if (manifest.streams.contains(stream)) {
      newest = manifest.minute;
    } else {
      // New since, or left out of the manifest, or of the original system.
      DATABUS_ASSIGN_OR_RETURN(newest,
                               NewestMinute(storage, paths::Stream(manifest.view, stream)));
    }
    if (newest) ledger.streams[stream].newest = newest;
    if (newest && *newest > *ledger.open) ledger.open = newest;
  }
  return Status::Ok();
}

Status LoadWithoutManifest(Storage& storage, View view, const std::vector<std::string>& streams,
                           Ledger& ledger) {
  for (const std::string& stream : streams) {
    DATABUS_ASSIGN_OR_RETURN(const std::optional<Minute> newest,
                             NewestMinute(storage, paths::Stream(view, stream)));
    if (!newest) continue;
    ledger.streams[stream].newest = newest;
    if (!ledger.open || *newest > *ledger.open) ledger.open = newest;
  }
  return Status::Ok();
}

}  // namespace

Result<ManifestFile> ReadFacts(Storage& storage, const std::string& path) {
  DATABUS_ASSIGN_OR_RETURN(const std::unique_ptr<FileReader> reader, storage.Open(path));
  ManifestFile facts;
  while (true) {
    DATABUS_ASSIGN_OR_RETURN(const std::string part, reader->Read(facts.length, size_t{4} << 20));
    if (part.empty()) return facts;
    if (facts.length == 0) {
      const auto header = DecodeSealedHeader(part);
      if (header.ok()) {
        facts.messages = header->header.messages;
        facts.identity = header->header.identity;
      }
    }
    facts.length += part.size();
    facts.crc32c = Crc32c(part, facts.crc32c);
  }
}

Result<MinuteFiles> ReadMinuteFiles(Storage& storage, const std::string& minute_dir) {
  DATABUS_ASSIGN_OR_RETURN(const std::vector<DirEntry> entries, storage.List(minute_dir));
  MinuteFiles files;
  for (const DirEntry& entry : entries) {
    // Names with a leading '_' or '.' are invisible to every reader of these trees.
    if (entry.info.kind != NodeKind::kFile || entry.name[0] == '_' || entry.name[0] == '.') continue;
    DATABUS_ASSIGN_OR_RETURN(files[entry.name],
                             ReadFacts(storage, paths::Join(minute_dir, entry.name)));
  }
  return files;
}

Result<Ledger> LoadLedger(Storage& storage, View view, Group group, const std::string& primary,
                          const std::vector<std::string>& streams) {
  Ledger ledger;
  ledger.primary = primary;
  DATABUS_ASSIGN_OR_RETURN(ledger.closed, NewestManifest(storage, view, group, primary));
  if (ledger.closed) {
    ledger.open = ledger.closed->Next();
    DATABUS_ASSIGN_OR_RETURN(const Manifest manifest,
                             ReadManifest(storage, view, group, *ledger.closed, primary));
    DATABUS_RETURN_IF_ERROR(LoadAfterManifest(storage, manifest, streams, ledger));
  } else {
    DATABUS_RETURN_IF_ERROR(LoadWithoutManifest(storage, view, streams, ledger));
  }
  if (!ledger.open) return ledger;
  for (auto& [stream, minutes] : ledger.streams) {
    auto files = ReadMinuteFiles(storage, paths::MinuteDir(view, stream, *ledger.open));
    if (files.code() == Code::kNotFound) continue;
    if (!files.ok()) return files.status();
    minutes.newest = ledger.open;
    minutes.open_files = std::move(*files);
  }
  return ledger;
}

}  // namespace databus
