#include "commit/eras.h"

#include <vector>

#include <fmt/format.h>

#include "cluster/text_format.h"
#include "commit/cluster_id.h"

namespace databus {
namespace {

constexpr int kVersion = 1;
constexpr std::string_view kKind = "eras";
constexpr size_t kBytesMax = size_t{16} << 20;

// The group's files, the last one at the end.
Result<std::map<std::pair<uint64_t, uint64_t>, std::string>> List(Storage& storage, Group group) {
  std::map<std::pair<uint64_t, uint64_t>, std::string> found;
  const auto entries = storage.List(paths::Eras());
  if (entries.code() == Code::kNotFound) return found;
  DATABUS_RETURN_IF_ERROR(entries.status());
  for (const DirEntry& entry : *entries) {
    const auto name = paths::QueueEntryName::Parse(entry.name);
    if (!name || name->group != group) continue;
    found[{name->epoch, name->number}] = paths::Join(paths::Eras(), entry.name);
  }
  return found;
}

Status DecodeEra(const TextLine& line, Eras& eras, std::string_view where) {
  Era era{line[2], std::nullopt};
  if (line.size() == 5) {
    DATABUS_ASSIGN_OR_RETURN(era.settled, ParseNumber(line[4]));
  }
  if (!line[3].empty()) {
    era.cut = Minute::ParseIso(line[3]);
    if (!era.cut) return {Code::kCorrupt, fmt::format("{}: a cut that is no minute", where)};
  }
  eras.streams[line[1]] = std::move(era);
  return Status::Ok();
}

Status DecodeSalvaged(const TextLine& line, Eras& eras, std::string_view where) {
  const auto to = Minute::ParseIso(line[3]);
  if (!to) return {Code::kCorrupt, fmt::format("{}: no minute", where)};
  DATABUS_ASSIGN_OR_RETURN(const uint32_t of, ParseHex32(line[4]));
  eras.salvaged[{line[1], line[2]}] = {of, *to};
  return Status::Ok();
}

}  // namespace

bool Eras::IsIn(const StreamSpec& stream) const {
  const auto era = streams.find(stream.name);
  return era != streams.end() && era->second == EraOf(stream);
}

bool Eras::HasBegun(const StreamSpec& stream) const {
  return streams.contains(stream.name) ? IsIn(stream) : EraOf(stream).IsFirst();
}

Era EraOf(const StreamSpec& stream) { return {stream.Primary(), stream.cut, stream.settled}; }

std::optional<Era> Eras::Of(const std::string& stream) const {
  const auto era = streams.find(stream);
  if (era == streams.end() || era->second.IsFirst()) return std::nullopt;
  return era->second;
}

std::string Eras::Encode() const {
  TextWriter text(kKind, kVersion);
  for (const auto& [stream, era] : streams) {
    const std::string cut = era.cut ? era.cut->ToIso() : "";
    if (era.settled == 0) {
      text.Line({"era", stream, era.primary, cut});
    } else {
      text.Line({"era", stream, era.primary, cut, std::to_string(era.settled)});
    }
  }
  for (const auto& [of, reached] : salvaged) {
    text.Line({"salvaged", of.first, of.second, reached.to.ToIso(), Hex32(reached.of)});
  }
  for (const auto& [source, files] : missed) {
    for (const auto& [path, file] : files) {
      text.Line({"missed", source, path, file.stream, file.name});
    }
  }
  return std::move(text).Finish();
}

Result<Eras> Eras::Decode(std::string_view text, std::string_view where) {
  DATABUS_ASSIGN_OR_RETURN(const std::vector<TextLine> lines,
                           ParseText(kKind, kVersion, text, where));
  Eras eras;
  for (const TextLine& line : lines) {
    if (line[0] == "era" && (line.size() == 4 || line.size() == 5)) {
      DATABUS_RETURN_IF_ERROR(DecodeEra(line, eras, where));
    } else if (line[0] == "salvaged" && line.size() == 5) {
      DATABUS_RETURN_IF_ERROR(DecodeSalvaged(line, eras, where));
    } else if (line[0] == "missed" && line.size() == 5) {
      eras.missed[line[1]][line[2]] = {line[3], line[4]};
    } else {
      return Status(Code::kCorrupt, fmt::format("{}: unexpected line '{}'", where, line[0]));
    }
  }
  return eras;
}

Result<Eras> ReadEras(Storage& storage, Group group) {
  DATABUS_ASSIGN_OR_RETURN(const auto files, List(storage, group));
  if (files.empty()) return Eras();
  const std::string& path = files.rbegin()->second;
  const auto text = storage.ReadFile(path, kBytesMax);
  if (text.code() == Code::kNotFound) {
    return Status(Code::kUnavailable, path + " has just been replaced");
  }
  DATABUS_RETURN_IF_ERROR(text.status());
  auto eras = Eras::Decode(*text, storage.Describe() + ": " + path);
  if (eras.code() == Code::kCorrupt) return Eras();  // all is compared and looked through again
  return eras;
}

Status WriteEras(GroupWriter& writer, const Eras& eras) {
  StagingArea& staging = writer.staging();
  Storage& storage = staging.storage();
  DATABUS_ASSIGN_OR_RETURN(const std::string staged, staging.StageText(eras.Encode()));
  const paths::QueueEntryName name{staging.group(), staging.epoch(), staging.NextNumber()};
  const std::string own = paths::Join(paths::Eras(), name.ToString());
  Status placed = storage.Rename(staging.PathOf(staged), own);
  if (placed.code() == Code::kNotFound) {
    DATABUS_RETURN_IF_ERROR(staging.CheckOurs());
    DATABUS_RETURN_IF_ERROR(EnsureDir(storage, paths::Eras()));  // a tree of an older version
    placed = storage.Rename(staging.PathOf(staged), own);
  }
  DATABUS_RETURN_IF_ERROR(placed.WithContext(own));
  DATABUS_ASSIGN_OR_RETURN(const auto files, List(storage, staging.group()));
  for (const auto& [age, path] : files) {
    if (age >= std::pair(name.epoch, name.number)) break;
    const Status removed = storage.Remove(path);
    if (!removed.ok() && removed.code() != Code::kNotFound) return removed;
  }
  return Status::Ok();
}

}  // namespace databus
