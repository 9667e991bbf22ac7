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

// Built once: they are asked of every rename.
const std::string& TopologyRoot() {
  static const std::string root = paths::TopologyRoot();
  return root;
}
const std::string& ErasRoot() {
  static const std::string root = paths::Eras();
  return root;
}
const std::string& FailoverRoot() {
  static const std::string root = paths::FailoverRoot();
  return root;
}

bool IsWithin(std::string_view path, std::string_view directory) {
  return path.size() > directory.size() && path.starts_with(directory) &&
         path[directory.size()] == '/';
}

uint64_t DigestOf(const std::string& bytes) {
  return (uint64_t{Crc32c(bytes)} << 32) | (bytes.size() & 0xffffffff);
}

}  // namespace

Checker::Checker(const Topology& topology, const Trees& trees, const Clock& clock, Tell tell)
    : history_(topology), trees_(trees), clock_(clock), tell_(std::move(tell)) {}

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
  tell_.violation({promise, std::move(what), path});
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
  if (VisibleAnywhere(View::kLocal, message.stream, id.key())) {
    Fail("G1", fmt::format("{} was refused and is kept", MessageText(id)), "");
  }
}

bool Checker::Visible(const std::string& cluster, View view, const std::string& stream,
                      uint64_t message) const {
  const auto seen = seen_.find({cluster, view, stream});
  return seen != seen_.end() && seen->second.messages.contains(message);
}

// In the merged stream there, now or until it was too old to be kept.
bool Checker::WasVisible(const std::string& cluster, const std::string& stream,
                         uint64_t message) const {
  const auto seen = seen_.find({cluster, View::kMerged, stream});
  return seen != seen_.end() &&
         (seen->second.messages.contains(message) || seen->second.too_old.contains(message));
}

// Collectors that redirect deliver at another cluster than their own.
bool Checker::VisibleAnywhere(View view, const std::string& stream, uint64_t message) const {
  return std::ranges::any_of(
      trees_, [&](const auto& tree) { return Visible(tree.first, view, stream, message); });
}

void Checker::OnRename(const std::string& cluster, const std::string& from, const std::string& to) {
  ++checks_;
  if (const auto gone = paths::ParseMinutePath(from)) {
    gone->view == View::kMerged ? CheckTaken(cluster, *gone, from, to)
                                : CheckPurged(cluster, *gone, from);
  }
  CheckHourPurged(cluster, from, to);
  if (IsWithin(to, TopologyRoot())) OnEpoch(ReadFile(cluster, to), to);
  if (IsWithin(to, ErasRoot())) history_.OnEras(cluster, ReadFile(cluster, to));
  if (IsWithin(to, FailoverRoot())) OnJournal(ReadFile(cluster, to), to);
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

void Checker::OnEpoch(std::string text, const std::string& path) {
  const failover::Journal* const swapped = history_.SwapOf(text);
  history_.OnStored(std::move(text));
  if (swapped != nullptr) CheckSwap(*swapped, path);
}

void Checker::OnJournal(std::string_view text, const std::string& path) {
  if (const auto* const journal = history_.OnJournal(text)) CheckStep(*journal, path);
  if (!history_.unequal().empty()) Fail("G2", "a failover has ended: " + history_.unequal(), path);
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
  const uint64_t digest = DigestOf(bytes);
  const auto minute = seen.minutes.find(at.minute);
  if (minute == seen.minutes.end()) {
    return Fail("G5", fmt::format("{}: a file in a minute that never appeared", cluster), path);
  }
  const bool closed = minute->first != seen.minutes.rbegin()->first;
  if (closed && (at.view == View::kLocal || !history_.MayDiverge(cluster, at.stream))) {
    return Fail("G4",
                fmt::format("{}: a closed minute gets a file; the newest is {}", cluster,
                            seen.minutes.rbegin()->first.ToIso()),
                path);
  }
  minute->second.differs = false;
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
    if (at.view == View::kMerged) message->second.was_merged = true;
  }
  if (closed) tell_.put_right(cluster, at.stream, at.minute);
  if (at.view == View::kLocal) return;
  // A copy of what another cluster shows there: a commit that was begun before the cut.
  if (!AnotherHasFile(cluster, at, digest)) CheckNotAlone(cluster, at, path);
  CheckMirrorFile(cluster, at, digest, path);
}

