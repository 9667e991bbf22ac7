#include "commit/manifest.h"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "base/crc32c.h"
#include "cluster/text_format.h"
#include "commit/minute_tree.h"

namespace databus {
namespace {

constexpr int kVersion = 1;
constexpr std::string_view kKind = "manifest";

Result<ManifestFile> DecodeFile(const TextLine& line) {
  ManifestFile file;
  DATABUS_ASSIGN_OR_RETURN(file.length, ParseNumber(line[2]));
  DATABUS_ASSIGN_OR_RETURN(file.crc32c, ParseHex32(line[3]));
  DATABUS_ASSIGN_OR_RETURN(file.messages, ParseNumber(line[4]));
  if (line.size() == 8) {
    FileIdentity identity{line[5], line[6], 0};
    DATABUS_ASSIGN_OR_RETURN(identity.counter, ParseNumber(line[7]));
    file.identity = std::move(identity);
  }
  return file;
}

Status DecodeHead(const TextLine& line, Manifest& manifest, std::string_view where) {
  const auto minute = Minute::ParseIso(line[1]);
  const auto view = ParseViewName(line[2]);
  const auto group = ParseNumber(line[3]);
  if (!minute || !view || !group.ok() || *group > std::numeric_limits<Group>::max()) {
    return {Code::kCorrupt, fmt::format("{}: bad minute, view or group", where)};
  }
  manifest.minute = *minute;
  manifest.view = *view;
  manifest.group = static_cast<Group>(*group);
  manifest.primary = line[4];
  return Status::Ok();
}

// The name of this primary's manifest within the hour, as Manifest() builds it.
std::optional<Minute> MinuteOfEntry(const DirEntry& entry, std::string_view primary, Minute hour) {
  if (entry.info.kind != NodeKind::kFile) return std::nullopt;
  const std::string_view name = entry.name;
  const size_t dash = name.find('-');
  const std::string_view origin = dash == std::string_view::npos ? "" : name.substr(dash + 1);
  if (origin != primary || (dash != std::string_view::npos && origin.empty())) return std::nullopt;
  return MinuteInHour(hour, name.substr(0, dash));
}

Result<std::optional<Minute>> First(Storage& storage, const std::string& root,
                                    std::string_view primary, Order order) {
  std::optional<Minute> found;
  DATABUS_RETURN_IF_ERROR(WalkHours(storage, root, kFirstMinute, kLastMinute, order,
                                    [&](Minute hour, const DirEntry& entry) {
                                      found = MinuteOfEntry(entry, primary, hour);
                                      return found ? Walk::kStop : Walk::kContinue;
                                    }));
  return found;
}

}  // namespace

std::string Manifest::Encode() const {
  TextWriter text(kKind, kVersion);
  text.Line({"minute", minute.ToIso(), ViewName(view), std::to_string(group), primary});
  for (const auto& [stream, files] : streams) {
    uint64_t messages = 0;
    uint64_t bytes = 0;
    for (const auto& [name, file] : files) {
      messages += file.messages;
      bytes += file.length;
    }
    text.Line({"stream", stream, std::to_string(files.size()), std::to_string(messages),
               std::to_string(bytes), Hex32(Digest(files))});
    for (const auto& [name, file] : files) {
      if (!file.identity) {
        text.Line({"file", name, std::to_string(file.length), Hex32(file.crc32c),
                   std::to_string(file.messages)});
        continue;
      }
      text.Line({"file", name, std::to_string(file.length), Hex32(file.crc32c),
                 std::to_string(file.messages), file.identity->cluster, file.identity->incarnation,
                 std::to_string(file.identity->counter)});
    }
  }
  for (const std::string& stream : gone) text.Line({"gone", stream});
  return std::move(text).Finish();
}

Result<Manifest> Manifest::Decode(std::string_view text, std::string_view where) {
  DATABUS_ASSIGN_OR_RETURN(const std::vector<TextLine> lines,
                           ParseText(kKind, kVersion, text, where));
  Manifest manifest;
  MinuteFiles* files = nullptr;
  for (const TextLine& line : lines) {
    if (line[0] == "minute" && line.size() == 5) {
      DATABUS_RETURN_IF_ERROR(DecodeHead(line, manifest, where));
    } else if (line[0] == "gone" && line.size() == 2) {
      manifest.gone.insert(line[1]);
    } else if (line[0] == "stream" && line.size() == 6) {
      files = &manifest.streams[line[1]];
    } else if (line[0] == "file" && (line.size() == 5 || line.size() == 8) && files != nullptr) {
      DATABUS_ASSIGN_OR_RETURN((*files)[line[1]], DecodeFile(line));
    } else {
      return Status(Code::kCorrupt, fmt::format("{}: unexpected line '{}'", where, line[0]));
    }
  }
  return manifest;
}

bool SameBytes(const ManifestFile& a, const ManifestFile& b) {
  return a.length == b.length && a.crc32c == b.crc32c;
}

uint32_t Digest(const MinuteFiles& files) {
  uint32_t crc = 0;
  for (const auto& [name, file] : files) {
    crc = Crc32c(fmt::format("{} {} {:08x}\n", name, file.length, file.crc32c), crc);
  }
  return crc;
}

Result<Manifest> ReadManifestAt(Storage& storage, const std::string& path) {
  const std::string where = storage.Describe() + ": " + path;
  const auto text = storage.ReadFile(path);
  if (text.ok()) return Manifest::Decode(*text, where);
  return text.code() == Code::kCorrupt ? text.status().WithContext(where) : text.status();
}

Result<Manifest> ReadManifest(Storage& storage, View view, Group group, Minute minute,
                              std::string_view primary) {
  return ReadManifestAt(storage, paths::Manifest(view, group, minute, primary));
}

Result<std::vector<Minute>> ListManifests(Storage& storage, View view, Group group,
                                          std::string_view primary, Minute from, Minute to) {
  std::vector<Minute> minutes;
  DATABUS_RETURN_IF_ERROR(WalkHours(storage, paths::ManifestRoot(view, group), from, to,
                                    Order::kAscending, [&](Minute hour, const DirEntry& entry) {
                                      const auto minute = MinuteOfEntry(entry, primary, hour);
                                      if (minute && *minute >= from && *minute <= to) {
                                        minutes.push_back(*minute);
                                      }
                                      return Walk::kContinue;
                                    }));
  return minutes;
}

Result<std::optional<Minute>> NewestManifest(Storage& storage, View view, Group group,
                                             std::string_view primary) {
  return First(storage, paths::ManifestRoot(view, group), primary, Order::kDescending);
}

Result<std::optional<Minute>> OldestManifest(Storage& storage, View view, Group group,
                                             std::string_view primary) {
  return First(storage, paths::ManifestRoot(view, group), primary, Order::kAscending);
}

}  // namespace databus
