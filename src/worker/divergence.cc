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
// A purge takes nothing younger than the retention; by how much the clock there may be ahead.
constexpr std::chrono::minutes kPurgeMargin{10};
// And how many files it reads at most to compare them.
constexpr uint64_t kReadsPerRunMax = 2'000;

// What is described of a minute, or what lies there; nothing where neither is.
Result<MinuteFiles> ReadOrNothing(MinuteContent& content, const std::string& stream,
                                  Minute minute) {
  auto files = content.Read(stream, minute);
  if (files.code() == Code::kNotFound) return MinuteFiles();
  return files;
}

bool LacksBefore(const Compared& compared, std::optional<Minute> open) {
  return std::ranges::any_of(compared.there, [&](Minute minute) {
    return minute < open && !compared.here.contains(minute);
  });
}

// The first minute of the group that a manifest describes, whoever closed it.
Result<std::optional<Minute>> FirstDescribed(Storage& storage, Group group) {
  std::optional<Minute> first;
  DATABUS_RETURN_IF_ERROR(
      WalkHours(storage, paths::ManifestRoot(View::kMerged, group), kFirstMinute, kLastMinute,
                Order::kAscending, [&](Minute hour, const DirEntry& entry) {
                  if (first && hour > *first) return Walk::kStop;
                  const auto name = paths::ManifestName::Parse(entry.name);
                  const auto minute = name ? MinuteInHour(hour, name->minute) : std::nullopt;
                  if (minute) first = std::min(first.value_or(*minute), *minute);
                  return Walk::kContinue;
                }));
  return first;
}

}  // namespace

Result<Divergence::Outcome> Divergence::Run(GroupWriter& writer, const Streams& of) {
  const auto key = std::pair(of.primary, of.group);
  while (true) {
    DATABUS_RETURN_IF_ERROR(writer.GoOn());
    Outcome outcome;
    DATABUS_ASSIGN_OR_RETURN(Due due, FindDue(writer, of));
    for (const auto& [name, reason] : due) {
      if (plans_.contains(key) || comparing_.contains(key)) break;  // says more
      Say(name, fmt::format("{}: is compared with {}", name, of.primary));
    }
    DATABUS_ASSIGN_OR_RETURN(outcome.waiting, TakeWaiting(writer, of, due));
    ForgetSettled(of, due, outcome.waiting);
    if (due.empty()) {
      plans_.erase(key);
      comparing_.erase(key);
      return outcome;
    }
    outcome.progress = Progress::kUnderWay;
    const auto known = plans_.find(key);
    if (known == plans_.end() || known->second.epoch != writer.staging().epoch()) {
      DATABUS_ASSIGN_OR_RETURN(std::optional<Plan> made, Prepare(writer, of, due, outcome.waiting));
      if (!made && LeavesOut(of.names, outcome.waiting)) continue;  // without it
      if (!made) return outcome;
      comparing_.erase(key);
      plans_[key] = *std::move(made);
    }
    Plan& plan = plans_[key];
    Tell(of, plan);
    DATABUS_ASSIGN_OR_RETURN(const Went went, CarryOut(writer, of, plan));
    if (went == Went::kOn) return outcome;
    plans_.erase(key);  // and what became due meanwhile is next
    // What was changed by then stays so, if nothing more is to be done about the others.
    if (went == Went::kWithout) DATABUS_RETURN_IF_ERROR(writer.Reload());
  }
}

Result<Divergence::Went> Divergence::CarryOut(GroupWriter& writer, const Streams& of, Plan& plan) {
  Sides sides{{writer.staging().storage(), View::kMerged, of.group},
              {of.source, View::kMerged, of.group}};
  DATABUS_ASSIGN_OR_RETURN(Went went, SetAside(writer, of, sides, plan));
  if (went == Went::kWithout || !plan.surplus.empty() || !plan.leading.empty()) return went;
  DATABUS_RETURN_IF_ERROR(PurgeOlder(writer, plan));
  DATABUS_ASSIGN_OR_RETURN(went, Fetch(writer, of, sides, plan));
  if (went == Went::kWithout || !plan.missing.empty() || !plan.undescribed.empty()) return went;
  return Finish(writer, of, sides, plan);
}

