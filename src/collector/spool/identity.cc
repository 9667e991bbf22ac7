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
constexpr int kVersion = 2;  // 1: never renewed

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
    if (line[0] == "first") identity.first = line[1];
    if (line[0] == "collector") identity.collector = line[1];
    if (line[0] == "cluster-id") identity.cluster_id = line[1];
    if (line[0] == "since") {
      DATABUS_ASSIGN_OR_RETURN(identity.since, ParseNumber(line[1]));
    }
    if (line[0] == "unchecked") {
      DATABUS_ASSIGN_OR_RETURN(identity.unchecked, ParseNumber(line[1]));
    }
  }
  if (identity.first.empty()) identity.first = identity.incarnation;
  const bool valid = ParseSender(identity.incarnation) && ParseSender(identity.first);
  if (!valid || identity.collector.empty()) {
    return {Code::kCorrupt, path + ": incarnation or collector missing"};
  }
  return identity;
}

Status WriteIdentity(Disk& disk, const std::string& dir, const SpoolIdentity& identity) {
  const bool renewed = identity.first != identity.incarnation;
  TextWriter text(kKind, renewed ? kVersion : 1);
  text.Line({"incarnation", identity.incarnation});
  if (renewed) text.Line({"first", identity.first});
  text.Line({"collector", identity.collector});
  text.Line({"cluster-id", identity.cluster_id});
  if (identity.since > 0) text.Line({"since", std::to_string(identity.since)});
  if (identity.unchecked) text.Line({"unchecked", std::to_string(*identity.unchecked)});
  return WriteFileDurably(disk, dir, std::string(kName), std::move(text).Finish());
}

}  // namespace databus
