// What the steps of a planned failover or failback have promised when their epoch stands (P30,
// P35, docs/failover.md), looked for in the trees themselves: what comes back later would hide that
// a gate opened too early.
#include <algorithm>

#include <fmt/format.h>

#include "cluster/names.h"
#include "cluster/text_format.h"
#include "commit/manifest.h"
#include "failover/gates.h"
#include "sim/checker.h"
#include "sim/reader.h"

namespace databus::sim {
namespace {

using failover::Journal;
using failover::Kind;

// As far as a mirror may be behind when it counts as caught up.
constexpr int64_t kCaughtUpMinutes = 2;

// Up to the cut, where a stream has one.
bool IsWithin(const failover::Cuts& cuts, const std::string& stream, Minute minute) {
  const auto cut = cuts.find(stream);
  return cut == cuts.end() || (cut->second && minute <= *cut->second);
}

bool IsSiteThatGoes(const Journal& journal, const std::string& cluster) {
  return cluster == journal.change.site && cluster == journal.change.from;
}

}  // namespace

void Checker::CheckStep(const Journal& journal, const std::string& path) {
  if (journal.kind == Kind::kUnplanned) return;
  if (journal.step == failover::Step::kCatchUp) return NoteCatchUp(journal);
  if (!judged_.insert({journal.id, journal.step}).second) return;
  if (journal.step == failover::Step::kSpool) CheckCaughtUp(journal, path);
  if (journal.step == failover::Step::kMirror) CheckFrozen(journal, path);
}

std::optional<Minute> Checker::Newest(const std::string& cluster, const std::string& stream) const {
  const auto seen = seen_.find({cluster, View::kMerged, stream});
  if (seen == seen_.end() || seen->second.minutes.empty()) return std::nullopt;
  return seen->second.minutes.rbegin()->first;
}

// Whoever opens the gate has looked later than this.
void Checker::NoteCatchUp(const Journal& journal) {
  const auto [known, is_new] = catching_up_.try_emplace(journal.id);
  if (!is_new) return;
  for (const std::string& stream : journal.change.Moving()) {
    if (const auto newest = Newest(journal.change.from, stream)) known->second[stream] = *newest;
  }
}

// P35: equal over the range that both retain, and two minutes behind at most.
void Checker::CheckCaughtUp(const Journal& journal, const std::string& path) {
  const auto begun = catching_up_.find(journal.id);
  if (begun == catching_up_.end()) return;
  const auto& [from, to] = std::tie(journal.change.from, journal.change.to);
  for (const auto& [stream, then] : begun->second) {
    const auto newest = Newest(to, stream);
    const auto fail = [&](std::string_view what) {
      Fail("P35", fmt::format("{} goes on, and {} of {} {}", journal.id, stream, to, what), path);
    };
    if (!newest || then - *newest > kCaughtUpMinutes) {
      return fail(fmt::format("is at {}, when {} was at {} already",
                              newest ? newest->ToIso() : "none", from, then.ToIso()));
    }
    if (const auto differs = Differs(from, to, stream, *newest + (-1))) {
      return fail(fmt::format("is not as at {} in minute {}", from, differs->ToIso()));
    }
  }
}

// The oldest minute, of those that both retain up to `last`, that is not the same at both.
std::optional<Minute> Checker::Differs(const std::string& one, const std::string& other,
                                       const std::string& stream, Minute last) {
  const Seen& here = seen_[{one, View::kMerged, stream}];
  const Seen& there = seen_[{other, View::kMerged, stream}];
  if (here.minutes.empty() || there.minutes.empty()) return std::nullopt;
  const Minute first = std::max(here.minutes.begin()->first, there.minutes.begin()->first);
  for (Minute at = first; at <= last; at = at.Next()) {
    const auto ours = here.minutes.find(at);
    const auto theirs = there.minutes.find(at);
    const bool is_here = ours != here.minutes.end();
    if (is_here != (theirs != there.minutes.end())) return at;
    if (is_here && ours->second.files != theirs->second.files) return at;
  }
  return std::nullopt;
}

// P30: the old primary has closed the last minute of what it publishes no more.
void Checker::CheckFrozen(const Journal& journal, const std::string& path) {
  const std::string& from = journal.change.from;
  for (const auto& [stream, cut] : journal.cuts) {
    CheckNothingAfter(from, stream, cut, path);
    if (!cut || !Newest(from, stream) || IsClosed(from, stream, *cut)) continue;
    return Fail("P30",
                fmt::format("{}: the last minute of {}, {}, counts as closed, and no manifest of "
                            "it stands",
                            from, stream, cut->ToIso()),
                path);
  }
}

void Checker::CheckNothingAfter(const std::string& from, const std::string& stream,
                                const std::optional<Minute>& cut, const std::string& path) {
  const auto newest = Newest(from, stream);
  if (!newest || (cut && *newest <= *cut)) return;
  Fail("P30",
       fmt::format("{}: {} says that it is frozen at {}, and is at {}", from, stream,
                   cut ? cut->ToIso() : "none", newest->ToIso()),
       path);
}

// By its own clock, or as a copy of another's.
bool Checker::IsClosed(const std::string& cluster, const std::string& stream, Minute minute) const {
  MemoryStorage& tree = *trees_.at(cluster);
  const auto groups = tree.List(std::string(paths::Parent(paths::ManifestRoot(View::kMerged, 0))));
  if (!groups.ok()) return false;
  return std::ranges::any_of(*groups, [&](const DirEntry& group) {
    const auto number = ParseNumber(group.name);
    if (!number.ok()) return false;
    const std::string own = paths::Manifest(View::kMerged, static_cast<Group>(*number), minute, "");
    const std::string hour(paths::Parent(own));
    const auto manifests = tree.List(hour);
    if (!manifests.ok()) return false;
    return std::ranges::any_of(*manifests, [&](const DirEntry& entry) {
      const auto name = paths::ManifestName::Parse(entry.name);
      if (!name || name->minute != paths::BaseName(own)) return false;
      const std::string file = paths::Join(hour, entry.name);
      const auto manifest = Manifest::Decode(ReadFile(cluster, file), file);
      return manifest.ok() && manifest->streams.contains(stream);
    });
  });
}

// Whose swap is stored: everything that was delivered before is at the new primary, up to the cut,
// and the old one has published nothing since.
void Checker::CheckSwap(const Journal& journal, const std::string& path) {
  for (const auto& [stream, cut] : journal.cuts) {
    CheckNothingAfter(journal.change.from, stream, cut, path);
  }
  for (const std::string& stream : journal.change.Moving()) CheckMirrored(journal, stream, path);
  for (const ClusterSpec& cluster : history_.present().clusters) {
    if (failover::IsWithout(journal.without, cluster.name, "")) continue;
    for (const StreamSpec& stream : history_.present().streams) {
      const failover::StreamChange* const change = journal.change.Find(stream.name);
      const bool moves = change != nullptr && change->Moves();
      if (!moves && !IsSiteThatGoes(journal, cluster.name)) continue;
      const std::string& primary = moves ? journal.change.to : stream.Primary();
      CheckDrained(journal, {cluster.name, stream.name, primary}, path);
    }
  }
}

// G6: every mirror has what the old primary has, and nothing more.
void Checker::CheckMirrored(const Journal& journal, const std::string& stream,
                            const std::string& path) {
  const auto cut = journal.cuts.find(stream);
  if (cut == journal.cuts.end() || !cut->second) return;  // it never had a minute
  const std::string& from = journal.change.from;
  for (const std::string& mirror : journal.change.Find(stream)->before.Mirrors()) {
    if (failover::IsWithout(journal.without, mirror, "")) continue;
    const auto fail = [&](std::string_view what) {
      Fail("G6", fmt::format("the swap of {} is stored, and {} {} (P30)", journal.id, mirror, what),
           path);
    };
    const auto newest = Newest(mirror, stream);
    if (!newest || *newest < *cut->second) {
      return fail(fmt::format("is at minute {} of {}, not at {}", newest ? newest->ToIso() : "none",
                              stream, cut->second->ToIso()));
    }
    // What is being put right there is looked at again when it follows.
    if (mirror != journal.change.to && history_.MayDiverge(mirror, stream)) continue;
    if (const auto differs = Differs(from, mirror, stream, *cut->second)) {
      return fail(fmt::format("has minute {} of {} not as {}", differs->ToIso(), stream, from));
    }
  }
}

// P30: nothing that was delivered at the cluster is on its way any more. What was merged without
// its primary once is looked for by its successor, whenever that comes to it (P34); after a change
// by force that may be all that anybody merged.
void Checker::CheckDrained(const Journal& journal, const Flow& flow, const std::string& path) {
  const auto& [cluster, stream, primary] = flow;
  const auto fail = [&](uint64_t message, const std::string& where) {
    Fail("P30",
         fmt::format("the swap of {} is stored, and {} of {}, which is in {} of {}, is not at {}",
                     journal.id, MessageText(message), stream, where, cluster, primary),
         path);
  };
  const auto late = [&](uint64_t message) {
    return !damaged_.contains(message) && !IsMergedBefore(journal, primary, stream, message);
  };
  const std::string places[] = {paths::DataStream(stream),
                                std::string(paths::Parent(paths::Staging(View::kLocal, 0)))};
  for (const std::string& place : places) {
    for (const uint64_t message : MessagesBelow(cluster, place)) {
      if (sent_.at(message).stream == stream && late(message)) return fail(message, place);
    }
  }
  const auto local = seen_.find({cluster, View::kLocal, stream});
  if (local == seen_.end()) return;
  const bool forced = history_.WasForced(stream);
  for (const auto& [message, minute] : local->second.messages) {
    if (forced && sent_.at(message).was_merged) continue;
    if (late(message)) return fail(message, paths::MinuteDir(View::kLocal, stream, minute));
  }
}

bool Checker::IsMergedBefore(const Journal& journal, const std::string& primary,
                             const std::string& stream, uint64_t message) const {
  const auto seen = seen_.find({primary, View::kMerged, stream});
  if (seen == seen_.end()) return false;
  const auto at = seen->second.messages.find(message);
  return at != seen->second.messages.end() && IsWithin(journal.cuts, stream, at->second);
}

// In files below a directory, but for those that somebody is still writing.
std::vector<uint64_t> Checker::MessagesBelow(const std::string& cluster,
                                             const std::string& directory) {
  std::vector<uint64_t> messages;
  const auto entries = trees_.at(cluster)->List(directory);
  for (const DirEntry& entry : entries.ok() ? *entries : std::vector<DirEntry>()) {
    if (IsIgnoredDataName(entry.name)) continue;
    const std::string path = paths::Join(directory, entry.name);
    const std::vector<uint64_t> more = entry.info.kind == NodeKind::kDirectory
                                           ? MessagesBelow(cluster, path)
                                           : reader_.Read(ReadFile(cluster, path)).keys;
    std::ranges::copy_if(more, std::back_inserter(messages),
                         [&](uint64_t message) { return sent_.contains(message); });
  }
  return messages;
}

}  // namespace databus::sim
