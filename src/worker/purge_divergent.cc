// What a stale primary had published and was set aside (P32) goes, out of system/divergent/ into
// the trash, when the present primary's closed minutes hold it (P34): so system/divergent/ holds
// only what is still to be merged, and looking through it costs no more than that. The trash keeps
// it for its own retention.
#include <set>
#include <utility>

#include <fmt/format.h>

#include "commit/apply.h"
#include "commit/cluster_id.h"
#include "commit/ledger.h"
#include "commit/minute_tree.h"
#include "telemetry/log.h"
#include "worker/purge_service.h"

namespace databus {
namespace {

constexpr int kMinutesPerHour = 60;
// How many minutes of a stream one purge looks at, so that the other streams get their turn.
constexpr size_t kMinutesPerPurgeMax = 1000;

// Removes a directory and those above it, up to system/divergent/, as far as they are empty.
void RemoveEmpty(Storage& storage, std::string_view dir) {
  for (; dir != paths::DivergentRoot(); dir = paths::Parent(dir)) {
    if (!storage.Remove(std::string(dir)).ok()) return;
  }
}

}  // namespace

void PurgeService::PurgeDivergent() {
  Storage* own = options_.clusters.Find(options_.cluster);
  if (own == nullptr) return;
  const auto eras = own->List(paths::DivergentRoot());
  if (!eras.ok()) return;
  std::set<std::string> topics;
  bool all_listed = true;
  Ended ended = Ended::kWell;
  for (const DirEntry& era : *eras) {
    const auto streams = own->List(paths::Join(paths::DivergentRoot(), era.name));
    if (!streams.ok()) {
      all_listed = false;
      continue;
    }
    for (const DirEntry& entry : *streams) {
      const StreamSpec* stream = options_.topology.FindStream(entry.name);
      if (stream == nullptr) continue;  // nobody is configured to merge it
      if (!options_.writers.Holds(GroupOf(stream->name, options_.writers.groups()))) continue;
      const std::string topic =
          fmt::format("{} purge divergent {} {}", options_.cluster, era.name, stream->name);
      topics.insert(topic);
      if (PurgeDivergent(era.name, *stream, topic) != Ended::kWell) ended = Ended::kToBeTriedAgain;
    }
  }
  // What an operator has moved away is no problem any more.
  for (const std::string& told : told_divergent_) {
    if (all_listed && !topics.contains(told)) options_.problems.Clear(told);
  }
  if (!all_listed) topics.merge(told_divergent_);
  told_divergent_ = std::move(topics);
  if (ended != Ended::kWell) Again("divergent minutes", [this] { PurgeDivergent(); });
}

PurgeService::Ended PurgeService::PurgeDivergent(const std::string& era, const StreamSpec& stream,
                                                 const std::string& topic) {
  const Group group = GroupOf(stream.name, options_.writers.groups());
  Ended ended = Ended::kWell;
  options_.writers.With(group, "purge of divergent minutes", [&](GroupWriter& writer) {
    const Result<Need> kept = PurgeDivergentStream(writer, era, stream);
    const Status& purged = kept.status();
    if (purged.code() == Code::kStopped) return purged;
    if (kept.ok() && kept->empty()) options_.problems.Clear(topic);
    if (kept.ok() && !kept->empty()) {
      options_.problems.Raise(topic, *kept, "it is kept; " + WhenAgain());
    }
    if (kept.ok()) return Status::Ok();
    options_.problems.Raise(topic, purged.ToString(), "tried again in a minute");
    ended = Ended::kToBeTriedAgain;
    return purged.code() == Code::kStale ? purged : Status::Ok();
  });
  return ended;
}

Result<PurgeService::Need> PurgeService::PurgeDivergentStream(GroupWriter& writer,
                                                              const std::string& era,
                                                              const StreamSpec& stream) {
  Storage& own = writer.staging().storage();
  DATABUS_ASSIGN_OR_RETURN(
      const std::vector<Minute> minutes,
      ListMinutes(own, paths::DivergentStream(era, stream.name), kFirstMinute, kLastMinute));
  const auto limit = RetentionOf(stream.name) * options_.limit_percent / 100;
  const WallTime now = options_.clock.Wall();
  Need kept_too_long;
  size_t looked_at = 0;
  for (const Minute minute : minutes) {
    DATABUS_RETURN_IF_ERROR(writer.GoOn());
    if (++looked_at > kMinutesPerPurgeMax) break;
    DATABUS_ASSIGN_OR_RETURN(const Need need, PurgeDivergentMinute(own, era, stream, minute));
    if (need.empty() || (minute + kMinutesPerHour).Start() + limit > now) continue;
    if (kept_too_long.empty()) kept_too_long = need;
  }
  if (kept_too_long.empty()) return kept_too_long;
  return fmt::format(
      "what was set aside of {} is past the retention limit and is not in the merged stream: {}",
      stream.name, kept_too_long);
}

// Why something of it stays; empty: all of it has gone.
Result<PurgeService::Need> PurgeService::PurgeDivergentMinute(Storage& own, const std::string& era,
                                                              const StreamSpec& stream,
                                                              Minute minute) {
  const std::string dir = paths::DivergentMinute(era, stream.name, minute);
  const std::string trash =
      paths::Join(paths::TrashHour(options_.clock.Wall()), dir.substr(dir.find('/') + 1));
  DATABUS_ASSIGN_OR_RETURN(const std::vector<DirEntry> entries, own.List(dir));
  const Due due{stream.name, minute, false};
  Need need;
  std::vector<Move> moves;
  const auto goes = [&](const std::string& name) {
    moves.push_back({paths::Join(dir, name), paths::Join(trash, name)});
  };
  for (const DirEntry& entry : entries) {
    if (entry.info.kind != NodeKind::kFile || entry.name.ends_with(kReasonSuffix)) continue;
    const auto facts = ReadFacts(own, paths::Join(dir, entry.name));
    if (facts.unknown()) return facts.status();
    Need of_file = facts.ok() ? facts->damage : facts.status().message();
    if (of_file.empty()) {
      DATABUS_ASSIGN_OR_RETURN(of_file, MissingAnywhere(stream, due, {{entry.name, facts->file}}));
    }
    if (of_file.empty()) {
      goes(entry.name);
    } else if (need.empty()) {
      need = fmt::format("{}: {}", paths::Join(dir, entry.name), of_file);
    }
  }
  if (need.empty()) {
    for (const DirEntry& entry : entries) {
      if (entry.name.ends_with(kReasonSuffix)) goes(entry.name);
    }
  }
  if (!moves.empty()) {
    DATABUS_RETURN_IF_ERROR(EnsureDirsBelow(own, paths::TrashRoot(), trash));
    for (const Status& moved : own.Renames(moves)) {
      if (moved.unknown()) return moved;
      if (!moved.ok() && moved.code() != Code::kNotFound && need.empty()) need = moved.message();
    }
    LogInfo("worker", "divergent minute is merged; it is in the trash now",
            {{"cluster", options_.cluster}, {"minute", dir}, {"files", moves.size()}});
  }
  if (need.empty()) RemoveEmpty(own, dir);
  return need;
}

}  // namespace databus