UnreadStreams::Sides Divergence::SidesOf(const std::string& cluster, GroupWriter& writer,
                                         const Streams& of) {
  return {of.group, {cluster, writer.staging().storage()}, {of.primary, of.source}};
}

Result<bool> Divergence::IsRead(GroupWriter& writer, const Streams& of, const std::string& stream,
                                std::optional<Minute> minute, const Status& looked) {
  if (looked.ok()) return true;
  const auto sides = SidesOf(options_.cluster, writer, of);
  if (!unread_.Note(sides, stream, minute, looked)) return looked;
  // What the others go on with meanwhile, it lacks.
  doubted_.insert(stream);
  return false;
}

bool Divergence::LeavesOut(const std::vector<std::string>& streams,
                           const std::set<std::string>& waiting) const {
  return std::ranges::any_of(streams, [&](const std::string& name) {
    return unread_.Contains(name) && !waiting.contains(name);
  });
}

// Without a cut there is a reason only where minutes are somebody else's, after roles were changed
// by hand; or where an era was begun that the topology does not tell of.
Result<Divergence::Due> Divergence::FindDue(GroupWriter& writer, const Streams& of) {
  DATABUS_ASSIGN_OR_RETURN(const Eras* eras, options_.eras.Of(writer));
  const Ledger& ledger = writer.CopyLedger(of.primary);
  Due due;
  for (const std::string& name : of.names) {
    const StreamSpec& stream = *options_.topology.FindStream(name);
    const auto here = ledger.streams.find(name);
    const bool history = here != ledger.streams.end() && here->second.history;
    const bool is_new = !eras->HasBegun(stream) || (history && !eras->IsIn(stream));
    if (is_new) {
      due.emplace(name, Reason::kNewEra);
    } else if (doubted_.contains(name) || unread_.Contains(name)) {
      due.emplace(name, Reason::kDoubt);
    }
  }
  return due;
}

Result<std::set<std::string>> Divergence::TakeWaiting(GroupWriter& writer, const Streams& of,
                                                      Due& due) {
  std::set<std::string> asked;
  for (const auto& [name, reason] : due) asked.insert(name);
  std::set<std::string> waiting = unread_.Waiting(SidesOf(options_.cluster, writer, of), asked);
  for (const std::string& name : waiting) {
    Say(name, fmt::format("{}: is compared with {} when it can be read", name, of.primary));
    due.erase(name);
  }
  if (due.empty() || Planted(Bug::kEraNotAwaited)) return waiting;
  DATABUS_ASSIGN_OR_RETURN(const Eras there, ReadEras(of.source, of.group));
  for (const auto& [name, reason] : due) {
    const StreamSpec& stream = *options_.topology.FindStream(name);
    if (EraOf(stream).IsFirst() || there.IsIn(stream)) continue;
    waiting.insert(name);
    Notice(name,
           fmt::format("{} has not begun to publish {} {}", of.primary, name,
                       stream.cut ? "after " + stream.cut->ToIso() : "as it was settled"),
           "then the minutes here are compared with those there; the other streams go on");
  }
  for (const std::string& name : waiting) due.erase(name);
  return waiting;
}

Status Divergence::CheckThere(const Streams& of) {
  return options_.clusters.CheckStill(of.primary)
      .WithContext(of.primary + " went away while minutes were compared with it");
}