bool Checker::HasFile(const std::string& cluster, const paths::MinutePath& at,
                      uint64_t digest) const {
  const auto seen = seen_.find({cluster, View::kMerged, at.stream});
  if (seen == seen_.end()) return false;
  const auto minute = seen->second.minutes.find(at.minute);
  if (minute == seen->second.minutes.end()) return false;
  const auto file = minute->second.files.find(at.file);
  return file != minute->second.files.end() && file->second == digest;
}

bool Checker::AnotherHasFile(const std::string& but, const paths::MinutePath& at,
                             uint64_t digest) const {
  return std::ranges::any_of(trees_, [&](const auto& tree) {
    return tree.first != but && HasFile(tree.first, at, digest);
  });
}

// P28: who is cut off from a majority publishes nothing of a stream that is to wait then.
void Checker::CheckNotAlone(const std::string& cluster, const paths::MinutePath& at,
                            const std::string& path) {
  const StreamSpec* const stream = history_.Find(at.stream);
  if (stream == nullptr || stream->when_alone == WhenAlone::kContinue) return;
  if (history_.IsConfirmedAlone(cluster) || !tell_.is_alone(cluster)) return;
  Fail("P28", fmt::format("{}: publishes, and has read no majority for long", cluster), path);
}

// P13: a primary publishes nothing of its own into the minutes of the one before.
void Checker::CheckOwnFile(const std::string& primary, const paths::MinutePath& at, uint64_t digest,
                           const std::string& path) {
  const StreamSpec& stream = *history_.Find(at.stream);
  if (!stream.cut || at.minute > *stream.cut || AnotherHasFile(primary, at, digest)) return;
  if (history_.InConflict() || history_.MayDiverge(primary, at.stream)) return;
  Fail("P13", fmt::format("{}: publishes into a minute of the primary before it", primary), path);
}

// G6: what is on a mirror is on the primary, at the same path, with the same bytes. A cluster that
// has not been compared since its primary was changed by force may obey the one before, or have
// been it.
void Checker::CheckMirrorFile(const std::string& mirror, const paths::MinutePath& at,
                              uint64_t digest, const std::string& path) {
  const StreamSpec* const stream = history_.Find(at.stream);
  if (stream == nullptr) return;
  if (stream->Primary() == mirror) return CheckOwnFile(mirror, at, digest, path);
  if (HasFile(stream->Primary(), at, digest)) return;
  if (history_.MayDiverge(mirror, at.stream) &&
      (history_.WasPrimary(mirror, at.stream) || AnotherHasFile(mirror, at, digest))) {
    return;
  }
  Fail("G6", fmt::format("{}: not so on {}", mirror, stream->Primary()), path);
}

std::string Checker::WhyIncomplete(const std::string& mirror, const std::string& primary,
                                   const paths::MinutePath& at) {
  const Seen& there = seen_[{primary, View::kMerged, at.stream}];
  const Minute before = at.minute + -1;
  const auto theirs = there.minutes.find(before);
  if (theirs == there.minutes.end()) return "";  // purged
  const auto& ours = seen_[{mirror, View::kMerged, at.stream}].minutes.at(before).files;
  if (there.minutes.rbegin()->first > before && ours == theirs->second.files) return "";
  return fmt::format("{}: minute {} begins, and {} has {} of {} files of {}", mirror,
                     at.minute.ToIso(), before.ToIso(), ours.size(), theirs->second.files.size(),
                     primary);
}

