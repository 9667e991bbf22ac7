#include "audit/announcement.h"

#include <fmt/format.h>

#include "cluster/text_format.h"

namespace databus {
namespace {

constexpr int kVersion = 1;
constexpr std::string_view kKind = "sealed";

}  // namespace

std::string EncodeAnnouncement(const std::vector<AnnouncedFile>& files) {
  TextWriter text(kKind, kVersion);
  for (const AnnouncedFile& file : files) {
    text.Line({"file", file.path, std::to_string(file.length), Hex32(file.crc32c),
               std::to_string(file.messages), file.identity.cluster, file.identity.incarnation,
               std::to_string(file.identity.counter)});
  }
  return std::move(text).Finish();
}

Result<std::vector<AnnouncedFile>> DecodeAnnouncement(std::string_view text,
                                                      std::string_view where) {
  DATABUS_ASSIGN_OR_RETURN(const std::vector<TextLine> lines,
                           ParseText(kKind, kVersion, text, where));
  std::vector<AnnouncedFile> files;
  for (const TextLine& line : lines) {
    if (line[0] != "file" || line.size() != 8) {
      return Status(Code::kCorrupt, fmt::format("{}: unexpected line '{}'", where, line[0]));
    }
    AnnouncedFile file;
    file.path = line[1];
    DATABUS_ASSIGN_OR_RETURN(file.length, ParseNumber(line[2]));
    DATABUS_ASSIGN_OR_RETURN(file.crc32c, ParseHex32(line[3]));
    DATABUS_ASSIGN_OR_RETURN(file.messages, ParseNumber(line[4]));
    file.identity.cluster = line[5];
    file.identity.incarnation = line[6];
    DATABUS_ASSIGN_OR_RETURN(file.identity.counter, ParseNumber(line[7]));
    files.push_back(std::move(file));
  }
  return files;
}

}  // namespace databus
