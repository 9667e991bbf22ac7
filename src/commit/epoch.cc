#include "commit/epoch.h"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "base/planted.h"
#include "commit/cluster_id.h"

namespace databus {
namespace {

struct Listing {
  std::vector<uint64_t> live;        // ascending
  std::vector<uint64_t> fenced;      // ascending
  std::vector<std::string> unnamed;  // directories of takers that have not got a number (yet)

  uint64_t Highest() const {
    const bool no_fenced = fenced.empty() || Planted(Bug::kFencedNotCounted);
    return std::max(live.empty() ? 0 : live.back(), no_fenced ? 0 : fenced.back());
  }
};

constexpr std::string_view kUnnamedPrefix = "new-";

Result<Listing> ListEpochs(Storage& storage, View view, Group group) {
  auto listed = storage.List(paths::Staging(view, group));
  if (Planted(Bug::kEpochsListedAsNone) && listed.unknown()) listed = std::vector<DirEntry>();
  DATABUS_ASSIGN_OR_RETURN(const std::vector<DirEntry> entries, std::move(listed));
  Listing listing;
  for (const DirEntry& entry : entries) {
    if (const auto name = paths::ParseStagingName(entry.name)) {
      (name->fenced ? listing.fenced : listing.live).push_back(name->epoch);
    } else if (entry.name.starts_with(kUnnamedPrefix)) {
      listing.unnamed.push_back(paths::Join(paths::Staging(view, group), entry.name));
    }
  }
  std::sort(listing.live.begin(), listing.live.end());
  std::sort(listing.fenced.begin(), listing.fenced.end());
  return listing;
}

// A directory of one's own under the next free number.
Result<uint64_t> MakeOwn(Storage& storage, Random& random, View view, Group group) {
  const std::string base = paths::Staging(view, group);
  DATABUS_RETURN_IF_ERROR(
      EnsureDirsBelow(storage, std::string(paths::Parent(paths::Parent(base))), base));
  const std::string unnamed = paths::Join(base, std::string(kUnnamedPrefix) + random.Hex(16));
  DATABUS_RETURN_IF_ERROR(storage.MakeDir(unnamed));
  while (true) {
    DATABUS_ASSIGN_OR_RETURN(const Listing listing, ListEpochs(storage, view, group));
    if (Planted(Bug::kEpochReused) && !listing.live.empty()) return listing.live.back();
    // Nobody counts so far: it is a directory of somebody else's.
    if (listing.Highest() == std::numeric_limits<uint64_t>::max()) {
      return Status(Code::kRefused, fmt::format("{}: there is no number after {}; move it away",
                                                base, listing.Highest()));
    }
    const uint64_t epoch = listing.Highest() + 1;
    const Status named = storage.Rename(unnamed, paths::EpochStaging(view, group, epoch));
    if (named.ok() || (Planted(Bug::kEpochAnswerLost) && named.unknown())) return epoch;
    if (named.code() == Code::kExists) continue;  // another taker got this number
    // Also when the answer was lost. That the unnamed directory is gone would not prove that the
    // number is ours: another taker may have it, and have removed what it took for a dead one's.
    return named.WithContext("taking an epoch");
  }
}

Status FenceLower(Storage& storage, View view, Group group, const Listing& listing,
                  uint64_t epoch) {
  std::vector<Move> moves;
  for (const uint64_t lower : listing.live) {
    if (lower >= epoch || Planted(Bug::kNoFence)) continue;
    moves.push_back(
        {paths::EpochStaging(view, group, lower), paths::FencedStaging(view, group, lower)});
  }
  if (moves.empty()) return Status::Ok();
  const std::vector<Status> answers = storage.Renames(moves);
  for (size_t i = 0; i < moves.size(); ++i) {
    Status fenced = answers[i];
    if (fenced.code() == Code::kExists) {
      // This number is fenced already: a slow taker has got it a second time. It will find that it
      // is overtaken, so its directory is empty and stays so.
      fenced = storage.Remove(moves[i].from);
    }
    // kNotFound: another taker has fenced it; the next listing tells.
    if (!fenced.ok() && fenced.code() != Code::kNotFound) return fenced.WithContext("fencing");
  }
  return Status::Ok();
}

}  // namespace

Result<TakenEpoch> TakeEpoch(Storage& storage, Random& random, View view, Group group) {
  DATABUS_ASSIGN_OR_RETURN(const uint64_t epoch, MakeOwn(storage, random, view, group));
  while (true) {
    DATABUS_ASSIGN_OR_RETURN(const Listing listing, ListEpochs(storage, view, group));
    const bool own_is_live = std::binary_search(listing.live.begin(), listing.live.end(), epoch);
    if ((listing.Highest() > epoch || !own_is_live) && !Planted(Bug::kOvertakenGoesOn)) {
      return Status(Code::kStale, fmt::format("{}: epoch {} of {} group {} was overtaken by {}",
                                              storage.Describe(), epoch, ViewName(view), group,
                                              listing.Highest()));
    }
    if (listing.live.size() == 1 || Planted(Bug::kNoFence) || Planted(Bug::kOvertakenGoesOn)) {
      // Takers that died before they got a number. One that is only slow fails, and starts again.
      for (const Status& removed : storage.Removes(listing.unnamed)) {
        if (removed.unknown()) return removed;
      }
      return TakenEpoch{epoch, listing.fenced};
    }
    DATABUS_RETURN_IF_ERROR(FenceLower(storage, view, group, listing, epoch));
  }
}

}  // namespace databus
