#include "cli/failover/scratch_stream.h"

#include <fmt/format.h>

#include <algorithm>
#include <ostream>
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

Result<std::optional<uint64_t>> RemoveScratchStream(TopologyDesk& desk) {
  DATABUS_ASSIGN_OR_RETURN(const SharedEpoch newest, desk.Look().Newest());
  StoredTopology next = desk.Next(*newest, "rehearsal: stream removed");
  if (!Erase(next)) return std::optional<uint64_t>();
  const TopologyEpoch epoch = TopologyEpoch::Of(std::move(next));
  DATABUS_RETURN_IF_ERROR(desk.Store(epoch).status());
  return std::optional(epoch.stored.epoch);
}

bool RemoveScratchStream(TopologyDesk& desk, std::ostream& err) {
  const auto removed = RemoveScratchStream(desk);
  if (!removed.ok()) {
    err << fmt::format("databus: the scratch stream of the rehearsal stays: {}\n",
                       removed.status().message());
  } else if (*removed) {
    err << fmt::format(
        "databus: the scratch stream of the rehearsal is removed by topology epoch "
        "{}\n",
        **removed);
  }
  return removed.ok();
}

}  // namespace databus
