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

SpoolCut ReadCut(FieldReader& fields) {
  SpoolCut cut;
  cut.id = fields.U64();
  ReadAll(fields, cut.ranges, [&] { return ReadRange(fields); });
  ReadAll(fields, cut.intents, [&] { return ReadIntent(fields); });
  return cut;
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
  const auto put_range = [&](const SpoolRange& range) { PutRange(out, range); };
  const auto put_intent = [&](const SpoolIntent& intent) { PutIntent(out, intent); };
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
  });
  WriteAll(out, change.amended, put_intent);
  WriteAll(out, change.settled, [&](uint64_t id) { PutU64(out, id); });
  return out;
}

std::optional<SpoolChange> DecodeChange(std::string_view bytes) {
  FieldReader fields(bytes);
  SpoolChange change;
  change.last_segment = fields.U64();
  change.last_cut = fields.U64();
  change.last_intent = fields.U64();
  ReadAll(fields, change.voids, [&] { return ReadRange(fields); });
  ReadAll(fields, change.freed, [&] { return ReadRange(fields); });
  ReadAll(fields, change.counters, [&] {
    std::string stream = fields.Text();
    return std::pair(std::move(stream), fields.U64());
  });
  ReadAll(fields, change.marks, [&] { return ReadMark(fields); });
  ReadAll(fields, change.cuts, [&] { return ReadCut(fields); });
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
  AddAll(change.voids, voids);
  AddAll(change.freed, freed);
  for (const auto& [stream, last] : change.counters) counters[stream] = last;
  for (const BatchMark& mark : change.marks) marks[mark.sender] = mark;
  for (const SpoolCut& cut : change.cuts) {
    last_segment = LastSegment(last_segment, cut.ranges);
    last_cut = std::max(last_cut, cut.id);
    for (const SpoolIntent& intent : cut.intents) last_intent = std::max(last_intent, intent.id);
    if (cut.intents.empty()) {
      Free(cut);
    } else {
      cuts[cut.id] = cut;
      if (Planted(Bug::kRangeFreedEarly)) Free(cut);
    }
  }
  if (!change.amended.empty() || !change.settled.empty()) ApplyToIntents(change);
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
    if (open.empty()) Free(it->second);
    it = open.empty() ? cuts.erase(it) : std::next(it);
  }
}

SpoolChange SpoolState::Snapshot() const {
  SpoolChange change;
  change.last_segment = last_segment;
  change.last_cut = last_cut;
  change.last_intent = last_intent;
  change.voids = ToRanges(voids);
  change.freed = ToRanges(freed);
  change.counters.assign(counters.begin(), counters.end());
  for (const auto& [sender, mark] : marks) change.marks.push_back(mark);
  for (const auto& [id, cut] : cuts) change.cuts.push_back(cut);
  return change;
}

void SpoolState::DropSegment(uint64_t segment) {
  voids.erase(segment);
  freed.erase(segment);
}

}  // namespace databus
