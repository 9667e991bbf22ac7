#include "collector/spool/state.h"

#include <algorithm>
#include <set>

#include "base/planted.h"
#include "collector/spool/format.h"

namespace databus {
namespace {

// Guards against absurd lengths in bytes that merely look right.
template <typename Item, typename Read>
void ReadAll(FieldReader& fields, std::vector<Item>& items, Read&& read) {
  const uint32_t count = fields.U32();
  for (uint32_t i = 0; i < count && fields.ok(); ++i) items.push_back(read());
}

template <typename Items, typename Write>
void WriteAll(std::string& out, const Items& items, Write&& write) {
  PutU32(out, static_cast<uint32_t>(items.size()));
  for (const auto& item : items) write(item);
}

void PutRange(std::string& out, const SpoolRange& range) {
  PutU64(out, range.segment);
  PutU64(out, range.begin);
  PutU64(out, range.end);
}

SpoolRange ReadRange(FieldReader& fields) {
  SpoolRange range;
  range.segment = fields.U64();
  range.begin = fields.U64();
  range.end = fields.U64();
  return range;
}

void PutIntent(std::string& out, const SpoolIntent& intent) {
  PutU64(out, intent.id);
  PutText(out, intent.stream);
  PutText(out, intent.staged_path);
  PutText(out, intent.final_path);
  PutText(out, intent.note);
}

SpoolIntent ReadIntent(FieldReader& fields) {
  SpoolIntent intent;
  intent.id = fields.U64();
  intent.stream = fields.Text();
  intent.staged_path = fields.Text();
  intent.final_path = fields.Text();
  intent.note = fields.Text();
  return intent;
}

void PutDeferral(std::string& out, const SpoolDeferral& deferral) {
  PutText(out, deferral.stream);
  PutU64(out, deferral.bytes);
  PutU64(out, static_cast<uint64_t>(deferral.oldest.time_since_epoch().count()));
}

SpoolDeferral ReadDeferral(FieldReader& fields) {
  SpoolDeferral deferral;
  deferral.stream = fields.Text();
  deferral.bytes = fields.U64();
  deferral.oldest = WallTime(Milliseconds(static_cast<int64_t>(fields.U64())));
  return deferral;
}

SpoolCut ReadCut(FieldReader& fields, uint32_t version) {
  SpoolCut cut;
  cut.id = fields.U64();
  ReadAll(fields, cut.ranges, [&] { return ReadRange(fields); });
  ReadAll(fields, cut.intents, [&] { return ReadIntent(fields); });
  if (version >= 2) ReadAll(fields, cut.deferred, [&] { return ReadDeferral(fields); });
  return cut;
}

CutChange ReadCutChange(FieldReader& fields) {
  CutChange change;
  change.cut = fields.U64();
  ReadAll(fields, change.deferred, [&] { return ReadDeferral(fields); });
  ReadAll(fields, change.intents, [&] { return ReadIntent(fields); });
  return change;
}

bool IsOpen(const SpoolCut& cut) {
  return !cut.intents.empty() || (!cut.deferred.empty() && !Planted(Bug::kDeferredRangeFreed));
}

uint64_t LastIntent(uint64_t last, const std::vector<SpoolIntent>& intents) {
  for (const SpoolIntent& intent : intents) last = std::max(last, intent.id);
  return last;
}

BatchMark ReadMark(FieldReader& fields) {
  BatchMark mark;
  mark.sender = fields.U64();
  mark.number = fields.U64();
  mark.seen = WallTime(Milliseconds(static_cast<int64_t>(fields.U64())));
  return mark;
}

void AddAll(const std::vector<SpoolRange>& ranges, std::map<uint64_t, IntervalSet>& sets) {
  for (const SpoolRange& range : ranges) sets[range.segment].Add({range.begin, range.end});
}

std::vector<SpoolRange> ToRanges(const std::map<uint64_t, IntervalSet>& sets) {
  std::vector<SpoolRange> ranges;
  for (const auto& [segment, set] : sets) {
    for (const Interval& piece : set.pieces()) ranges.push_back({segment, piece.begin, piece.end});
  }
  return ranges;
}

uint64_t LastSegment(uint64_t last, const std::vector<SpoolRange>& ranges) {
  for (const SpoolRange& range : ranges) last = std::max(last, range.segment);
  return last;
}

}  // namespace

std::string EncodeChange(const SpoolChange& change) {
  std::string out;
  PutU64(out, change.last_segment);
  PutU64(out, change.last_cut);
  PutU64(out, change.last_intent);
  PutU32(out, change.names_segments ? 1 : 0);
  for (const auto* segments : {&change.begun, &change.removed}) {
    WriteAll(out, *segments, [&](uint64_t segment) { PutU64(out, segment); });
  }
  const auto put_range = [&](const SpoolRange& range) { PutRange(out, range); };
  const auto put_intent = [&](const SpoolIntent& intent) { PutIntent(out, intent); };
  const auto put_deferral = [&](const SpoolDeferral& deferral) { PutDeferral(out, deferral); };
  WriteAll(out, change.voids, put_range);
  WriteAll(out, change.freed, put_range);
  WriteAll(out, change.counters, [&](const auto& counter) {
    PutText(out, counter.first);
    PutU64(out, counter.second);
  });
  WriteAll(out, change.marks, [&](const BatchMark& mark) {
    PutU64(out, mark.sender);
    PutU64(out, mark.number);
    PutU64(out, static_cast<uint64_t>(mark.seen.time_since_epoch().count()));
  });
  WriteAll(out, change.cuts, [&](const SpoolCut& cut) {
    PutU64(out, cut.id);
    WriteAll(out, cut.ranges, put_range);
    WriteAll(out, cut.intents, put_intent);
    WriteAll(out, cut.deferred, put_deferral);
  });
  WriteAll(out, change.changed, [&](const CutChange& changed) {
    PutU64(out, changed.cut);
    WriteAll(out, changed.deferred, put_deferral);
    WriteAll(out, changed.intents, put_intent);
  });
  WriteAll(out, change.amended, put_intent);
  WriteAll(out, change.settled, [&](uint64_t id) { PutU64(out, id); });
  return out;
}

std::optional<SpoolChange> DecodeChange(std::string_view bytes, uint32_t version) {
  FieldReader fields(bytes);
  SpoolChange change;
  change.last_segment = fields.U64();
  change.last_cut = fields.U64();
  change.last_intent = fields.U64();
  if (version >= 3) {
    change.names_segments = fields.U32() != 0;
    ReadAll(fields, change.begun, [&] { return fields.U64(); });
    ReadAll(fields, change.removed, [&] { return fields.U64(); });
  }
  ReadAll(fields, change.voids, [&] { return ReadRange(fields); });
  ReadAll(fields, change.freed, [&] { return ReadRange(fields); });
  ReadAll(fields, change.counters, [&] {
    std::string stream = fields.Text();
    return std::pair(std::move(stream), fields.U64());
  });
  ReadAll(fields, change.marks, [&] { return ReadMark(fields); });
  ReadAll(fields, change.cuts, [&] { return ReadCut(fields, version); });
  if (version >= 2) ReadAll(fields, change.changed, [&] { return ReadCutChange(fields); });
  ReadAll(fields, change.amended, [&] { return ReadIntent(fields); });
  ReadAll(fields, change.settled, [&] { return fields.U64(); });
  if (!fields.ok() || !fields.AtEnd()) return std::nullopt;
  return change;
}

void SpoolState::Free(const SpoolCut& cut) { AddAll(cut.ranges, freed); }

void SpoolState::Apply(const SpoolChange& change) {
  last_segment = std::max(last_segment, change.last_segment);
  last_cut = std::max(last_cut, change.last_cut);
  last_intent = std::max(last_intent, change.last_intent);
  last_segment = LastSegment(LastSegment(last_segment, change.voids), change.freed);
  for (const uint64_t segment : change.begun) last_segment = std::max(last_segment, segment);
  begun.insert(change.begun.begin(), change.begun.end());
  names_segments = names_segments || change.names_segments;
  for (const uint64_t segment : change.removed) Drop(segment);
  AddAll(change.voids, voids);
  AddAll(change.freed, freed);
  for (const auto& [stream, last] : change.counters) counters[stream] = last;
  for (const BatchMark& mark : change.marks) {
    BatchMark& known = marks[mark.sender];
    if (known.number <= mark.number) known = mark;
  }
  for (const SpoolCut& cut : change.cuts) {
    last_segment = LastSegment(last_segment, cut.ranges);
    last_cut = std::max(last_cut, cut.id);
    last_intent = LastIntent(last_intent, cut.intents);
    if (!IsOpen(cut)) {
      Free(cut);
    } else {
      cuts[cut.id] = cut;
      if (Planted(Bug::kRangeFreedEarly)) Free(cut);
    }
  }
  for (const CutChange& changed : change.changed) Change(changed);
  if (!change.amended.empty() || !change.settled.empty()) ApplyToIntents(change);
}

void SpoolState::Change(const CutChange& change) {
  last_cut = std::max(last_cut, change.cut);
  last_intent = LastIntent(last_intent, change.intents);
  const auto found = cuts.find(change.cut);
  if (found == cuts.end()) return;
  SpoolCut& cut = found->second;
  cut.deferred = change.deferred;
  cut.intents.insert(cut.intents.end(), change.intents.begin(), change.intents.end());
  if (IsOpen(cut)) return;
  Free(cut);
  cuts.erase(found);
}

void SpoolState::ApplyToIntents(const SpoolChange& change) {
  std::map<uint64_t, const SpoolIntent*> amended;
  for (const SpoolIntent& intent : change.amended) amended[intent.id] = &intent;
  const std::set<uint64_t> settled(change.settled.begin(), change.settled.end());
  for (auto it = cuts.begin(); it != cuts.end();) {
    std::vector<SpoolIntent>& open = it->second.intents;
    for (SpoolIntent& intent : open) {
      const auto found = amended.find(intent.id);
      if (found == amended.end()) continue;
      intent.final_path = found->second->final_path;
      intent.note = found->second->note;
    }
    std::erase_if(open, [&](const SpoolIntent& intent) { return settled.contains(intent.id); });
    if (IsOpen(it->second)) {
      ++it;
    } else {
      Free(it->second);
      it = cuts.erase(it);
    }
  }
}

SpoolChange SpoolState::Snapshot() const {
  SpoolChange change;
  change.last_segment = last_segment;
  change.last_cut = last_cut;
  change.last_intent = last_intent;
  change.begun.assign(begun.begin(), begun.end());
  change.names_segments = names_segments;
  change.voids = ToRanges(voids);
  change.freed = ToRanges(freed);
  change.counters.assign(counters.begin(), counters.end());
  for (const auto& [sender, mark] : marks) change.marks.push_back(mark);
  for (const auto& [id, cut] : cuts) change.cuts.push_back(cut);
  return change;
}

bool SpoolState::EndIsKnown(uint64_t segment) const {
  const auto found = voids.find(segment);
  return found != voids.end() && !found->second.pieces().empty() &&
         found->second.pieces().back().end == kOffsetMax;
}

bool SpoolState::IsDone(uint64_t segment) const {
  if (!EndIsKnown(segment) || IsUnderCut(segment)) return false;
  return Done(segment).Covers({kSegmentHeaderBytes, kOffsetMax});
}

bool SpoolState::IsUnderCut(uint64_t segment) const {
  return std::ranges::any_of(cuts, [&](const auto& item) {
    return std::ranges::count(item.second.ranges, segment, &SpoolRange::segment) > 0;
  });
}

IntervalSet SpoolState::Done(uint64_t segment) const {
  IntervalSet done;
  for (const auto* sets : {&freed, &voids}) {
    const auto found = sets->find(segment);
    if (found == sets->end()) continue;
    for (const Interval& piece : found->second.pieces()) done.Add(piece);
  }
  return done;
}

std::set<uint64_t> SpoolState::KnownSegments() const {
  std::set<uint64_t> known = begun;
  for (const auto* sets : {&freed, &voids}) {
    for (const auto& [segment, set] : *sets) known.insert(segment);
  }
  for (const auto& [id, cut] : cuts) {
    for (const SpoolRange& range : cut.ranges) known.insert(range.segment);
  }
  return known;
}

// Earlier versions removed a segment when all that they had read of it was freed or void, and did
// not always say where it ends.
bool SpoolState::IsMissed(uint64_t segment) const {
  if (IsDone(segment)) return false;
  if (begun.contains(segment) || IsUnderCut(segment)) return true;
  if (names_segments) return false;
  const std::vector<Interval> done = Done(segment).pieces();
  return done.size() != 1 || done[0].begin > kSegmentHeaderBytes;
}

// One that was made last, and not noted any more, has a number that was not given before. One
// without a record could not be begun.
bool SpoolState::IsStray(uint64_t segment, uint64_t bytes) const {
  return names_segments && !begun.contains(segment) && segment <= last_segment &&
         bytes > kSegmentHeaderBytes;
}

void SpoolState::Drop(uint64_t segment) {
  begun.erase(segment);
  voids.erase(segment);
  freed.erase(segment);
}

}  // namespace databus
