#include "cluster/names.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

namespace databus {
namespace {

constexpr size_t kDashedMinuteBytes = 16;  // "YYYY-MM-DD-HH-MM"
constexpr std::string_view kGzipSuffix = ".gz";
constexpr std::string_view kWorkerPrefix = "worker-";
constexpr std::string_view kStandbyInfix = "-standby-";
constexpr std::string_view kShareInfix = "-share-";
constexpr std::string_view kCollectorPrefix = "collector-";
constexpr std::string_view kPlainPunctuation = "._-/:+=@,";
constexpr std::string_view kHexDigits = "0123456789ABCDEF";

bool IsLetterOrDigit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool IsNameByte(char c) { return IsLetterOrDigit(c) || c == '.' || c == '_' || c == '-'; }

bool IsPlainByte(char c) {
  return IsLetterOrDigit(c) || kPlainPunctuation.find(c) != std::string_view::npos;
}

Status ValidateName(std::string_view what, std::string_view name) {
  const auto refuse = [&](std::string_view rule) {
    return Status(Code::kInvalid, fmt::format("{} name '{}': {}", what, EscapeWord(name), rule));
  };
  if (name.empty()) return refuse("is empty");
  if (name.size() > kNameBytesMax) {
    return refuse(
        fmt::format("is {} bytes long, at most {} are allowed", name.size(), kNameBytesMax));
  }
  if (name.front() == '.') return refuse("begins with '.'");
  if (!std::ranges::all_of(name, IsNameByte)) {
    return refuse("only letters, digits, '.', '_' and '-' are allowed");
  }
  return Status::Ok();
}

// "YYYY-MM-DD-HH-MM_NNNNN": what stands behind the stream's name, without suffix.
bool ParseMinuteAndSequence(std::string_view text, DataFileName& into) {
  if (text.size() < kDashedMinuteBytes + 2 || text[kDashedMinuteBytes] != '_') return false;
  const auto minute = Minute::ParseDashed(text.substr(0, kDashedMinuteBytes));
  if (!minute) return false;
  const std::string_view digits = text.substr(kDashedMinuteBytes + 1);
  const char* const end = digits.data() + digits.size();
  const auto [stopped_at, error] = std::from_chars(digits.data(), end, into.sequence);
  into.minute = *minute;
  return error == std::errc() && stopped_at == end;
}

}  // namespace

Status ValidateStreamName(std::string_view name) { return ValidateName("stream", name); }
Status ValidateCollectorName(std::string_view name) { return ValidateName("collector", name); }
Status ValidateClusterName(std::string_view name) { return ValidateName("cluster", name); }

std::string CollectorProcessName::ToString() const {
  return fmt::format("{}{}{}{}", kCollectorPrefix, collector, cluster.empty() ? "" : "@", cluster);
}

std::optional<CollectorProcessName> CollectorProcessName::Parse(std::string_view text) {
  if (!text.starts_with(kCollectorPrefix)) return std::nullopt;
  text.remove_prefix(kCollectorPrefix.size());
  const size_t at = text.find('@');
  const std::string_view cluster = at == text.npos ? "" : text.substr(at + 1);
  CollectorProcessName name{std::string(text.substr(0, at)), std::string(cluster)};
  if (!ValidateCollectorName(name.collector).ok()) return std::nullopt;
  if (at != text.npos && !ValidateClusterName(name.cluster).ok()) return std::nullopt;
  return name;
}

std::string WorkerProcessName(std::string_view cluster, WorkerPart part, std::string_view host,
                              int64_t pid) {
  const std::string leader = fmt::format("{}{}", kWorkerPrefix, cluster);
  if (part == WorkerPart::kLeads) return leader;
  return fmt::format("{}{}{}-{}", leader, part == WorkerPart::kShares ? kShareInfix : kStandbyInfix,
                     host, pid);
}

bool IsWorkerProcess(std::string_view name) { return name.starts_with(kWorkerPrefix); }

bool IsOfOneWorkerProcess(std::string_view cluster, std::string_view name) {
  const std::string leader = WorkerProcessName(cluster, WorkerPart::kLeads, "", 0);
  if (!name.starts_with(leader)) return false;
  name.remove_prefix(leader.size());
  return name.starts_with(kShareInfix) || name.starts_with(kStandbyInfix);
}

std::string DataFileName::ToString() const {
  return fmt::format("{}-{}_{:05}{}", stream, minute.ToDashed(), sequence,
                     gzip ? kGzipSuffix : std::string_view());
}

std::optional<DataFileName> DataFileName::Parse(std::string_view stream, std::string_view text) {
  if (stream.empty() || text.size() <= stream.size() || !text.starts_with(stream) ||
      text[stream.size()] != '-') {
    return std::nullopt;
  }
  text.remove_prefix(stream.size() + 1);
  DataFileName name;
  name.stream = stream;
  name.gzip = text.ends_with(kGzipSuffix);
  if (name.gzip) text.remove_suffix(kGzipSuffix.size());
  if (!ParseMinuteAndSequence(text, name)) return std::nullopt;
  return name;
}

std::optional<DataFileName> DataFileName::ParseAny(std::string_view text) {
  const size_t underscore = text.rfind('_');
  constexpr size_t kTailBytes = 1 + kDashedMinuteBytes;  // "-<minute>"
  if (underscore == std::string_view::npos || underscore <= kTailBytes) return std::nullopt;
  return Parse(text.substr(0, underscore - kTailBytes), text);
}

std::string PublishedFileName::ToString() const { return collector + "-" + data.ToString(); }

std::string NameOncePublished(const std::string& collector, const std::string& data_name) {
  auto data = DataFileName::ParseAny(data_name);
  if (!data) return collector + "-" + data_name;
  data->gzip = true;
  return PublishedFileName{collector, *std::move(data)}.ToString();
}

std::optional<PublishedFileName> PublishedFileName::Parse(std::string_view stream,
                                                          std::string_view text) {
  // The sequence has no '_', so the last one marks where the minute ends; from there to the left
  // everything has a known length.
  const size_t underscore = text.rfind('_');
  const size_t tail_bytes = 1 + stream.size() + 1 + kDashedMinuteBytes;  // "-<stream>-<minute>"
  if (underscore == std::string_view::npos || underscore <= tail_bytes) return std::nullopt;
  const size_t dash = underscore - tail_bytes;
  const std::string_view collector = text.substr(0, dash);
  if (text[dash] != '-' || collector.front() == '.' ||
      !std::ranges::all_of(collector, IsNameByte)) {
    return std::nullopt;
  }
  auto data = DataFileName::Parse(stream, text.substr(dash + 1));
  if (!data || !data->gzip) return std::nullopt;
  return PublishedFileName{std::string(collector), std::move(*data)};
}

bool IsIgnoredDataName(std::string_view name) {
  constexpr std::string_view kScribeStats = "scribe_stats";
  if (name.starts_with('.') || name.starts_with('_') || name.ends_with("_current")) return true;
  return std::ranges::equal(name, kScribeStats, [](char a, char b) {
    return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b;
  });
}

std::string EscapeWord(std::string_view bytes) {
  std::string word;
  word.reserve(bytes.size());
  for (const char c : bytes) {
    if (IsPlainByte(c)) {
      word += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      word += '%';
      word += kHexDigits[byte >> 4];
      word += kHexDigits[byte & 15];
    }
  }
  return word;
}

std::optional<std::string> UnescapeWord(std::string_view word) {
  std::string bytes;
  bytes.reserve(word.size());
  for (size_t i = 0; i < word.size(); ++i) {
    if (IsPlainByte(word[i])) {
      bytes += word[i];
      continue;
    }
    if (word[i] != '%' || word.size() - i < 3) return std::nullopt;
    const size_t high = kHexDigits.find(word[++i]);
    const size_t low = kHexDigits.find(word[++i]);
    if (high == std::string_view::npos || low == std::string_view::npos) return std::nullopt;
    const auto byte = static_cast<char>(high << 4 | low);
    // One spelling for each word: EscapeWord never writes an escaped plain byte.
    if (IsPlainByte(byte)) return std::nullopt;
    bytes += byte;
  }
  return bytes;
}

}  // namespace databus