// G6: a mirror begins a minute when it has all of the one before, which the primary has closed.
void Checker::CheckMirrorIsComplete(const std::string& mirror, const paths::MinutePath& at) {
  const StreamSpec* const stream = history_.Find(at.stream);
  if (stream == nullptr || stream->Primary() == mirror) return;
  std::string why = WhyIncomplete(mirror, stream->Primary(), at);
  if (why.empty()) return;
  if (history_.MayDiverge(mirror, at.stream)) {
    if (history_.WasPrimary(mirror, at.stream)) return;
    for (const auto& [other, tree] : trees_) {
      const bool was = other != mirror && history_.WasPrimary(other, at.stream);
      if (was && WhyIncomplete(mirror, other, at).empty()) return;
    }
  }
  Fail("G6", std::move(why), paths::MinuteDir(at.view, at.stream, at.minute));
}

bool Checker::AnotherBeginsAfter(const std::string& but, const paths::MinutePath& at) const {
  return std::ranges::any_of(trees_, [&](const auto& tree) {
    const auto seen = seen_.find({tree.first, View::kMerged, at.stream});
    if (tree.first == but || seen == seen_.end() || seen->second.minutes.empty()) return false;
    return at.minute < seen->second.minutes.begin()->first;
  });
}

// Whether all that a cluster has of a stream, up to this minute, is as at the primary, which has
// closed it. It is not where something is lacking before it: that has to come first (G5).
bool Checker::IsEqualUpTo(const std::string& cluster, const std::string& primary,
                          const paths::MinutePath& at) {
  const Seen& there = seen_[{primary, View::kMerged, at.stream}];
  const Seen& here = seen_[{cluster, View::kMerged, at.stream}];
  if (there.minutes.empty() || there.minutes.rbegin()->first <= at.minute) return false;
  const Minute first = here.minutes.begin()->first;
  const auto kept = here.purged ? there.minutes.upper_bound(*here.purged) : there.minutes.begin();
  if (kept != there.minutes.end() && kept->first < first) return false;
  return std::all_of(here.minutes.begin(), here.minutes.upper_bound(at.minute),
                     [&](const auto& minute) {
                       const auto theirs = there.minutes.find(minute.first);
                       if (theirs == there.minutes.end())
                         return there.purged && minute.first <= *there.purged;
                       return theirs->second.files == minute.second.files;
                     });
}

// P32: what a cluster has of a stream after the last minute that is as at its primary is set aside,
// the newest first. What was visible there may become visible again.
void Checker::CheckTaken(const std::string& cluster, const paths::MinutePath& at,
                         const std::string& from, const std::string& to) {
  if (!ParseStagingPlace(to)) return CheckPurged(cluster, at, from);
  const StreamSpec* const stream = history_.Find(at.stream);
  // Which side is right is not known before one is chosen. And who has just been made the primary
  // may be a mirror still, which is compared with the one before, until it obeys.
  const bool is_mirror = stream != nullptr && stream->Primary() != cluster;
  const bool may = is_mirror || history_.InConflict() || !history_.HasBegun(cluster, at.stream);
  if (stream == nullptr || !may || !history_.MayDiverge(cluster, at.stream)) {
    return Fail("G4", fmt::format("{}: is taken out of the view", cluster), from);
  }
  Seen& seen = seen_[{cluster, at.view, at.stream}];
  const auto minute = seen.minutes.find(at.minute);
  if (minute == seen.minutes.end()) return;
  if (at.file.empty()) {
    const bool is_newest = minute == std::prev(seen.minutes.end());
    // Before what is right there is perhaps more, which the primary never had; the one that this
    // cluster obeys.
    const bool leads = minute == seen.minutes.begin() && AnotherBeginsAfter(cluster, at);
    if (!minute->second.files.empty() || !(is_newest || leads)) {
      return Fail("G4",
                  fmt::format("{}: a minute is set aside, and is not the newest, empty", cluster),
                  from);
    }
    seen.minutes.erase(minute);
    // The one before is the open one again.
    if (is_newest) tell_.put_right(cluster, at.stream, at.minute + -1);
    return;
  }
  const auto file = minute->second.files.find(at.file);
  if (file == minute->second.files.end()) return;
  // A minute that differs goes as a whole: what is left of it on the way may be as there.
  if (!minute->second.differs && is_mirror && !history_.InConflict() &&
      IsEqualUpTo(cluster, stream->Primary(), at)) {
    return Fail("G4",
                fmt::format("{}: is set aside, though all is as at {}", cluster, stream->Primary()),
                from);
  }
  minute->second.differs = true;
  minute->second.files.erase(file);
  for (const uint64_t key : reader_.Read(ReadFile(cluster, to)).keys) {
    seen.messages.erase(key);
    if (sent_.at(key).fate == Fate::kAcknowledged) due_.push_back(key);
  }
  tell_.put_right(cluster, at.stream, at.minute);
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
    seen.purged = at.minute;
    return;
  }
  const auto minute = seen.minutes.find(at.minute);
  if (minute == seen.minutes.end() || minute->second.files.erase(at.file) == 0) return;
  if (!seen.minutes.empty() && seen.minutes.rbegin()->first == at.minute) {
    return Fail("G4", fmt::format("{}: a file leaves the open minute", cluster), path);
  }
  const StreamSpec* const stream = history_.Find(at.stream);
  if (stream == nullptr) return;
  for (const uint64_t key : reader_.Read(ReadFile(cluster, path)).keys) {
    for (const DestinationSpec& to : stream->destinations) {
      if (WasVisible(to.cluster, at.stream, key)) continue;
      return Fail(
          "G9",
          fmt::format("{}: {} goes and is not on {} yet", cluster, MessageText(key), to.cluster),
          path);
    }
  }
}