Result<std::optional<Divergence::Plan>> Divergence::Prepare(GroupWriter& writer, const Streams& of,
                                                            const Due& due,
                                                            const std::set<std::string>& waiting) {
  auto made = Compare(writer, of, due, waiting);
  if (made.ok() && *made) {
    const auto closed = IsClosedThere(of, **made);
    if (!closed.ok()) made = closed.status();
    if (closed.ok() && !*closed) made = std::optional<Plan>();
  }
  const Status there = CheckThere(of);
  if (!there.ok()) comparing_.erase({of.primary, of.group});
  DATABUS_RETURN_IF_ERROR(there);
  return made;
}

Result<std::optional<Divergence::Plan>> Divergence::Compare(GroupWriter& writer, const Streams& of,
                                                            const Due& due,
                                                            const std::set<std::string>& waiting) {
  Comparing& state = comparing_[{of.primary, of.group}];
  const uint64_t epoch = writer.staging().epoch();
  if (state.epoch != epoch) {
    DATABUS_ASSIGN_OR_RETURN(const auto here, FirstDescribed(writer.staging().storage(), of.group));
    DATABUS_ASSIGN_OR_RETURN(const auto there, FirstDescribed(of.source, of.group));
    state = Comparing{.epoch = epoch, .described = here, .described_there = there};
  }
  const MinuteComparison::Trees trees{writer.staging().storage(), of.source};
  uint64_t budget = kReadsPerRunMax;
  const auto add = [&](const std::string& name) {
    const auto reason = due.find(name);
    const bool is_new = reason != due.end() && reason->second == Reason::kNewEra;
    const auto bounds = BoundsOf(name, is_new ? IsNew::kYes : IsNew::kNo, state);
    return state.streams.try_emplace(name, bounds).second;
  };
  for (const auto& [name, reason] : due) add(name);
  Plan plan;
  plan.epoch = epoch;
  const std::optional<Minute> closed = writer.CopyLedger(of.primary).closed;
  const std::optional<Minute> open = writer.CopyLedger(of.primary).open;
  while (true) {
    DATABUS_ASSIGN_OR_RETURN(auto compared,
                             state.comparison.Compare(trees, of.group, state.streams, budget));
    bool without = false;
    for (const auto& [name, unread] : state.comparison.TakeUnread()) {
      state.streams.erase(name);
      DATABUS_RETURN_IF_ERROR(IsRead(writer, of, name, unread.minute, unread.why).status());
      without = true;
    }
    if (without) return std::optional<Plan>();
    if (!compared) {
      TellProgress(of, due, state.comparison);
      return std::optional<Plan>();
    }
    plan.streams.clear();
    plan.last = closed;
    for (const auto& [name, reason] : due) {
      const Compared& found = compared->at(name);
      plan.last = std::max(plan.last, found.equal);
      // It lacks minutes before the open one, which others have: copies would leave a hole.
      if (LacksBefore(found, open)) plan.last = std::max(plan.last, std::optional(*open + -1));
    }
    bool more = false;
    std::set<std::string> of_plan;
    for (const auto& [name, reason] : due) of_plan.insert(name);
    // If copies are to go on later than they stand, no stream may lack what lies between.
    for (const std::string& name : of.names) {
      if (plan.last <= closed || waiting.contains(name)) continue;
      of_plan.insert(name);
      more = add(name) || more;
    }
    if (more) continue;
    for (const std::string& name : of_plan) {
      plan.last = std::max(plan.last, compared->at(name).equal);
      plan.streams[name] = std::move(compared->at(name));
    }
    break;
  }
  FillPlan(due, plan);
  return std::optional<Plan>(std::move(plan));
}

Comparison::Bounds Divergence::BoundsOf(const std::string& stream, IsNew is_new,
                                        const Comparing& state) const {
  const StreamSpec& spec = *options_.topology.FindStream(stream);
  Comparison::Bounds bounds{.cut = spec.cut};
  const auto kept = [&](const std::string& cluster) {
    const auto time = options_.topology.MergedRetention(cluster, stream) - kPurgeMargin;
    return std::max(kFirstMinute, Minute::Of(options_.clock.Wall() - time));
  };
  if (is_new == IsNew::kNo) return bounds;
  bounds.kept_from = kept(options_.cluster);
  // What the primary has not got, cannot have purged, or would describe if it had (P19), it never
  // had: it may have begun to publish after what another one had published by then. Minutes of the
  // original system are left alone.
  const Minute known_there =
      std::min(kept(spec.Primary()), state.described_there.value_or(kLastMinute));
  bounds.kept_there = std::max(known_there, state.described.value_or(kFirstMinute));
  return bounds;
}

