#include "sim/checker.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/crc32c.h"
#include "sim/reader.h"

namespace databus::sim {
namespace {

// P13: a clock may be wrong by two minutes; one more, since it may be set while a commit is made.
constexpr std::chrono::minutes kAheadMax{3};

// system/tmp/<view>/<group>/<epoch>/...
struct StagingPlace {
  std::string view;
  std::string group;
  uint64_t epoch = 0;
};

std::optional<StagingPlace> ParseStagingPlace(std::string_view path) {
  const std::string root = paths::Tmp() + "/";
  if (!path.starts_with(root)) return std::nullopt;
  std::vector<std::string_view> parts;
  path.remove_prefix(root.size());
  while (true) {
    const size_t slash = path.find('/');
    parts.push_back(path.substr(0, slash));
    if (slash == std::string_view::npos) break;
    path.remove_prefix(slash + 1);
  }
  if (parts.size() < 4 || !ParseViewName(parts[0])) return std::nullopt;
  const auto name = paths::ParseStagingName(parts[2]);
  if (!name || name->fenced) return std::nullopt;
  return StagingPlace{std::string(parts[0]), std::string(parts[1]), name->epoch};
}

bool IsWithin(std::string_view path, std::string_view directory) {
  return path.size() > directory.size() && path.starts_with(directory) &&
         path[directory.size()] == '/';
}

}  // namespace

Checker::Checker(const Topology& topology, const Trees& trees, const Clock& clock,
                 std::function<void(Violation)> tell)
    : topology_(topology), trees_(trees), clock_(clock), tell_(std::move(tell)) {}

std::string Checker::ReadFile(const std::string& cluster, const std::string& path) const {
  const Result<std::string> bytes = trees_.at(cluster)->ReadFile(path);
  return bytes.ok() ? *bytes : std::string();
}

bool Checker::IsBelow(const std::string& cluster, const std::string& directory,
                      const std::string& but, uint64_t message) {
  const auto entries = trees_.at(cluster)->List(directory);
  if (!entries.ok()) return false;
  for (const DirEntry& entry : *entries) {
    const std::string path = paths::Join(directory, entry.name);
    if (path == but) continue;
    if (entry.info.kind == NodeKind::kDirectory) {
      if (IsBelow(cluster, path, but, message)) return true;
      continue;
    }
    const auto& keys = reader_.Read(ReadFile(cluster, path)).keys;
    if (std::ranges::count(keys, message) > 0) return true;
  }
  return false;
}

void Checker::Fail(const std::string& promise, std::string what, const std::string& path) {
  if (std::exchange(told_, true)) return;
  tell_({promise, std::move(what), path});
}

void Checker::Sent(MessageId id, const std::string& cluster, const std::string& stream) {
  sent_[id.key()] = {cluster, stream, Fate::kUnknown};
}

void Checker::Acknowledged(MessageId id) {
  sent_[id.key()].fate = Fate::kAcknowledged;
  due_.push_back(id.key());
}

void Checker::Refused(MessageId id) {
  Message& message = sent_[id.key()];
  message.fate = Fate::kRefused;
  if (Visible(message.cluster, View::kLocal, message.stream, id.key())) {
    Fail("G1", fmt::format("{} was refused and is kept", MessageText(id)), "");
  }
}

bool Checker::Visible(const std::string& cluster, View view, const std::string& stream,
                      uint64_t message) const {
  const auto seen = seen_.find({cluster, view, stream});
  return seen != seen_.end() && seen->second.messages.contains(message);
}

void Checker::OnRename(const std::string& cluster, const std::string& from, const std::string& to) {
  ++checks_;
  if (const auto gone = paths::ParseMinutePath(from)) CheckPurged(cluster, *gone, from);
  CheckHourPurged(cluster, from, to);
  const auto at = paths::ParseMinutePath(to);
  if (!at) return;
  CheckPublisher(cluster, *at, from);
  if (at->file.empty()) {
    OnMinuteAppears(cluster, *at, to);
  } else {
    OnFileAppears(cluster, *at, to);
  }
}

void Checker::OnMakeDir(const std::string& cluster, const std::string& path) {
  ++checks_;
  if (paths::ParseMinutePath(path)) {
    Fail("G8", fmt::format("{}: a minute was made in place, not in staging (P14)", cluster), path);
  }
}

void Checker::OnCreate(const std::string& cluster, const std::string& path) {
  ++checks_;
  if (paths::ParseMinutePath(path)) {
    Fail("G8", fmt::format("{}: a file was written in place, not in staging", cluster), path);
  }
}

// G8: only the newest epoch that has published may publish.
void Checker::CheckPublisher(const std::string& cluster, const paths::MinutePath& at,
                             const std::string& from) {
  const auto staging = ParseStagingPlace(from);
  if (!staging || staging->view != ViewName(at.view)) {
    return Fail(
        "G8", fmt::format("{}: published from {}, which is no staging of the view", cluster, from),
        from);
  }
  uint64_t& newest = epochs_[{cluster, staging->view, staging->group}];
  if (staging->epoch < newest) {
    Fail("G8",
         fmt::format("{}: epoch {} publishes after epoch {}", cluster, staging->epoch, newest),
         from);
  }
  newest = std::max(newest, staging->epoch);
}

void Checker::OnMinuteAppears(const std::string& cluster, const paths::MinutePath& at,
                              const std::string& path) {
  if (at.minute.Start() > clock_.Wall() + kAheadMax) {
    return Fail("P13", cluster + ": a minute of the future appears", path);
  }
  Seen& seen = seen_[{cluster, at.view, at.stream}];
  if (!seen.minutes.empty()) {
    const Minute newest = seen.minutes.rbegin()->first;
    if (at.minute <= newest) {
      return Fail("G4", fmt::format("{}: minute appears after {}", cluster, newest.ToIso()), path);
    }
    if (at.minute - newest != 1) {
      return Fail("G5", fmt::format("{}: minute appears right after {}", cluster, newest.ToIso()),
                  path);
    }
    if (at.view == View::kMerged) CheckMirrorIsComplete(cluster, at);
  }
  seen.minutes[at.minute];
  // Empty, unless it comes back after a power cut.
  const auto files = trees_.at(cluster)->List(path);
  for (const DirEntry& entry : files.ok() ? *files : std::vector<DirEntry>()) {
    paths::MinutePath file = at;
    file.file = entry.name;
    OnFileAppears(cluster, file, paths::Join(path, entry.name));
  }
}

void Checker::OnFileAppears(const std::string& cluster, const paths::MinutePath& at,
                            const std::string& path) {
  Seen& seen = seen_[{cluster, at.view, at.stream}];
  const std::string bytes = ReadFile(cluster, path);
  const uint64_t digest = (uint64_t{Crc32c(bytes)} << 32) | (bytes.size() & 0xffffffff);
  const auto minute = seen.minutes.find(at.minute);
  if (minute == seen.minutes.end()) {
    return Fail("G5", fmt::format("{}: a file in a minute that never appeared", cluster), path);
  }
  if (minute->first != seen.minutes.rbegin()->first) {
    return Fail("G4",
                fmt::format("{}: a closed minute gets a file; the newest is {}", cluster,
                            seen.minutes.rbegin()->first.ToIso()),
                path);
  }
  if (!minute->second.files.emplace(at.file, digest).second) {
    return Fail("G4", fmt::format("{}: the file appears again", cluster), path);
  }
  const MessageReader::Content& content = reader_.Read(bytes);
  if (!content.damage.empty()) return Fail("G2", cluster + ": " + content.damage, path);
  for (const uint64_t key : content.keys) {
    const auto message = sent_.find(key);
    const auto fail = [&](const char* promise, std::string_view what) {
      Fail(promise, fmt::format("{}: {} {}", cluster, MessageText(key), what), path);
    };
    if (message == sent_.end() || message->second.stream != at.stream) {
      return fail("G2", "was not sent to this stream");
    }
    if (message->second.fate == Fate::kRefused) return fail("G1", "was refused and is kept");
    if (!seen.messages.emplace(key, at.minute).second) return fail("G3", "appears twice");
  }
  if (at.view == View::kMerged) CheckMirrorFile(cluster, at, digest, path);
}

// G6: what is on a mirror is on the primary, at the same path, with the same bytes.
void Checker::CheckMirrorFile(const std::string& mirror, const paths::MinutePath& at,
                              uint64_t digest, const std::string& path) {
  const StreamSpec* const stream = topology_.FindStream(at.stream);
  if (stream == nullptr || stream->Primary() == mirror) return;
  const Seen& primary = seen_[{stream->Primary(), View::kMerged, at.stream}];
  const auto minute = primary.minutes.find(at.minute);
  const bool equal = minute != primary.minutes.end() && minute->second.files.contains(at.file) &&
                     minute->second.files.at(at.file) == digest;
  if (!equal) Fail("G6", fmt::format("{}: not so on {}", mirror, stream->Primary()), path);
}

// G6: a mirror begins a minute when it has all of the one before, which the primary has closed.
void Checker::CheckMirrorIsComplete(const std::string& mirror, const paths::MinutePath& at) {
  const StreamSpec* const stream = topology_.FindStream(at.stream);
  if (stream == nullptr || stream->Primary() == mirror) return;
  const Seen& primary = seen_[{stream->Primary(), View::kMerged, at.stream}];
  const Minute before = at.minute + -1;
  const auto theirs = primary.minutes.find(before);
  if (theirs == primary.minutes.end()) return;  // purged
  const auto& ours = seen_[{mirror, View::kMerged, at.stream}].minutes.at(before).files;
  if (primary.minutes.rbegin()->first <= before || ours != theirs->second.files) {
    Fail("G6",
         fmt::format("{}: minute {} begins, and {} has {} of {} files of {}", mirror,
                     at.minute.ToIso(), before.ToIso(), ours.size(), theirs->second.files.size(),
                     stream->Primary()),
         paths::MinuteDir(at.view, at.stream, at.minute));
  }
}

// G9: what leaves the local stream has been merged and mirrored; what leaves the primary has been
// mirrored.
void Checker::CheckPurged(const std::string& cluster, const paths::MinutePath& at,
                          const std::string& path) {
  Seen& seen = seen_[{cluster, at.view, at.stream}];
  if (at.file.empty()) {
    if (!seen.minutes.empty() && seen.minutes.begin()->first != at.minute) {
      Fail("G5", fmt::format("{}: a minute goes before an older one", cluster), path);
    }
    seen.minutes.erase(at.minute);
    return;
  }
  const auto minute = seen.minutes.find(at.minute);
  if (minute == seen.minutes.end() || minute->second.files.erase(at.file) == 0) return;
  if (!seen.minutes.empty() && seen.minutes.rbegin()->first == at.minute) {
    return Fail("G4", fmt::format("{}: a file leaves the open minute", cluster), path);
  }
  const StreamSpec* const stream = topology_.FindStream(at.stream);
  if (stream == nullptr) return;
  for (const uint64_t key : reader_.Read(ReadFile(cluster, path)).keys) {
    for (const DestinationSpec& to : stream->destinations) {
      if (Visible(to.cluster, View::kMerged, at.stream, key)) continue;
      return Fail(
          "G9",
          fmt::format("{}: {} goes and is not on {} yet", cluster, MessageText(key), to.cluster),
          path);
    }
  }
}

// A purge takes a whole hour out by one rename. A mirror's own copy is nobody's source.
void Checker::CheckHourPurged(const std::string& cluster, const std::string& from,
                              const std::string& to) {
  const auto hour = paths::ParseMinutePath(paths::Join(from, "00"));
  if (!hour || !hour->file.empty()) return;
  const auto minutes = trees_.at(cluster)->List(to);
  if (!minutes.ok()) return;
  const StreamSpec* const stream = topology_.FindStream(hour->stream);
  const bool copy =
      hour->view == View::kMerged && stream != nullptr && stream->Primary() != cluster;
  for (const DirEntry& minute : *minutes) {
    const auto at = paths::ParseMinutePath(paths::Join(from, minute.name));
    if (!at) continue;
    const std::string directory = paths::Join(to, minute.name);
    const auto files = trees_.at(cluster)->List(directory);
    for (const DirEntry& entry : files.ok() && !copy ? *files : std::vector<DirEntry>()) {
      paths::MinutePath file = *at;
      file.file = entry.name;
      CheckPurged(cluster, file, paths::Join(directory, entry.name));
    }
    CheckPurged(cluster, *at, directory);
  }
}

void Checker::OnRemove(const std::string& cluster, const std::string& path) {
  ++checks_;
  if (const auto gone = paths::ParseMinutePath(path)) return CheckPurged(cluster, *gone, path);
  CheckDiscarded(cluster, path);
}

// What was visible was never promised to last: whoever made the rename had no answer yet.
void Checker::OnUndone(const std::string& cluster, const std::string& from, const std::string& to) {
  const auto at = paths::ParseMinutePath(to);
  if (!at) return;
  Seen& seen = seen_[{cluster, at->view, at->stream}];
  if (at->file.empty()) {
    seen.minutes.erase(at->minute);
    std::erase_if(seen.messages, [&](const auto& one) { return one.second == at->minute; });
    return;
  }
  const auto minute = seen.minutes.find(at->minute);
  if (minute != seen.minutes.end()) minute->second.files.erase(at->file);
  for (const uint64_t key : reader_.Read(ReadFile(cluster, from)).keys) seen.messages.erase(key);
}

// G7: a claimed or staged file, or a queue entry, goes when what it stands for is where it belongs.
void Checker::CheckDiscarded(const std::string& cluster, const std::string& path) {
  const std::string local = paths::Tmp() + "/" + std::string(ViewName(View::kLocal));
  if (IsWithin(path, paths::Data()) || IsWithin(path, local)) {
    for (const uint64_t key : reader_.Read(ReadFile(cluster, path)).keys) {
      const auto message = sent_.find(key);
      if (message == sent_.end()) continue;
      if (Visible(cluster, View::kLocal, message->second.stream, key)) continue;
      if (IsBelow(cluster, paths::Data(), path, key)) continue;
      if (IsBelow(cluster, paths::Tmp(), path, key)) continue;
      return Fail(
          "G7", fmt::format("{}: the only copy of {} is removed", cluster, MessageText(key)), path);
    }
    return;
  }
  const std::string name(paths::BaseName(path));
  const std::string to(paths::BaseName(paths::Parent(path)));
  const bool merge = path == paths::Join(paths::Consumers(to), name);
  const bool mirror = path == paths::Join(paths::Mirrors(to), name);
  if (!merge && !mirror) return;
  std::string_view lines;
  const std::string bytes = ReadFile(cluster, path);
  for (lines = bytes; !lines.empty();) {
    const size_t end = std::min(lines.find('\n'), lines.size());
    const auto at = paths::ParseQueueLine(lines.substr(0, end));
    lines.remove_prefix(std::min(end + 1, lines.size()));
    if (!at || at->file.empty()) continue;
    const Seen& source = seen_[{cluster, at->view, at->stream}];
    const Seen& there = seen_[{to, View::kMerged, at->stream}];
    const auto minute = source.minutes.find(at->minute);
    if (minute == source.minutes.end() || !minute->second.files.contains(at->file)) continue;
    const std::string file = paths::MinuteFile(at->view, at->stream, at->minute, at->file);
    for (const uint64_t key : reader_.Read(ReadFile(cluster, file)).keys) {
      if (there.messages.contains(key)) continue;
      return Fail("G7",
                  fmt::format("{}: a queue entry goes before {} is on {}", cluster, at->file, to),
                  path);
    }
  }
}

std::optional<std::string> Checker::Missing() {
  for (; !due_.empty(); due_.pop_back()) {
    if (damaged_.contains(due_.back())) continue;
    if (auto where = MissingIn(due_.back())) return where;
  }
  return std::nullopt;
}

std::optional<std::string> Checker::MissingIn(uint64_t key) const {
  const Message& message = sent_.at(key);
  const auto tell = [&](const std::string& cluster, View view) {
    return fmt::format("{} of {} from {} is not in {} of {}", MessageText(key), message.stream,
                       message.cluster, paths::ViewRoot(view), cluster);
  };
  if (!Visible(message.cluster, View::kLocal, message.stream, key)) {
    return tell(message.cluster, View::kLocal);
  }
  for (const DestinationSpec& to : topology_.FindStream(message.stream)->destinations) {
    if (!Visible(to.cluster, View::kMerged, message.stream, key)) {
      return tell(to.cluster, View::kMerged);
    }
  }
  return std::nullopt;
}

std::optional<std::string> Checker::Unread(const StreamReader& reader) const {
  const StreamReader::Options& what = reader.options();
  const auto seen = seen_.find({what.cluster, what.view, what.stream});
  if (seen == seen_.end() || !reader.position() || reader.fell_behind()) return std::nullopt;
  for (const auto& [key, minute] : seen->second.messages) {
    if (minute < *reader.first() || minute >= *reader.position() || reader.HasRead(key)) continue;
    return fmt::format("{} is in {} of {}, and a reader that is at {} has not read it",
                       MessageText(key), paths::MinuteDir(what.view, what.stream, minute),
                       what.cluster, reader.position()->ToIso());
  }
  return std::nullopt;
}

// An entry in one of the queues below `queues` that is older.
std::optional<std::string> Checker::OldEntry(const std::string& cluster, const std::string& queues,
                                             WallTime before) const {
  MemoryStorage& tree = *trees_.at(cluster);
  const auto names = tree.List(queues);
  if (!names.ok()) return std::nullopt;
  for (const DirEntry& queue : *names) {
    const std::string directory = paths::Join(queues, queue.name);
    const auto entries = tree.List(directory);
    if (!entries.ok()) continue;
    for (const DirEntry& entry : *entries) {
      if (entry.info.modified < before) return paths::Join(directory, entry.name);
    }
  }
  return std::nullopt;
}

std::optional<std::string> Checker::Unfinished(WallTime healed) const {
  const std::string queues[] = {std::string(paths::Parent(paths::Consumers("c"))),
                                std::string(paths::Parent(paths::Mirrors("c"))),
                                paths::SealedRoot()};
  for (const auto& [cluster, tree] : trees_) {
    for (const std::string& below : queues) {
      if (const auto entry = OldEntry(cluster, below, healed)) {
        return fmt::format("{} of {} is not cleaned up", *entry, cluster);
      }
    }
  }
  for (const auto& [key, seen] : seen_) {
    const auto& [cluster, view, stream] = key;
    if (seen.minutes.empty() || seen.minutes.rbegin()->first >= Minute::Of(healed) + 2) continue;
    return fmt::format("{} of {} stands still at {}", paths::Stream(view, stream), cluster,
                       seen.minutes.rbegin()->first.ToIso());
  }
  return std::nullopt;
}

}  // namespace databus::sim
