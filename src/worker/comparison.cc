#include "worker/comparison.h"

#include <algorithm>
#include <utility>

#include "commit/ledger.h"

namespace databus {
namespace {

using Kind = MinuteVerdict::Kind;

Result<std::set<Minute>> MinutesOf(Storage& storage, const std::string& stream) {
  DATABUS_ASSIGN_OR_RETURN(
      const std::vector<Minute> minutes,
      ListMinutes(storage, paths::Stream(View::kMerged, stream), kFirstMinute, kLastMinute));
  return std::set<Minute>(minutes.begin(), minutes.end());
}

// The first minute that is compared; nothing: there is nothing to compare with.
std::optional<Minute> Begin(const Compared& of, const Comparison::Bounds& bounds) {
  std::optional<Minute> begin;
  const auto from = [&](Minute minute) { begin = std::min(begin.value_or(minute), minute); };
  if (!of.there.empty()) from(*of.there.begin());
  if (bounds.cut) from(bounds.cut->Next());
  if (bounds.kept_there) from(*bounds.kept_there);
  return begin;
}

bool BeginsAnHour(Minute minute) { return (minute - kFirstMinute) % 60 == 0; }

// Purges take whole hours, of what is old. What begins otherwise lacks what came before.
bool BeginsLate(const Compared& of, Minute kept_from) {
  const Minute first = *of.here.begin();
  const auto kept = of.there.lower_bound(kept_from);
  if (kept == of.there.end() || *kept >= first) return false;
  return !BeginsAnHour(first) || of.wrong.contains(first);
}

void Conclude(Compared& of, Minute kept_from) {
  if (of.here.empty()) return;
  if (BeginsLate(of, kept_from)) {
    of.begins_late = Compared::BeginsLate::kYes;
    of.wrong = of.there;
    of.wrong.insert(of.here.begin(), of.here.end());
    of.undescribed.clear();
    return;
  }
  of.equal = of.wrong.empty() ? *of.here.rbegin() : *of.wrong.begin() + -1;
  const auto right = std::find_if(of.here.rbegin(), of.here.rend(),
                                  [&](Minute minute) { return !of.wrong.contains(minute); });
  if (right != of.here.rend() && !of.there.empty() && right->Next() < *of.there.begin()) {
    of.too_old = Compared::TooOld::kYes;
    of.equal = *of.there.begin() + -1;
  }
}

}  // namespace

Result<std::optional<Comparison::ByStream>> Comparison::Compare(
    const MinuteComparison::Trees& trees, Group group, const Cuts& streams, uint64_t& budget) {
  const auto has_all = [&] {
    return std::ranges::all_of(streams, [&](const auto& stream) {
      return walks_.contains(stream.first) || unread_.contains(stream.first);
    });
  };
  bool of_this_call = false;
  while (true) {
    if (walks_.empty() || !has_all()) {
      DATABUS_RETURN_IF_ERROR(ListAll(trees, streams));
      of_this_call = true;
    }
    const auto done = GoOn(trees, group, budget);
    if (!done.ok()) {
      walks_.clear();  // what was listed may not be there any more
      return done.status();
    }
    if (!*done) return std::optional<ByStream>();
    if (of_this_call) break;
    // The primary goes on meanwhile: listed once more, and what has come since compared.
    walks_.clear();
  }
  ByStream all;
  for (auto& [stream, walk] : walks_) {
    const auto asked = streams.find(stream);
    if (asked == streams.end()) continue;
    databus::Conclude(walk.of, asked->second.kept_from);
    all.emplace(stream, std::move(walk.of));
  }
  walks_.clear();
  return std::optional<ByStream>(std::move(all));
}

Status Comparison::ListAll(const MinuteComparison::Trees& trees, const Cuts& streams) {
  walks_.clear();
  unread_.clear();
  std::map<std::string, Walk> walks;
  for (const auto& [stream, bounds] : streams) {
    auto walk = List(trees, stream, bounds);
    if (CannotBeRead(walk.status())) {
      unread_[stream] = {.why = walk.status()};
      continue;
    }
    DATABUS_RETURN_IF_ERROR(walk.status());
    walks.emplace(stream, *std::move(walk));
  }
  walks_ = std::move(walks);
  return Status::Ok();
}

Result<Comparison::Walk> Comparison::List(const MinuteComparison::Trees& trees,
                                          const std::string& stream, const Bounds& bounds) const {
  Walk walk{.cut = bounds.cut};
  Compared& of = walk.of;
  DATABUS_ASSIGN_OR_RETURN(of.there, MinutesOf(trees.there, stream));
  DATABUS_ASSIGN_OR_RETURN(of.here, MinutesOf(trees.here, stream));
  if (of.here.empty()) {
    of.wrong = of.there;
    return walk;
  }
  const std::optional<Minute> begin = Begin(of, bounds);
  if (!begin) {
    of.here.clear();
    return walk;
  }
  std::set<Minute> minutes(of.here.lower_bound(*begin), of.here.end());
  minutes.insert(of.there.lower_bound(std::max(*begin, *of.here.begin())), of.there.end());
  const auto judged = judged_.find(stream);
  if (judged != judged_.end()) of.undescribed = judged->second.undescribed;
  const auto may_be_purged_there = [&](Minute minute) {
    return !of.there.empty() && minute < *of.there.begin();
  };
  for (auto minute = minutes.rbegin(); minute != minutes.rend(); ++minute) {
    const bool both = of.here.contains(*minute) && of.there.contains(*minute);
    const bool decided = !both && !may_be_purged_there(*minute);
    if (decided || (judged != judged_.end() && judged->second.wrong.contains(*minute))) {
      of.wrong.insert(*minute);
    } else if (judged == judged_.end() || !judged->second.equal.contains(*minute)) {
      walk.left.push_back(*minute);
    }
  }
  return walk;
}

Result<bool> Comparison::GoOn(const MinuteComparison::Trees& trees, Group group, uint64_t& budget) {
  MinuteComparison comparison(trees, group, MinuteComparison::Undescribed::kByLength);
  while (true) {
    std::optional<Minute> minute;
    for (const auto& [stream, walk] : walks_) {
      if (!walk.left.empty()) minute = std::min(minute.value_or(kLastMinute), walk.left.back());
    }
    if (!minute) return true;
    if (budget == 0) return false;
    const uint64_t before = comparison.reads();
    // Before: what cannot be read after that is the stream's own.
    DATABUS_RETURN_IF_ERROR(comparison.ReadManifests(*minute));
    for (auto& [stream, walk] : walks_) {
      if (walk.left.empty() || walk.left.back() != *minute) continue;
      walk.left.pop_back();
      const Status compared = CompareMinute(comparison, stream, *minute, walk);
      if (CannotBeRead(compared)) {
        unread_[stream] = {compared, *minute};
        continue;
      }
      DATABUS_RETURN_IF_ERROR(compared);
    }
    for (const auto& [stream, unread] : unread_) walks_.erase(stream);
    budget -= std::min(budget, comparison.reads() - before);
    compared_to_ = *minute;
  }
}

// Manifests outlive what they describe (P19): who had the minute once tells so. After the cut two
// may have published it, and only what it held there is right here.
Status Comparison::JudgeOlder(MinuteComparison& comparison, const std::string& stream,
                              Minute minute, Walk& walk) {
  DATABUS_ASSIGN_OR_RETURN(bool right, comparison.IsDescribedThere(stream, minute));
  if (right && walk.cut && minute > *walk.cut) {
    DATABUS_ASSIGN_OR_RETURN(const MinuteVerdict verdict, comparison.Compare(stream, minute));
    right = verdict.kind == Kind::kEqual;
  }
  if (!right) walk.of.wrong.insert(minute);
  (right ? judged_[stream].equal : judged_[stream].wrong).insert(minute);
  return Status::Ok();
}

Status Comparison::CompareMinute(MinuteComparison& comparison, const std::string& stream,
                                 Minute minute, Walk& walk) {
  Compared& of = walk.of;
  if (minute < *of.there.begin()) return JudgeOlder(comparison, stream, minute, walk);
  const bool is_newest = minute == *of.there.rbegin();
  if (is_newest) {
    // As the original's readers knew it: a minute is closed when the next one exists.
    DATABUS_ASSIGN_OR_RETURN(const bool described, comparison.IsDescribedThere(stream, minute));
    if (!described) {
      of.wrong.insert(minute);
      return Status::Ok();
    }
  }
  DATABUS_ASSIGN_OR_RETURN(const MinuteVerdict verdict, comparison.Compare(stream, minute));
  if (verdict.kind == Kind::kNeither || verdict.kind == Kind::kOnlyHere ||
      verdict.kind == Kind::kOnlyThere) {
    return {Code::kUnavailable, stream + " of " + minute.ToIso() + " went while it was compared"};
  }
  const bool equal = verdict.kind == Kind::kEqual;
  if (!equal) of.wrong.insert(minute);
  if (equal) {
    DATABUS_ASSIGN_OR_RETURN(const bool there, comparison.IsDescribedThere(stream, minute));
    DATABUS_ASSIGN_OR_RETURN(const bool here, comparison.IsDescribedHere(stream, minute));
    if (there && !here) of.undescribed.insert(minute);
  }
  // The newest one may be open, and is compared again.
  if (is_newest) return Status::Ok();
  Judged& judged = judged_[stream];
  (equal ? judged.equal : judged.wrong).insert(minute);
  if (of.undescribed.contains(minute)) judged.undescribed.insert(minute);
  return Status::Ok();
}

}  // namespace databus