void Divergence::FillPlan(const Due& due, Plan& plan) {
  for (const auto& [name, compared] : plan.streams) {
    const auto reason = due.find(name);
    // Of the same era what is later is the minute that is being copied.
    const bool copied = reason == due.end() || reason->second == Reason::kDoubt;
    for (const Minute minute : compared.here) {
      if (copied && minute > plan.last) continue;
      if (minute <= plan.last && !compared.wrong.contains(minute)) continue;
      (IsBeforeWhatStays(plan, compared, minute) ? plan.leading : plan.surplus)[minute].insert(
          name);
    }
    for (const Minute minute : compared.wrong) {
      if (minute <= plan.last && compared.there.contains(minute)) {
        plan.missing[minute].insert(name);
      }
    }
    for (const Minute minute : compared.undescribed) {
      if (minute <= plan.last) plan.undescribed[minute].insert(name);
    }
  }
  if (Planted(Bug::kDivergentKept)) plan.surplus.clear();
  if (Planted(Bug::kDivergentKept)) plan.leading.clear();
  for (const Places* places : {&plan.surplus, &plan.leading}) {
    for (const auto& [minute, names] : *places) {
      for (const std::string& name : names) ++plan.left[name].surplus;
    }
  }
  for (const auto& [minute, names] : plan.missing) {
    for (const std::string& name : names) ++plan.left[name].missing;
  }
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

void Divergence::TellProgress(const Streams& of, const Due& due, const Comparison& comparison) {
  const std::optional<Minute> minute = comparison.compared_to();
  for (const auto& [name, reason] : due) {
    Say(name, fmt::format("{}: is compared with {}, up to {} so far", name, of.primary,
                          minute ? minute->ToIso() : "nothing"));
  }
}

void Divergence::Tell(const Streams& of, const Plan& plan) {
  for (const auto& [name, left] : plan.left) {
    if (left.surplus == 0 && left.missing == 0) continue;
    const std::optional<Minute>& equal = plan.streams.at(name).equal;
    Notice(
        name,
        fmt::format("{}: not as at {}: minutes to set aside {}, to fetch {}; equal up to {}", name,
                    of.primary, left.surplus, left.missing, equal ? equal->ToIso() : "nothing"),
        fmt::format("what is set aside goes to {}; nothing to do", paths::DivergentRoot()));
  }
}

// Older than anything at the primary, while the directory of a later minute stays.
bool Divergence::IsBeforeWhatStays(const Plan& plan, const Compared& compared, Minute minute) {
  if (compared.there.empty() || minute >= *compared.there.begin()) return false;
  if (compared.begins_late == Compared::BeginsLate::kYes) return false;
  return std::any_of(
      compared.here.lower_bound(*compared.there.begin()), compared.here.end(),
      [&](Minute later) { return later <= plan.last && compared.there.contains(later); });
}

// The newest first; but what comes before minutes that stay goes as it would in a purge, the oldest
// first: there is never a hole.
Result<Divergence::Went> Divergence::SetAside(GroupWriter& writer, const Streams& of, Sides& sides,
                                              Plan& plan) {
  for (int i = 0; i < kMinutesPerRunMax; ++i) {
    const bool leads = plan.surplus.empty();
    Places& places = leads ? plan.leading : plan.surplus;
    if (places.empty()) break;
    DATABUS_RETURN_IF_ERROR(writer.GoOn());
    const auto next = leads ? places.begin() : std::prev(places.end());
    DATABUS_ASSIGN_OR_RETURN(const Went went, SetAsideMinute(writer, of, sides, plan, *next));
    if (went == Went::kWithout) return went;
    for (const std::string& name : next->second) --plan.left[name].surplus;
    places.erase(next);
  }
  return Went::kOn;
}

Result<Divergence::Went> Divergence::SetAsideMinute(GroupWriter& writer, const Streams& of,
                                                    Sides& sides, const Plan& plan,
                                                    const Places::value_type& place) {
  const auto& [minute, names] = place;
  MinuteChange change{of.primary, minute, {}};
  bool compared = false;
  for (const std::string& name : names) {
    MinuteChange::OfStream of_stream;
    auto present = ReadOrNothing(sides.here, name, minute);
    DATABUS_ASSIGN_OR_RETURN(bool read, IsRead(writer, of, name, minute, present.status()));
    if (!read) return Went::kWithout;
    of_stream.out = *std::move(present);
    const Compared& compared_stream = plan.streams.at(name);
    if (minute > plan.last || !compared_stream.there.contains(minute) ||
        compared_stream.begins_late == Compared::BeginsLate::kYes) {
      of_stream.directory = MinuteChange::OfStream::Directory::kGoes;
    } else {
      const auto right = ReadOrNothing(sides.there, name, minute);
      DATABUS_ASSIGN_OR_RETURN(read, IsRead(writer, of, name, minute, right.status()));
      if (!read) return Went::kWithout;
      compared = true;
      of_stream.holds = of_stream.out;
      of_stream.out = Without(of_stream.out, *right);
      if (of_stream.out.empty()) continue;
      for (const auto& [file, facts] : of_stream.out) of_stream.holds.erase(file);
    }
    change.streams.emplace(name, std::move(of_stream));
  }
  if (compared) DATABUS_RETURN_IF_ERROR(CheckThere(of));
  if (change.streams.empty()) return Went::kOn;
  DATABUS_RETURN_IF_ERROR(writer.ChangeMinute(std::move(change), sides.here));
  return Went::kOn;
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

// What is missing is fetched, what no manifest here names is described: it would be merged again if
// this cluster became the primary (P19). The oldest first, since a primary takes what is older than
// anything that is described for known.
Result<Divergence::Went> Divergence::Fetch(GroupWriter& writer, const Streams& of, Sides& sides,
                                           Plan& plan) {
  for (int i = 0; i < kMinutesPerRunMax; ++i) {
    const bool all_here = plan.missing.empty();
    if (all_here && plan.undescribed.empty()) break;
    const bool describes =
        all_here || (!plan.undescribed.empty() &&
                     plan.undescribed.begin()->first < plan.missing.begin()->first);
    Places& places = describes ? plan.undescribed : plan.missing;
    const auto oldest = places.begin();
    DATABUS_ASSIGN_OR_RETURN(const Went went, FetchMinute(writer, of, sides, *oldest));
    if (went == Went::kWithout) return went;
    for (const std::string& name : oldest->second) {
      if (!describes) --plan.left[name].missing;
    }
    places.erase(oldest);
  }
  return Went::kOn;
}

// What was fetched before a file that cannot be is not fetched again.
Result<Divergence::Went> Divergence::FetchMinute(GroupWriter& writer, const Streams& of,
                                                 Sides& sides, const Places::value_type& place) {
  const auto& [minute, names] = place;
  MinuteChange change{of.primary, minute, {}};
  Status failed;
  Went went = Went::kOn;
  for (const std::string& name : names) {
    DATABUS_RETURN_IF_ERROR(writer.GoOn());
    auto fetched = FetchStream(writer, of, sides, name, minute);
    if (!fetched.ok()) {
      const auto read = IsRead(writer, of, name, minute, fetched.status());
      failed = read.status();
      if (read.ok()) went = Went::kWithout;
      break;
    }
    if (*fetched) change.streams.emplace(name, *std::move(*fetched));
  }
  const bool all_read = failed.ok() && went == Went::kOn;
  if (all_read && change.streams.size() < names.size()) DATABUS_RETURN_IF_ERROR(CheckThere(of));
  if (change.streams.empty()) return failed.ok() ? Result<Went>(went) : failed;
  for (const auto& [name, of_stream] : change.streams) {
    for (const NewFile& file : of_stream.in) {
      options_.stats.AddFile("mirror", name, file.facts.messages, file.facts.length,
                             options_.clock.Wall());
    }
  }
  DATABUS_RETURN_IF_ERROR(writer.ChangeMinute(std::move(change), sides.here));
  DATABUS_RETURN_IF_ERROR(failed);
  return went;
}

Result<std::optional<MinuteChange::OfStream>> Divergence::FetchStream(
    GroupWriter& writer, const Streams& of, Sides& sides, const std::string& name, Minute minute) {
  MinuteChange::OfStream change;
  auto right = sides.there.Read(name, minute);
  if (right.code() == Code::kNotFound) return std::optional<MinuteChange::OfStream>();
  DATABUS_RETURN_IF_ERROR(right.status());
  DATABUS_ASSIGN_OR_RETURN(const MinuteFiles present, Present(writer, sides, name, minute));
  DATABUS_ASSIGN_OR_RETURN(change.in,
                           FetchFiles(writer, {of.source, name, minute, options_.copy_threads},
                                      Without(*right, present)));
  change.holds = *std::move(right);
  return std::optional<MinuteChange::OfStream>(std::move(change));
}

// What has been purged is described still, and comes again with what the minute lacks: a reader
// finds all of it, or nothing.
Result<MinuteFiles> Divergence::Present(GroupWriter& writer, Sides& sides, const std::string& name,
                                        Minute minute) {
  const auto dir = writer.staging().storage().Stat(paths::MinuteDir(View::kMerged, name, minute));
  if (dir.code() == Code::kNotFound) return MinuteFiles();
  DATABUS_RETURN_IF_ERROR(dir.status());
  return ReadOrNothing(sides.here, name, minute);
}

Result<Divergence::Went> Divergence::Finish(GroupWriter& writer, const Streams& of, Sides& sides,
                                            const Plan& plan) {
  if (plan.last > writer.CopyLedger(of.primary).closed) {
    Manifest manifest{View::kMerged, of.group, *plan.last, of.primary, {}};
    for (const auto& [name, compared] : plan.streams) {
      if (!compared.there.contains(*plan.last)) continue;
      auto files = ReadOrNothing(sides.there, name, *plan.last);
      DATABUS_ASSIGN_OR_RETURN(const bool read,
                               IsRead(writer, of, name, *plan.last, files.status()));
      if (!read) return Went::kWithout;
      manifest.streams[name] = *std::move(files);
    }
    DATABUS_RETURN_IF_ERROR(CheckThere(of));
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
  return Went::kToTheEnd;
}

// Another worker may have finished it, while this one had lost the lease.
void Divergence::ForgetSettled(const Streams& of, const Due& due,
                               const std::set<std::string>& waiting) {
  for (const std::string& name : of.names) {
    if (said_.contains(name) && !due.contains(name) && !waiting.contains(name)) ClearNotice(name);
  }
}

void Divergence::Say(const std::string& stream, const std::string& what) {
  said_.insert(stream);
  options_.stats.SetDivergent(stream, what);
}

void Divergence::Notice(const std::string& stream, const std::string& what,
                        const std::string& next) {
  Say(stream, what);
  options_.problems.Raise(fmt::format("{} divergent {}", options_.cluster, stream), what, next);
}

void Divergence::ClearNotice(const std::string& stream) {
  said_.erase(stream);
  options_.stats.SetDivergent(stream, "");
  options_.problems.Clear(fmt::format("{} divergent {}", options_.cluster, stream));
}

}  // namespace databus
