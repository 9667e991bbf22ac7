#include "collector/deliver/batches.h"

#include <algorithm>

namespace databus {
namespace {

// What an entry needs in a list beside its category and message.
constexpr uint64_t kEntryBytes = 15;

}  // namespace

BatchPlan PlanBatches(const std::vector<RecordView>& records,
                      const std::unordered_set<std::string_view>& streams, uint64_t bytes_max) {
  BatchPlan plan;
  uint64_t bytes = 0;
  for (const RecordView& record : records) {
    SpoolPosition at{record.segment, record.offset, 0};
    // What of a record can be read is handed over; that it is damaged was said when it was read.
    static_cast<void>(
        ForEachEntry(record.entries, [&](std::string_view stream, std::string_view message) {
          const uint64_t size = kEntryBytes + stream.size() + message.size();
          if (streams.contains(stream)) {
            if (plan.begins.empty() || bytes + size > bytes_max) {
              plan.begins.push_back(at);
              bytes = 0;
            }
            bytes += size;
            ++plan.messages;
          }
          ++at.entry;
        }));
  }
  return plan;
}

Result<std::vector<EntryList>> MakeBatches(Spool& spool, const std::vector<SpoolRange>& ranges,
                                           const HandOverNote& note, uint64_t from) {
  std::unordered_set<std::string_view> streams;
  for (const SpoolDeferral& stream : note.streams) streams.insert(stream.stream);
  std::vector<EntryList> batches(note.batches.size() - from);
  for (const SpoolRange& range : ranges) {
    DATABUS_RETURN_IF_ERROR(spool.ReadAgain(range, [&](const SpoolRecord& record) {
      SpoolPosition at{record.range.segment, record.range.begin, 0};
      static_cast<void>(
          ForEachEntry(record.entries, [&](std::string_view stream, std::string_view message) {
            const auto next = std::upper_bound(note.batches.begin(), note.batches.end(), at);
            const auto batch = static_cast<uint64_t>(next - note.batches.begin());
            if (batch > from && streams.contains(stream)) {
              batches[batch - 1 - from].Add(stream, message);
            }
            ++at.entry;
          }));
    }));
  }
  return batches;
}

}  // namespace databus
