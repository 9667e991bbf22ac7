#include "commit/record.h"

#include <array>

#include <fmt/format.h>

#include "cluster/text_format.h"

namespace databus {
namespace {

constexpr int kVersion = 2;  // 1 had no `copy` and `take` lines
constexpr std::string_view kKind = "record";

constexpr std::array<std::string_view, 5> kMoveNames = {"minute-dir", "file", "manifest", "queue",
                                                        "trash"};

std::optional<MoveKind> ParseMoveKind(std::string_view name) {
  for (size_t i = 0; i < kMoveNames.size(); ++i) {
    if (kMoveNames[i] == name) return static_cast<MoveKind>(i);
  }
  return std::nullopt;
}

// What the number of its line is.
auto& NumberOf(auto& move) {
  return move.kind == MoveKind::kTrash ? move.copy_number : move.length;
}

Result<RecordedMove> DecodeMove(MoveKind kind, const TextLine& line) {
  RecordedMove move;
  move.kind = kind;
  move.staged = line[1];
  move.to = line[2];
  DATABUS_ASSIGN_OR_RETURN(NumberOf(move), ParseNumber(line[3]));
  DATABUS_ASSIGN_OR_RETURN(move.crc32c, ParseHex32(line[4]));
  return move;
}

}  // namespace

std::string Record::Encode() const {
  TextWriter text(kKind, kVersion);
  text.Line({"number", std::to_string(number), std::to_string(amendment)});
  if (!primary.empty()) text.Line({"copy", primary});
  for (const Take& take : takes) text.Line({"take", take.staged, take.from});
  for (const RecordedMove& move : moves) {
    text.Line({kMoveNames[static_cast<size_t>(move.kind)], move.staged, move.to,
               std::to_string(NumberOf(move)), Hex32(move.crc32c)});
  }
  for (const CleanUp& clean_up : clean_ups) {
    text.Line({"clean-up", clean_up.cluster, clean_up.remove, clean_up.trash});
  }
  return std::move(text).Finish();
}

Result<Record> Record::Decode(std::string_view text, std::string_view where) {
  DATABUS_ASSIGN_OR_RETURN(const std::vector<TextLine> lines,
                           ParseText(kKind, kVersion, text, where));
  Record record;
  for (const TextLine& line : lines) {
    if (const auto kind = ParseMoveKind(line[0]); kind && line.size() == 5) {
      DATABUS_ASSIGN_OR_RETURN(RecordedMove move, DecodeMove(*kind, line));
      record.moves.push_back(std::move(move));
    } else if (line[0] == "clean-up" && line.size() == 4) {
      record.clean_ups.push_back({line[1], line[2], line[3]});
    } else if (line[0] == "copy" && line.size() == 2) {
      record.primary = line[1];
    } else if (line[0] == "take" && line.size() == 3) {
      record.takes.push_back({line[2], line[1]});
    } else if (line[0] == "number" && line.size() == 3) {
      DATABUS_ASSIGN_OR_RETURN(record.number, ParseNumber(line[1]));
      DATABUS_ASSIGN_OR_RETURN(record.amendment, ParseNumber(line[2]));
    } else {
      return Status(Code::kCorrupt, fmt::format("{}: unexpected line '{}'", where, line[0]));
    }
  }
  return record;
}

namespace staged {
namespace {

constexpr std::string_view kRecordPrefix = "record-";
constexpr std::string_view kPendingPrefix = "pending-";

// As the names below spell it. "f007" is nothing of ours: it would be taken for f7.
std::optional<uint64_t> ParseOwnNumber(std::string_view digits) {
  const auto number = ParseNumber(digits);
  if (!number.ok() || std::to_string(*number) != digits) return std::nullopt;
  return *number;
}

std::optional<Name> Numbered(Kind kind, std::string_view digits) {
  const auto number = ParseOwnNumber(digits);
  if (!number) return std::nullopt;
  return Name{kind, *number, 0, "", ""};
}

std::optional<Name> ParseRecord(std::string_view rest) {
  const size_t dot = rest.find('.');
  if (dot == std::string_view::npos) return std::nullopt;
  const auto amendment = ParseOwnNumber(rest.substr(dot + 1));
  auto name = Numbered(Kind::kRecord, rest.substr(0, dot));
  if (!name || !amendment) return std::nullopt;
  name->amendment = *amendment;
  return name;
}

std::optional<Name> ParseClaim(std::string_view rest) {
  const size_t first = rest.find('~');
  const size_t second = rest.find('~', first + 1);
  if (first == std::string_view::npos || second == std::string_view::npos) return std::nullopt;
  auto name = Numbered(Kind::kClaim, rest.substr(0, first));
  if (!name) return std::nullopt;
  name->collector = rest.substr(first + 1, second - first - 1);
  name->data_name = rest.substr(second + 1);
  return name;
}

std::optional<Name> ParseKnown(std::string_view name) {
  if (name.starts_with(kRecordPrefix)) return ParseRecord(name.substr(kRecordPrefix.size()));
  if (name.starts_with(kPendingPrefix)) {
    return Numbered(Kind::kPending, name.substr(kPendingPrefix.size()));
  }
  if (name.empty()) return std::nullopt;
  switch (name.front()) {
    case 'c': return ParseClaim(name.substr(1));
    case 'f': return Numbered(Kind::kFile, name.substr(1));
    case 'd': return Numbered(Kind::kMinuteDir, name.substr(1));
    case 'x': return Numbered(Kind::kPurged, name.substr(1));
    default: return std::nullopt;
  }
}

}  // namespace

Name Parse(std::string_view name) { return ParseKnown(name).value_or(Name{}); }

std::string RecordName(uint64_t number, uint64_t amendment) {
  return fmt::format("{}{}.{}", kRecordPrefix, number, amendment);
}
std::string PendingName(uint64_t number) { return fmt::format("{}{}", kPendingPrefix, number); }
std::string ClaimName(uint64_t number, std::string_view collector, std::string_view data_name) {
  return fmt::format("c{}~{}~{}", number, collector, data_name);
}
std::string FileName(uint64_t number) { return fmt::format("f{}", number); }
std::string MinuteDirName(uint64_t number) { return fmt::format("d{}", number); }
std::string PurgedName(uint64_t number) { return fmt::format("x{}", number); }

}  // namespace staged
}  // namespace databus
