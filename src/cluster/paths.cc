#include "cluster/paths.h"

#include <algorithm>
#include <charconv>
#include <vector>

#include <fmt/format.h>

#include "base/crc32c.h"
#include "cluster/names.h"
#include "cluster/text_format.h"

namespace databus {
namespace {

constexpr std::string_view kFencedSuffix = ".fenced";
constexpr std::string_view kJoinStagingPrefix = "queue.";
constexpr std::string_view kOnceStagingPrefix = "once.";
constexpr size_t kJoinTokenDigits = 16;

// A number as std::to_string writes it: digits only, no leading zero. Two spellings of one number
// would be two names for one thing.
template <typename Number>
bool ParseCanonical(std::string_view text, Number& value) {
  const char* const end = text.data() + text.size();
  const auto [stopped_at, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && stopped_at == end && (text.size() == 1 || text.front() != '0');
}

std::vector<std::string_view> SplitDots(std::string_view text) {
  std::vector<std::string_view> parts;
  while (true) {
    const size_t dot = text.find('.');
    parts.push_back(text.substr(0, dot));
    if (dot == std::string_view::npos) return parts;
    text.remove_prefix(dot + 1);
  }
}

// A file's name may be anything that one queue line and one path component can hold.
bool IsFileName(std::string_view name) {
  constexpr std::string_view kForbidden("/\n\r\0", 4);
  return !name.empty() && name != "." && name != ".." &&
         name.find_first_of(kForbidden) == std::string_view::npos;
}

}  // namespace

std::string_view ViewName(View view) { return view == View::kLocal ? "local" : "streams"; }

std::optional<View> ParseViewName(std::string_view name) {
  for (const View view : {View::kLocal, View::kMerged}) {
    if (name == ViewName(view)) return view;
  }
  return std::nullopt;
}

Group GroupOf(std::string_view stream, Group groups) { return Crc32c(stream) % groups; }

namespace paths {

std::string Join(std::string_view directory, std::string_view name) {
  if (directory.empty()) return std::string(name);
  if (name.empty()) return std::string(directory);
  std::string path;
  path.reserve(directory.size() + 1 + name.size());
  return path.append(directory).append(1, '/').append(name);
}

std::string_view Parent(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

std::string_view BaseName(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

std::string Data() { return "data"; }
std::string DataStream(std::string_view stream) { return Join(Data(), stream); }
std::string DataCollector(std::string_view stream, std::string_view collector) {
  return Join(DataStream(stream), collector);
}
std::string DataFile(std::string_view stream, std::string_view collector, std::string_view name) {
  return Join(DataCollector(stream, collector), name);
}

std::string ViewRoot(View view) { return view == View::kLocal ? "streams_local" : "streams"; }
std::string Stream(View view, std::string_view stream) { return Join(ViewRoot(view), stream); }
std::string Hour(View view, std::string_view stream, Minute minute) {
  return Join(Stream(view, stream), minute.ToHourPath());
}
std::string MinuteDir(View view, std::string_view stream, Minute minute) {
  return Join(Stream(view, stream), minute.ToPath());
}
std::string MinuteFile(View view, std::string_view stream, Minute minute, std::string_view name) {
  return Join(MinuteDir(view, stream, minute), name);
}

std::optional<MinutePath> ParseMinutePath(std::string_view path) {
  constexpr size_t kMinuteBytes = 16;  // "YYYY/MM/DD/HH/MM"
  const size_t root_end = path.find('/');
  if (root_end == std::string_view::npos) return std::nullopt;
  MinutePath parsed;
  const std::string_view root = path.substr(0, root_end);
  if (root == ViewRoot(View::kMerged)) {
    parsed.view = View::kMerged;
  } else if (root != ViewRoot(View::kLocal)) {
    return std::nullopt;
  }
  path.remove_prefix(root_end + 1);
  const size_t stream_end = path.find('/');
  if (stream_end == std::string_view::npos) return std::nullopt;
  parsed.stream = path.substr(0, stream_end);
  if (!ValidateStreamName(parsed.stream).ok()) return std::nullopt;
  path.remove_prefix(stream_end + 1);
  const auto minute = Minute::ParsePath(path.substr(0, kMinuteBytes));
  if (!minute) return std::nullopt;
  parsed.minute = *minute;
  if (path.size() == kMinuteBytes) return parsed;
  if (path[kMinuteBytes] != '/') return std::nullopt;
  parsed.file = path.substr(kMinuteBytes + 1);
  if (!IsFileName(parsed.file)) return std::nullopt;
  return parsed;
}

std::optional<MinutePath> ParseQueueLine(std::string_view line) {
  // A leading slash makes a relative path look like the end of a URL.
  std::string folded = "/";
  for (const char c : line) {
    if (c != '/' || folded.back() != '/') folded += c;
  }
  if (folded.size() > 1 && folded.back() == '/') folded.pop_back();
  const std::string_view path = folded;
  for (size_t slash = path.rfind('/');; slash = path.rfind('/', slash - 1)) {
    if (auto parsed = ParseMinutePath(path.substr(slash + 1))) return parsed;
    if (slash == 0) return std::nullopt;
  }
}

std::string ClusterId() { return "system/cluster-id"; }
std::string Consumers(std::string_view destination) {
  return Join("system/consumers", destination);
}
std::string Mirrors(std::string_view mirror) { return Join("system/mirrors", mirror); }

std::string QueueEntryName::ToString() const {
  return fmt::format("{}.{}.{}", group, epoch, number);
}

std::optional<QueueEntryName> QueueEntryName::Parse(std::string_view name) {
  const auto parts = SplitDots(name);
  QueueEntryName entry;
  if (parts.size() != 3 || !ParseCanonical(parts[0], entry.group) ||
      !ParseCanonical(parts[1], entry.epoch) || !ParseCanonical(parts[2], entry.number)) {
    return std::nullopt;
  }
  return entry;
}

std::string JoinedEntryName::ToString() const {
  return fmt::format("{}~{}-{}", last, group, token);
}

std::optional<JoinedEntryName> JoinedEntryName::Parse(std::string_view name) {
  const size_t tilde = name.rfind('~');
  if (tilde == std::string_view::npos || tilde == 0) return std::nullopt;
  const std::string_view rest = name.substr(tilde + 1);
  const size_t dash = rest.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  JoinedEntryName joined;
  joined.last = name.substr(0, tilde);
  joined.token = rest.substr(dash + 1);
  if (!ParseCanonical(rest.substr(0, dash), joined.group) ||
      joined.token.size() != kJoinTokenDigits ||
      joined.token.find_first_not_of("0123456789abcdef") != std::string::npos) {
    return std::nullopt;
  }
  return joined;
}

std::string JoinStaging(std::string_view token) {
  return fmt::format("{}/{}{}", Tmp(), kJoinStagingPrefix, token);
}
bool IsJoinStagingName(std::string_view name_in_tmp) {
  return name_in_tmp.starts_with(kJoinStagingPrefix);
}
std::string OnceStaging(std::string_view token) {
  return fmt::format("{}/{}{}", Tmp(), kOnceStagingPrefix, token);
}
bool IsOnceStagingName(std::string_view name_in_tmp) {
  return name_in_tmp.starts_with(kOnceStagingPrefix);
}

std::string Tmp() { return "system/tmp"; }
std::string Staging(View view, Group group) {
  return fmt::format("{}/{}/{}", Tmp(), ViewName(view), group);
}
std::string EpochStaging(View view, Group group, uint64_t epoch) {
  return Join(Staging(view, group), std::to_string(epoch));
}
std::string FencedStaging(View view, Group group, uint64_t epoch) {
  return EpochStaging(view, group, epoch).append(kFencedSuffix);
}

std::optional<StagingName> ParseStagingName(std::string_view name) {
  StagingName staging;
  staging.fenced = name.ends_with(kFencedSuffix);
  if (staging.fenced) name.remove_suffix(kFencedSuffix.size());
  if (!ParseCanonical(name, staging.epoch)) return std::nullopt;
  return staging;
}

std::string CollectorStaging(std::string_view collector) {
  return fmt::format("{}/data/{}", Tmp(), collector);
}

std::string SealedRoot() { return "system/sealed"; }
std::string Sealed(std::string_view collector) { return Join(SealedRoot(), collector); }

std::string AnnouncementName::ToString() const { return fmt::format("{}.{}", group, number); }

std::optional<AnnouncementName> AnnouncementName::Parse(std::string_view name) {
  const auto parts = SplitDots(name);
  AnnouncementName announcement;
  if (parts.size() != 2 || !ParseCanonical(parts[0], announcement.group) ||
      !ParseCanonical(parts[1], announcement.number)) {
    return std::nullopt;
  }
  return announcement;
}

std::string Quarantine(View view, std::string_view stream) {
  return fmt::format("system/quarantine/{}/{}", ViewName(view), stream);
}
std::string StatusRoot() { return "system/status"; }
std::string StatusFile(std::string_view process) {
  return fmt::format("{}/{}.json", StatusRoot(), process);
}
std::string DriverProcess(std::string_view journal_id) {
  return fmt::format("failover-{}", journal_id);
}
std::string TopologyRoot() { return "system/topology"; }
std::string TopologyFile(uint64_t epoch) { return fmt::format("{}/{}.xml", TopologyRoot(), epoch); }
std::optional<uint64_t> ParseTopologyName(std::string_view name) {
  constexpr std::string_view kEnding = ".xml";
  if (!name.ends_with(kEnding)) return std::nullopt;
  name.remove_suffix(kEnding.size());
  const Result<uint64_t> epoch = ParseNumber(name);
  if (!epoch.ok() || *epoch == 0 || name.front() == '0') return std::nullopt;
  return *epoch;
}
std::string FailoverRoot() { return "system/failover"; }
std::string FailoverJournal(const FailoverJournalName& name) {
  return Join(FailoverRoot(), name.ToString());
}

std::string FailoverJournalName::ToString() const {
  return fmt::format("{}.{}.json", id, revision);
}

std::optional<FailoverJournalName> FailoverJournalName::Parse(std::string_view name) {
  constexpr std::string_view kEnding = ".json";
  if (!name.ends_with(kEnding)) return std::nullopt;
  name.remove_suffix(kEnding.size());
  const size_t dot = name.rfind('.');
  if (dot == std::string_view::npos) return std::nullopt;
  FailoverJournalName parsed{std::string(name.substr(0, dot)), 0};
  const bool named = IsFileName(parsed.id) && parsed.id.front() != '.';
  if (!named || !ParseCanonical(name.substr(dot + 1), parsed.revision) || parsed.revision == 0) {
    return std::nullopt;
  }
  return parsed;
}

std::string Leases() { return "system/leases"; }

std::string ManifestRoot(View view, Group group) {
  return fmt::format("system/manifests/{}/{}", ViewName(view), group);
}
std::string Manifest(View view, Group group, Minute minute, std::string_view primary) {
  const std::string path = Join(ManifestRoot(view, group), minute.ToPath());
  return primary.empty() ? path : fmt::format("{}-{}", path, primary);
}

std::string ManifestAmendment(View view, Group group, Minute minute, uint64_t number) {
  return fmt::format("{}~{}", Manifest(view, group, minute, ""), number);
}

std::optional<ManifestName> ManifestName::Parse(std::string_view name) {
  constexpr size_t kDigits = 2;
  ManifestName parsed;
  parsed.minute = name.substr(0, kDigits);
  if (parsed.minute.size() < kDigits) return std::nullopt;
  if (name.size() == kDigits) return parsed;
  const std::string_view rest = name.substr(kDigits + 1);
  if (rest.empty()) return std::nullopt;
  if (name[kDigits] == '-') {
    parsed.primary = rest;
    return parsed;
  }
  uint64_t number = 0;
  if (name[kDigits] != '~' || !ParseCanonical(rest, number)) return std::nullopt;
  parsed.amendment = number;
  return parsed;
}

std::string DivergentRoot() { return "system/divergent"; }
std::string DivergentStream(std::string_view era, std::string_view stream) {
  return fmt::format("{}/{}/{}", DivergentRoot(), era, stream);
}
std::string DivergentMinute(std::string_view era, std::string_view stream, Minute minute) {
  return Join(DivergentStream(era, stream), minute.ToPath());
}

std::string TrashName::ToString() const {
  return fmt::format("{}~{}~{}-{}~{}", collector, data_name, epoch, number, published_bytes);
}

std::optional<TrashName> TrashName::Parse(std::string_view name) {
  std::vector<std::string_view> parts;
  for (size_t at = 0; at <= name.size();) {
    const size_t end = std::min(name.find('~', at), name.size());
    parts.push_back(name.substr(at, end - at));
    at = end + 1;
  }
  if (parts.size() != 4) return std::nullopt;
  const size_t dash = parts[2].find('-');
  TrashName trash{std::string(parts[0]), std::string(parts[1]), 0, 0, 0};
  if (dash == std::string_view::npos || !ParseCanonical(parts[2].substr(0, dash), trash.epoch) ||
      !ParseCanonical(parts[2].substr(dash + 1), trash.number) ||
      !ParseCanonical(parts[3], trash.published_bytes)) {
    return std::nullopt;
  }
  return trash;
}

std::string Eras() { return "system/eras"; }
std::string Checkpoints() { return "system/checkpoint"; }
std::string TrashRoot() { return "system/trash"; }
std::string TrashHour(WallTime now) {
  const std::string dashed = Minute::Of(now).ToDashed();  // "YYYY-MM-DD-HH-MM"
  return fmt::format("{}/{}/{}", TrashRoot(), dashed.substr(0, 10), dashed.substr(11, 2));
}

}  // namespace paths
}  // namespace databus