// P32: what was visible where another cluster is the primary by now may become visible again, also
// when it was too old to be kept before it could be set aside.
void Checker::ForgetMinute(const std::string& cluster, const paths::MinutePath& at) {
  Seen& seen = seen_[{cluster, at.view, at.stream}];
  std::erase_if(seen.messages, [&](const auto& one) {
    if (one.second == at.minute) seen.too_old.insert(one.first);
    return one.second == at.minute;
  });
}

// A purge takes a whole hour out by one rename. A mirror's own copy is nobody's source.
void Checker::CheckHourPurged(const std::string& cluster, const std::string& from,
                              const std::string& to) {
  const auto hour = paths::ParseMinutePath(paths::Join(from, "00"));
  if (!hour || !hour->file.empty()) return;
  const auto minutes = trees_.at(cluster)->List(to);
  if (!minutes.ok()) return;
  const StreamSpec* const stream = history_.Find(hour->stream);
  const bool copy =
      hour->view == View::kMerged && stream != nullptr && stream->Primary() != cluster;
  for (const DirEntry& minute : *minutes) {
    const auto at = paths::ParseMinutePath(paths::Join(from, minute.name));
    if (!at) continue;
    if (hour->view == View::kMerged && history_.MayDiverge(cluster, hour->stream)) {
      ForgetMinute(cluster, *at);
    }
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
  if (const auto back = paths::ParseMinutePath(from)) OnReturned(cluster, *back, from);
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

// What was taken out of a view is there again.
void Checker::OnReturned(const std::string& cluster, const paths::MinutePath& at,
                         const std::string& path) {
  Seen& seen = seen_[{cluster, at.view, at.stream}];
  SeenMinute& minute = seen.minutes[at.minute];
  if (at.file.empty()) return;
  const std::string bytes = ReadFile(cluster, path);
  minute.files[at.file] = DigestOf(bytes);
  for (const uint64_t key : reader_.Read(bytes).keys) seen.messages[key] = at.minute;
}

// G7: a claimed or staged file, or a queue entry, goes when what it stands for is where it belongs.
void Checker::CheckDiscarded(const std::string& cluster, const std::string& path) {
  const std::string local = paths::Tmp() + "/" + std::string(ViewName(View::kLocal));
  if (IsWithin(path, paths::Data()) || IsWithin(path, local)) {
    for (const uint64_t key : reader_.Read(ReadFile(cluster, path)).keys) {
      const auto message = sent_.find(key);
      // Of a claim that was damaged the record vouched, and it may be undone by a power cut.
      if (message == sent_.end() || damaged_.contains(key)) continue;
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
    const std::string_view line = lines.substr(0, end);
    const auto at = paths::ParseQueueLine(line);
    lines.remove_prefix(std::min(end + 1, lines.size()));
    if (!at || at->file.empty()) continue;
    const Seen& source = seen_[{cluster, at->view, at->stream}];
    const Seen& there = seen_[{to, View::kMerged, at->stream}];
    const auto minute = source.minutes.find(at->minute);
    if (minute == source.minutes.end() || !minute->second.files.contains(at->file)) continue;
    const std::string file = paths::MinuteFile(at->view, at->stream, at->minute, at->file);
    for (const uint64_t key : reader_.Read(ReadFile(cluster, file)).keys) {
      if (there.messages.contains(key) || damaged_.contains(key)) continue;
      if (merge && IsMergedSomewhere(at->stream, key)) continue;
      if (IsQueued(cluster, line, path)) break;
      // A hint: what is there is compared with all that is here.
      if (mirror && (history_.MayDiverge(to, at->stream) || IsNobodysHint(cluster, to, *at))) break;
      return Fail("G7",
                  fmt::format("{}: a queue entry goes before {} is on {}", cluster, at->file, to),
                  path);
    }
  }
}

// A line that was moved to the primary of another epoch may be dealt with there before the one that
// it was moved from is gone; in a conflict there are several. That one may go when the conflict is
// settled already, by a call that takes long: what is where it was dealt with is salvaged then.
bool Checker::IsMergedSomewhere(const std::string& stream, uint64_t key) const {
  const StreamSpec* const spec = history_.Find(stream);
  return std::ranges::any_of(trees_, [&](const auto& tree) {
    const bool is_primary = spec != nullptr && spec->Primary() == tree.first;
    const bool may_be_salvaged = history_.InConflict() || history_.MayDiverge(tree.first, stream);
    const bool counts = is_primary || (may_be_salvaged && history_.WasPrimary(tree.first, stream));
    return counts && Visible(tree.first, View::kMerged, stream, key);
  });
}

// Lines go from one entry to another when queues are joined, and when a stream gets another
// primary.
bool Checker::IsQueued(const std::string& cluster, std::string_view line,
                       const std::string& but) const {
  const std::string text = std::string(line) + "\n";
  MemoryStorage& tree = *trees_.at(cluster);
  const bool mirrors = IsWithin(but, paths::Parent(paths::Mirrors("c")));
  for (const ClusterSpec& to : history_.present().clusters) {
    const std::string queue = mirrors ? paths::Mirrors(to.name) : paths::Consumers(to.name);
    const auto entries = tree.List(queue);
    if (!entries.ok()) continue;
    for (const DirEntry& entry : *entries) {
      const std::string path = paths::Join(queue, entry.name);
      if (path != but && ReadFile(cluster, path).find(text) != std::string::npos) return true;
    }
  }
  return false;
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
  if (!VisibleAnywhere(View::kLocal, message.stream, key)) {
    return tell(message.cluster, View::kLocal);
  }
  for (const DestinationSpec& to : history_.Find(message.stream)->destinations) {
    if (!WasVisible(to.cluster, message.stream, key)) return tell(to.cluster, View::kMerged);
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
      const std::string path = paths::Join(directory, entry.name);
      if (entry.info.modified < before) return path;
    }
  }
  return std::nullopt;
}

// A line for a mirror says where to look first at the primary (P16). One that lies at a cluster
// which is not the primary, or for one that is no mirror, stands for nothing: what it names is as
// at the primary, or is set aside and has to arrive again (G2).
bool Checker::IsNobodysHint(const std::string& cluster, const std::string& reader,
                            const paths::MinutePath& line) const {
  const StreamSpec* const stream = history_.Find(line.stream);
  return stream == nullptr || stream->Primary() != cluster ||
         stream->RoleOf(reader) != Role::kMirror;
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
    const StreamSpec* const spec = history_.Find(stream);
    if (view == View::kMerged && (spec == nullptr || !spec->RoleOf(cluster))) continue;
    return fmt::format("{} of {} stands still at {}", paths::Stream(view, stream), cluster,
                       seen.minutes.rbegin()->first.ToIso());
  }
  return std::nullopt;
}

}  // namespace databus::sim
