#include "worker/divergence.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/planted.h"
#include "commit/minute_tree.h"
#include "worker/fetch.h"

namespace databus {
namespace {

// How many minutes one run of one group changes at most, so that the other groups get their turn.
constexpr int kMinutesPerRunMax = 120;

// What the tree holds of a minute, described or not; nothing where there is no such directory.
Result<MinuteFiles> ReadOrNothing(MinuteContent& content, const std::string& stream,
                                  Minute minute) {
  auto files = content.Read(stream, minute);
  if (files.code() == Code::kNotFound) return MinuteFiles();
  return files;
}

}  // namespace

Result<Divergence::Progress> Divergence::Run(GroupWriter& writer, const Streams& of) {
  DATABUS_ASSIGN_OR_RETURN(const Due due, FindDue(writer, of));
  const auto key = std::pair(of.primary, of.group);
  if (due.empty()) {
    plans_.erase(key);
    return Progress::kDone;
  }
  const auto known = plans_.find(key);
  if (known == plans_.end() || known->second.epoch != writer.staging().epoch()) {
    for (const auto& [name, reason] : due) {
      options_.stats.SetDivergent(name, fmt::format("{}: is compared with {}", name, of.primary));
    }
    DATABUS_ASSIGN_OR_RETURN(const bool begun, HasBegun(of, due));
    if (!begun) return Progress::kUnderWay;
    DATABUS_ASSIGN_OR_RETURN(Plan made, MakePlan(writer, of, due));
    DATABUS_ASSIGN_OR_RETURN(const bool closed, IsClosedThere(of, made));
    if (!closed) return Progress::kUnderWay;
    plans_[key] = std::move(made);
  }
  Plan& plan = plans_[key];
  Tell(of, plan);
  DATABUS_RETURN_IF_ERROR(SetAside(writer, of, plan));
  if (!plan.surplus.empty()) return Progress::kUnderWay;
  DATABUS_RETURN_IF_ERROR(PurgeOlder(writer, plan));
  DATABUS_RETURN_IF_ERROR(Fetch(writer, of, plan));
  if (!plan.missing.empty()) return Progress::kUnderWay;
  DATABUS_RETURN_IF_ERROR(Finish(writer, of, plan));
  plans_.erase(key);
  return Progress::kDone;
}

// Without a cut there is a reason only where minutes are somebody else's: after roles were changed
// by hand.
Result<Divergence::Due> Divergence::FindDue(GroupWriter& writer, const Streams& of) {
  DATABUS_ASSIGN_OR_RETURN(const Eras* eras, options_.eras.Of(writer));
  const Ledger& ledger = writer.CopyLedger(of.primary);
  Due due;
  for (const std::string& name : of.names) {
    const StreamSpec& stream = *options_.topology.FindStream(name);
    const auto here = ledger.streams.find(name);
    const bool history = here != ledger.streams.end() && here->second.history;
    const auto era = eras->streams.find(name);
    const bool is_new =
        (stream.cut || history) && (era == eras->streams.end() || era->second != EraOf(stream));
    if (is_new) {
      due.emplace(name, Reason::kNewEra);
    } else if (doubted_.contains(name)) {
      due.emplace(name, Reason::kDoubt);
    }
  }
  return due;
}

Result<bool> Divergence::HasBegun(const Streams& of, const Due& due) {
  if (Planted(Bug::kEraNotAwaited)) return true;
  DATABUS_ASSIGN_OR_RETURN(const Eras there, ReadEras(of.source, of.group));
  bool all = true;
  for (const auto& [name, reason] : due) {
    const StreamSpec& stream = *options_.topology.FindStream(name);
    const auto era = there.streams.find(name);
    if (!stream.cut || (era != there.streams.end() && era->second == EraOf(stream))) continue;
    all = false;
    Notice(name,
           fmt::format("{} has not begun to publish {} after {}", of.primary, name,
                       stream.cut->ToIso()),
           "then the minutes here are compared with those there");
  }
  return all;
}

Result<Divergence::Plan> Divergence::MakePlan(GroupWriter& writer, const Streams& of,
                                              const Due& due) {
  Plan plan;
  plan.epoch = writer.staging().epoch();
  const std::optional<Minute> closed = writer.CopyLedger(of.primary).closed;
  plan.last = closed;
  Comparison comparison(writer.staging().storage(), of.source, of.group);
  const auto compare = [&](const std::string& name) -> Status {
    if (plan.streams.contains(name)) return Status::Ok();
    const StreamSpec& stream = *options_.topology.FindStream(name);
    DATABUS_ASSIGN_OR_RETURN(Compared compared, comparison.Compare(name, stream.cut));
    plan.last = std::max(plan.last, compared.equal);
    plan.streams[name] = std::move(compared);
    return Status::Ok();
  };
  for (const auto& [name, reason] : due) DATABUS_RETURN_IF_ERROR(compare(name));
  // If copies are to go on later than they stand, no stream may lack what lies between.
  for (const std::string& name : of.names) {
    if (plan.last > closed) DATABUS_RETURN_IF_ERROR(compare(name));
  }
  for (const auto& [name, compared] : plan.streams) {
    const auto reason = due.find(name);
    // Of the same era what is later is the minute that is being copied.
    const bool copied = reason == due.end() || reason->second == Reason::kDoubt;
    for (const Minute minute : compared.here) {
      if (copied && minute > plan.last) continue;
      if (minute > plan.last || compared.wrong.contains(minute)) plan.surplus.emplace(minute, name);
    }
    for (const Minute minute : compared.wrong) {
      if (minute <= plan.last && compared.there.contains(minute)) {
        plan.missing.emplace(minute, name);
      }
    }
  }
  if (Planted(Bug::kDivergentKept)) plan.surplus.clear();
  return plan;
}

Result<bool> Divergence::IsClosedThere(const Streams& of, const Plan& plan) {
  DATABUS_ASSIGN_OR_RETURN(const std::optional<Minute> closed,
                           NewestManifest(of.source, View::kMerged, of.group, ""));
  if (!closed || plan.last <= closed) return true;
  for (const auto& [name, compared] : plan.streams) {
    Notice(name,
           fmt::format("{} has closed {}, {} is here", of.primary, closed->ToIso(),
                       plan.last->ToIso()),
           "goes on when it is closed there, too");
  }
  return false;
}

void Divergence::Tell(const Streams& of, const Plan& plan) {
  for (const auto& [name, compared] : plan.streams) {
    const auto count = [&stream = name](const std::set<Place>& places) {
      return std::count_if(places.begin(), places.end(),
                           [&](const Place& place) { return place.second == stream; });
    };
    const auto surplus = count(plan.surplus);
    const auto missing = count(plan.missing);
    if (surplus == 0 && missing == 0) continue;
    Notice(name,
           fmt::format("{}: not as at {}: minutes to set aside {}, to fetch {}; equal up to {}",
                       name, of.primary, surplus, missing,
                       compared.equal ? compared.equal->ToIso() : "nothing"),
           fmt::format("what is set aside goes to {}; nothing to do", paths::DivergentRoot()));
  }
}

Status Divergence::SetAside(GroupWriter& writer, const Streams& of, Plan& plan) {
  for (int i = 0; i < kMinutesPerRunMax && !plan.surplus.empty(); ++i) {
    const auto newest = std::prev(plan.surplus.end());
    DATABUS_RETURN_IF_ERROR(SetAsideMinute(writer, of, plan, *newest));
    plan.surplus.erase(newest);
  }
  return Status::Ok();
}

Status Divergence::SetAsideMinute(GroupWriter& writer, const Streams& of, const Plan& plan,
                                  const Place& place) {
  const auto& [minute, name] = place;
  MinuteContent here(writer.staging().storage(), View::kMerged, of.group);
  MinuteChange change{of.primary, name, minute, {}, {}, {}};
  DATABUS_ASSIGN_OR_RETURN(change.out, ReadOrNothing(here, name, minute));
  if (minute > plan.last || !plan.streams.at(name).there.contains(minute)) {
    change.directory = MinuteChange::Directory::kGoes;
    return writer.ChangeMinute(std::move(change));
  }
  MinuteContent there(of.source, View::kMerged, of.group);
  DATABUS_ASSIGN_OR_RETURN(const MinuteFiles right, ReadOrNothing(there, name, minute));
  change.holds = change.out;
  change.out = Without(change.out, right);
  if (change.out.empty()) return Status::Ok();
  for (const auto& [file, facts] : change.out) change.holds.erase(file);
  return writer.ChangeMinute(std::move(change));
}

// P35: of the streams of which all that is here is older than anything at the primary.
Status Divergence::PurgeOlder(GroupWriter& writer, const Plan& plan) {
  for (const auto& [name, compared] : plan.streams) {
    if (compared.too_old == Compared::TooOld::kNo) continue;
    std::set<Minute> hours;
    DATABUS_RETURN_IF_ERROR(WalkHours(
        writer.staging().storage(), paths::Stream(View::kMerged, name), kFirstMinute,
        *compared.there.begin() + -1, Order::kAscending, [&](Minute hour, const DirEntry&) {
          hours.insert(hour);
          return Walk::kContinue;
        }));
    for (const Minute hour : hours) DATABUS_RETURN_IF_ERROR(writer.RemoveHour(name, hour));
  }
  return Status::Ok();
}

Status Divergence::Fetch(GroupWriter& writer, const Streams& of, Plan& plan) {
  for (int i = 0; i < kMinutesPerRunMax && !plan.missing.empty(); ++i) {
    DATABUS_RETURN_IF_ERROR(FetchMinute(writer, of, *plan.missing.begin()));
    plan.missing.erase(plan.missing.begin());
  }
  return Status::Ok();
}

Status Divergence::FetchMinute(GroupWriter& writer, const Streams& of, const Place& place) {
  const auto& [minute, name] = place;
  MinuteContent here(writer.staging().storage(), View::kMerged, of.group);
  MinuteContent there(of.source, View::kMerged, of.group);
  MinuteChange change{of.primary, name, minute, {}, {}, {}};
  auto right = there.Read(name, minute);
  if (right.code() == Code::kNotFound) return Status::Ok();  // purged meanwhile
  DATABUS_RETURN_IF_ERROR(right.status());
  DATABUS_ASSIGN_OR_RETURN(const MinuteFiles present, ReadOrNothing(here, name, minute));
  DATABUS_ASSIGN_OR_RETURN(change.in,
                           FetchFiles(writer, {of.source, name, minute, options_.copy_threads},
                                      Without(*right, present)));
  for (const NewFile& file : change.in) {
    options_.stats.AddFile("mirror", name, file.facts.messages, file.facts.length,
                           options_.clock.Wall());
  }
  change.holds = *std::move(right);
  return writer.ChangeMinute(std::move(change));
}

Status Divergence::Finish(GroupWriter& writer, const Streams& of, const Plan& plan) {
  if (plan.last > writer.CopyLedger(of.primary).closed) {
    MinuteContent there(of.source, View::kMerged, of.group);
    Manifest manifest{View::kMerged, of.group, *plan.last, of.primary, {}};
    for (const auto& [name, compared] : plan.streams) {
      if (!compared.there.contains(*plan.last)) continue;
      DATABUS_ASSIGN_OR_RETURN(manifest.streams[name], ReadOrNothing(there, name, *plan.last));
    }
    DATABUS_RETURN_IF_ERROR(writer.SkipCopies(manifest));
  }
  DATABUS_ASSIGN_OR_RETURN(const Eras* known, options_.eras.Of(writer));
  Eras eras = *known;
  for (const auto& [name, compared] : plan.streams) {
    eras.streams[name] = EraOf(*options_.topology.FindStream(name));
  }
  DATABUS_RETURN_IF_ERROR(options_.eras.Set(writer, std::move(eras)));
  DATABUS_RETURN_IF_ERROR(writer.Reload());
  for (const auto& [name, compared] : plan.streams) {
    doubted_.erase(name);
    ClearNotice(name);
  }
  return Status::Ok();
}

void Divergence::Notice(const std::string& stream, const std::string& what,
                        const std::string& next) {
  options_.stats.SetDivergent(stream, what);
  options_.problems.Raise(fmt::format("{} divergent {}", options_.cluster, stream), what, next);
}

void Divergence::ClearNotice(const std::string& stream) {
  options_.stats.SetDivergent(stream, "");
  options_.problems.Clear(fmt::format("{} divergent {}", options_.cluster, stream));
}

}  // namespace databus
