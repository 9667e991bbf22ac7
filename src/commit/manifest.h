// What a closed minute holds: one small file per group and minute, left by the publisher when the
// minute closes (P15). Equality of two sites, retention and `verify` compare manifests; a minute
// without one is open, except in trees of the original system.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/minute.h"
#include "base/status.h"
#include "cluster/paths.h"
#include "cluster/sealed_header.h"
#include "storage/storage.h"

namespace databus {

struct ManifestFile {
  uint64_t length = 0;
  uint32_t crc32c = 0;                   // of the whole file
  uint64_t messages = 0;                 // 0 for foreign files
  std::optional<FileIdentity> identity;  // nothing: a foreign file, known by name, length, checksum
  friend bool operator==(const ManifestFile&, const ManifestFile&) = default;
};

// Whether the content is the same, as far as length and checksum tell.
bool SameBytes(const ManifestFile& a, const ManifestFile& b);

// The files of one stream's minute directory, by name. Empty: the directory exists and is empty.
using MinuteFiles = std::map<std::string, ManifestFile>;

struct Manifest {
  View view = View::kLocal;
  Group group = 0;
  Minute minute;
  std::string primary;  // empty: closed by this cluster's own clock; else: a copy of that cluster's
  std::map<std::string, MinuteFiles> streams;
  // Only in an amendment: streams whose minute was set aside; it is as `primary` closes it later.
  std::set<std::string> gone{};

  std::string Encode() const;
  static Result<Manifest> Decode(std::string_view text, std::string_view where);
};

// A checksum over names, lengths and checksums: equal digests, equal minutes.
uint32_t Digest(const MinuteFiles& files);

// By its path below the root. It is of all streams of its group: that it may not be read is trouble
// of none of them.
//   kNotFound  the minute is not closed, or its manifest is purged
//   kCorrupt   its text or its bytes are damaged: it closes the minute, and tells nothing of it
Result<Manifest> ReadManifestAt(Storage& storage, const std::string& path);
Result<Manifest> ReadManifest(Storage& storage, View view, Group group, Minute minute,
                              std::string_view primary);

// The minutes for which there is a manifest, ascending, of [from, to]. Lists only the directories
// that overlap the range.
Result<std::vector<Minute>> ListManifests(Storage& storage, View view, Group group,
                                          std::string_view primary, Minute from, Minute to);
// The newest one, or the oldest one. Nothing: there is none.
Result<std::optional<Minute>> NewestManifest(Storage& storage, View view, Group group,
                                             std::string_view primary);
Result<std::optional<Minute>> OldestManifest(Storage& storage, View view, Group group,
                                             std::string_view primary);

}  // namespace databus
