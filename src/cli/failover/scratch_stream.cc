#include "cli/failover/scratch_stream.h"

#include <algorithm>
#include <utility>

namespace databus {
namespace {

constexpr std::chrono::hours kRetention{1};

// The rules for its collectors go with it.
bool Erase(StoredTopology& next) {
  const size_t rules =
      std::erase_if(next.modes, [](const ModeRule& rule) { return rule.stream == kScratchStream; });
  const size_t streams = std::erase_if(
      next.topology.streams, [](const StreamSpec& s) { return s.name == kScratchStream; });
  return rules + streams > 0;
}

}  // namespace

bool IsRehearsal(const failover::Journal& journal) {
  const auto& streams = journal.change.streams;
  return journal.change.site.empty() && !streams.empty() &&
         std::ranges::all_of(streams, [](const failover::StreamChange& stream) {
           return stream.name() == kScratchStream;
         });
}

void AddScratchStream(StoredTopology& next, const std::string& from, const std::string& to) {
  Erase(next);
  next.topology.streams.push_back(
      {.name = kScratchStream,
       .sources = {{from, kRetention}, {to, kRetention}},
       .destinations = {{from, Role::kPrimary, kRetention}, {to, Role::kMirror, kRetention}}});
}

Status RemoveScratchStream(TopologyDesk& desk) {
  DATABUS_ASSIGN_OR_RETURN(const SharedEpoch newest, desk.Look().Newest());
  StoredTopology next = desk.Next(*newest, "rehearsal: stream removed");
  if (!Erase(next)) return Status::Ok();
  return desk.Store(TopologyEpoch::Of(std::move(next))).status();
}

}  // namespace databus
