#include "failover/mirror_reader.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "commit/minute_tree.h"

namespace databus::failover {
namespace {

using Depth = Scope::Mirrored::Depth;

// The later of the two oldest minutes: what is earlier has been purged at one side (P35).
Result<Minute> FirstOfBoth(const MinuteComparison::Trees& trees, const std::string& stream,
                           Minute newest) {
  const std::string root = paths::Stream(View::kMerged, stream);
  DATABUS_ASSIGN_OR_RETURN(const auto here, OldestMinute(trees.here, root));
  DATABUS_ASSIGN_OR_RETURN(const auto there, OldestMinute(trees.there, root));
  return std::max(here.value_or(newest), there.value_or(newest));
}

// Empty: there is no difference.
std::string Describe(const MinuteVerdict& verdict) {
  switch (verdict.kind) {
    case MinuteVerdict::Kind::kEqual:
    case MinuteVerdict::Kind::kNeither: return "";
    case MinuteVerdict::Kind::kOnlyHere: return "the primary has not got this minute";
    case MinuteVerdict::Kind::kOnlyThere: return "the mirror has not got this minute";
    case MinuteVerdict::Kind::kFileMissing: return verdict.file + " is missing at the mirror";
    case MinuteVerdict::Kind::kFileDiffers:
      return verdict.file + " is not the same file at the mirror";
    case MinuteVerdict::Kind::kFileSurplus: return verdict.file + " is at the mirror only";
  }
  return "";
}

// Equality is not known before all of it was compared.
void SayHowFar(Minute next, std::optional<Minute> equal_to, SeenMirror& seen) {
  seen.why_unknown =
      fmt::format("is being compared with the primary: compared up to {}, {} minutes are left",
                  equal_to ? equal_to->ToIso() : "nothing", *seen.newest - next + 1);
}

}  // namespace

Status MirrorReader::LookUpFirst(const MinuteComparison::Trees& trees, Walk& walk) {
  Known& known = *walk.known;
  DATABUS_ASSIGN_OR_RETURN(const Minute first,
                           FirstOfBoth(trees, walk.wanted->stream, *walk.wanted->seen->newest));
  if (known.first && first < *known.first) known.equal_to.reset();
  known.first = first;
  known.looked_up_at = *walk.wanted->seen->newest;
  return Status::Ok();
}

Status MirrorReader::Begin(const MinuteComparison::Trees& trees, Walk& walk) {
  SeenMirror& seen = *walk.wanted->seen;
  const Minute newest = *seen.newest;
  Known& known = *walk.known;
  walk.next = newest;
  if (walk.wanted->depth == Depth::kNewest) return Status::Ok();
  // The newest minutes were set aside: what comes in their place is compared.
  if (known.equal_to && *known.equal_to >= newest) known.equal_to.reset();
  if (!known.first || known.looked_up_at != newest) {
    DATABUS_RETURN_IF_ERROR(LookUpFirst(trees, walk));
  }
  walk.next = known.equal_to ? known.equal_to->Next() : *known.first;
  if (known.equal_to && *known.equal_to >= *known.first) {
    seen.compared = static_cast<uint64_t>(*known.equal_to - *known.first + 1);
  }
  return Status::Ok();
}

bool MirrorReader::Compare(const MinuteComparison::Trees& trees, MinuteComparison& comparison,
                           Walk& walk) {
  SeenMirror& seen = *walk.wanted->seen;
  const auto verdict = comparison.Compare(walk.wanted->stream, walk.next);
  if (!verdict.ok()) {
    seen.why_unknown = verdict.status().message();
    return false;
  }
  std::string difference = Describe(*verdict);
  if (!difference.empty() && walk.wanted->depth == Depth::kAll) {
    // Perhaps it has been purged at one side since that was looked up.
    if (const Status looked = LookUpFirst(trees, walk); !looked.ok()) {
      seen.why_unknown = looked.message();
      return false;
    }
    if (*walk.known->first > walk.next) {
      walk.next = *walk.known->first;
      return walk.next <= *seen.newest;
    }
  }
  if (!difference.empty()) {
    seen.differs = walk.next;
    seen.difference = std::move(difference);
    return false;
  }
  ++seen.compared;
  if (walk.next == *seen.newest) return false;  // it may get more: compared again by the next look
  walk.known->equal_to = walk.next;
  walk.next = walk.next.Next();
  return true;
}

void MirrorReader::Read(const MinuteComparison::Trees& trees, Group group,
                        const std::vector<Wanted>& wanted, uint64_t& budget) {
  std::vector<Walk> walks;
  for (const Wanted& each : wanted) {
    if (!each.seen->newest || !each.seen->primary_newest) continue;
    Walk walk{.wanted = &each, .known = &known_[each.stream], .next = {}};
    const Status begun = Begin(trees, walk);
    each.seen->why_unknown = begun.message();
    // Nothing to compare where all of the mirror is older than the primary.
    if (begun.ok() && walk.next <= *each.seen->newest) walks.push_back(walk);
  }
  MinuteComparison comparison(trees, group, MinuteComparison::Undescribed::kByContent);
  while (!walks.empty()) {
    // All streams of a minute before the next one: each manifest is read once.
    const Minute minute = std::ranges::min_element(walks, {}, &Walk::next)->next;
    const uint64_t before = comparison.reads();
    bool counts = false;
    for (Walk& walk : walks) {
      if (walk.next != minute) continue;
      const bool is_newest = minute == *walk.wanted->seen->newest;
      if (budget == 0 && !is_newest) {
        SayHowFar(minute, walk.known->equal_to, *walk.wanted->seen);
        walk.done = true;
        continue;
      }
      counts = counts || !is_newest;
      walk.done = !Compare(trees, comparison, walk);
    }
    if (counts) budget -= std::min(budget, comparison.reads() - before);
    std::erase_if(walks, [](const Walk& walk) { return walk.done; });
  }
}

}  // namespace databus::failover
