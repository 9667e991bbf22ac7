#include "cli/failover/rehearsal_check.h"

#include <algorithm>
#include <set>
#include <utility>

namespace databus {
namespace {

Topology Only(const StreamSpec& stream, const Topology& topology) {
  Topology only = topology;
  only.streams = {stream};
  return only;
}

uint64_t AcknowledgedBy(const std::vector<RehearsalTraffic::Mark>& marks, WallTime time) {
  uint64_t acknowledged = 0;
  for (const RehearsalTraffic::Mark& mark : marks) {
    if (mark.at <= time) acknowledged = mark.acknowledged;
  }
  return acknowledged;
}

// When message `number` was acknowledged. REQUIRES: it was.
WallTime TimeOf(const std::vector<RehearsalTraffic::Mark>& marks, uint64_t number) {
  return std::ranges::find_if(marks, [&](const auto& mark) { return mark.acknowledged >= number; })
      ->at;
}

}  // namespace

Result<RehearsalCounts> CountMessages(const StreamSpec& stream, const Topology& topology,
                                      const RehearsalTraffic& traffic, Minute from, Seams& seams) {
  RehearsalCounts counts;
  const std::vector<SourceCount> sources = traffic.Counts();
  for (const SourceCount& source : sources) {
    counts.sent += source.sent;
    counts.acknowledged += source.acknowledged;
  }
  // What nobody of this rehearsal sent is of an earlier one.
  const auto recognise = [&](std::string_view line) { return traffic.Recognise(line); };
  DATABUS_ASSIGN_OR_RETURN(const auto results, CheckSequences(Only(stream, topology), recognise,
                                                              sources, {from, kLastMinute}, seams));
  for (const SequenceResult& result : results) {
    if (result.hop == Hop::kMerged) counts.arrived = result.seen;
    counts.lost += result.lost;
    counts.doubled += result.doubled;
  }
  return counts;
}

LackFigures LackAt(WallTime swapped, const std::vector<RehearsalTraffic::History>& histories,
                   const std::string& lost, const Has& has) {
  LackFigures lack;
  for (const RehearsalTraffic::History& history : histories) {
    const uint64_t acknowledged = AcknowledgedBy(history.marks, swapped);
    for (uint64_t number = 1; number <= acknowledged; ++number) {
      if (has({history.source, number})) continue;
      ++lack.messages;
      if (history.cluster == lost) ++lack.from_lost;
      lack.oldest = std::max(lack.oldest, swapped - TimeOf(history.marks, number));
    }
  }
  return lack;
}

Result<LackFigures> LackAtSwap(const failover::Journal& over, const StreamSpec& stream,
                               const Topology& topology, const RehearsalTraffic& traffic,
                               Seams& seams) {
  std::set<std::pair<std::string, uint64_t>> seen;
  DATABUS_RETURN_IF_ERROR(ReadMessages(
      {stream.name, Hop::kMerged, over.change.to}, {}, topology, seams,
      [&](std::string_view line, const std::string&) {
        const auto message = traffic.Recognise(line);
        if (message) seen.emplace(message->source.collector, message->number);
      },
      [&](const DirEntry& file) { return file.info.modified <= *over.swapped; }));
  return LackAt(*over.swapped, traffic.Histories(), over.change.from,
                [&](const NumberedMessage& message) {
                  return seen.contains({message.source.collector, message.number});
                });
}

}  // namespace databus
