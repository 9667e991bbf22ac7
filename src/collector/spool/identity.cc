#include "collector/spool/identity.h"

#include <utility>
#include <vector>

#include "cluster/text_format.h"
#include "collector/spool/files.h"
#include "net/batch_id.h"

namespace databus {
namespace {

constexpr std::string_view kName = "identity";
constexpr std::string_view kKind = "spool-identity";
constexpr int kVersion = 1;

}  // namespace

Result<SpoolIdentity> ReadIdentity(Disk& disk, const std::string& dir) {
  const std::string path = dir + "/" + std::string(kName);
  DATABUS_ASSIGN_OR_RETURN(const std::string text, ReadWholeFile(disk, path));
  DATABUS_ASSIGN_OR_RETURN(const std::vector<TextLine> lines,
                           ParseText(kKind, kVersion, text, path));
  SpoolIdentity identity;
  for (const TextLine& line : lines) {
    if (line.size() != 2) continue;
    if (line[0] == "incarnation") identity.incarnation = line[1];
    if (line[0] == "collector") identity.collector = line[1];
    if (line[0] == "cluster-id") identity.cluster_id = line[1];
  }
  if (!ParseSender(identity.incarnation) || identity.collector.empty()) {
    return {Code::kCorrupt, path + ": incarnation or collector missing"};
  }
  return identity;
}

Status WriteIdentity(Disk& disk, const std::string& dir, const SpoolIdentity& identity) {
  TextWriter text(kKind, kVersion);
  text.Line({"incarnation", identity.incarnation});
  text.Line({"collector", identity.collector});
  text.Line({"cluster-id", identity.cluster_id});
  return WriteFileDurably(disk, dir, std::string(kName), std::move(text).Finish());
}

}  // namespace databus
