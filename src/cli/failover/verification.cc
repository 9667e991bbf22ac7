#include "cli/failover/verification.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "cli/table.h"
#include "cli/told_losses.h"
#include "failover/gates.h"
#include "failover/loss.h"
#include "worker/salvage.h"

namespace databus {

using failover::Journal;
using failover::Verification;
using Json = nlohmann::ordered_json;

namespace {

// Collectors' clocks may be behind a little.
constexpr int64_t kSlackMinutes = 2;

constexpr size_t kAlarmsMax = 20;  // told one by one; all are counted

// What an unplanned failover finds missing, or a failback soon after one, is merged anew when the
// new primary comes to it, which is known. A minute that its cluster cannot close, since its worker
// is gone, is never come to: after two whole passes what is missing is called so.
constexpr std::chrono::minutes kLookedThroughWithin = 2 * kSalvagePassInterval;

// From where on it is looked: a little before it began, or where the new primary began.
Minute FirstMinute(const Journal& journal) {
  Minute first = Minute::Of(journal.started);
  if (journal.kind == failover::Kind::kUnplanned) {
    for (const auto& [stream, cut] : journal.cuts) {
      // One that never had a minute says nothing of where the others began.
      if (cut && *cut != kFirstMinute.Next()) first = std::min(first, *cut);
    }
  }
  return first + (-kSlackMinutes);
}

Json ViewsOf(const SeenStream& seen) {
  Json views = Json::array();
  for (const SeenView& view : seen.views) {
    uint64_t messages = 0;
    for (const auto& file : view.files) messages += file->messages;
    views.push_back({{"cluster", view.cluster},
                     {"view", ViewName(view.view)},
                     {"files", view.files.size()},
                     {"messages", messages},
                     {"unreadable", view.unreadable}});
  }
  return views;
}

// What is lost or doubled, for whoever has to look for it.
Json AlarmsOf(const std::vector<Finding>& findings) {
  Json alarms = Json::array();
  for (const Finding& finding : findings) {
    if (finding.verdict != Verdict::kLost && finding.verdict != Verdict::kDoubled) continue;
    if (alarms.size() == kAlarmsMax) break;
    alarms.push_back(fmt::format("{} {} {} {}: {}", finding.stream, finding.cluster,
                                 ViewName(finding.view), finding.path, finding.reason));
  }
  return alarms;
}

struct Count {
  uint64_t files = 0;
  uint64_t messages = 0;
};

std::map<Verdict, Count> CountByVerdict(const std::vector<Finding>& findings) {
  std::map<Verdict, Count> counts;
  for (const Finding& finding : findings) {
    counts[finding.verdict].files += finding.files;
    counts[finding.verdict].messages += finding.messages;
  }
  return counts;
}

// The cluster that an unplanned failover has given up.
enum class Lost : uint8_t { kIsAway, kIsBack };

// What is said when nothing that was read is lost or doubled: that, and what could not be read.
// `unread`: views, and what waits at clusters. `told`: by collectors, of their spools.
std::string SentenceOfEqual(const Journal& journal, uint64_t unread, Lost lost,
                            const ToldLosses& told) {
  const auto statement = failover::LossFromJson(journal.loss);
  const bool open = statement.ok() && !statement->lines.empty();
  std::string text = unread == 0 && !open && journal.without.empty() && told.empty()
                         ? "Nothing is lost, nothing is doubled."
                         : "Of what can be read nothing is lost, nothing is doubled.";
  text += SentenceOfLossesTold(told);
  if (open && lost == Lost::kIsBack) {
    text += fmt::format(
        " {} is back: 'databus failover status' accounts for what loss statement {} names.",
        journal.change.from, statement->id);
  } else if (open) {
    text += fmt::format(
        " What loss statement {} names is known when {} is back: 'databus failover status'.",
        statement->id, journal.change.from);
  }
  if (!journal.without.empty()) {
    text += fmt::format(" Not waited for: {}.", fmt::join(journal.without, ", "));
  }
  return text;
}

// What did not answer this once. The cluster that the failover leaves may be switched off by now.
bool IsReadLater(const Finding& finding, const Journal& journal, const TopologyDesk& desk) {
  const bool may_be_off = journal.kind != failover::Kind::kFailback &&
                          finding.cluster == journal.change.from &&
                          !desk.AnsweringTrees().contains(finding.cluster);
  return finding.verdict == Verdict::kUnknown && !may_be_off &&
         !failover::IsWithout(journal.without, finding.cluster);
}

// A mirror that is waited for. One that is lost is compared when it returns.
bool IsComparedLater(const Finding& finding, const Journal& journal) {
  const bool is_lost =
      journal.kind == failover::Kind::kUnplanned && finding.divergent_at == journal.change.from;
  return !finding.divergent_at.empty() && !is_lost &&
         !failover::IsWithout(journal.without, finding.divergent_at);
}

bool IsMergedLater(const Finding& finding, const std::string& primary) {
  return finding.verdict == Verdict::kPending && finding.view == View::kMerged &&
         finding.cluster == primary && !finding.path.empty() && finding.divergent_at.empty();
}

}  // namespace

std::optional<StreamSpec> StreamToVerify(const failover::StreamChange& change,
                                         const Topology& topology) {
  const StreamSpec* const now = topology.FindStream(change.name());
  if (now == nullptr) return std::nullopt;
  StreamSpec stream = *now;
  for (const SourceSpec& source : change.before.sources) {
    if (!stream.HasSource(source.cluster)) stream.sources.push_back(source);
  }
  return stream;
}

std::vector<StreamSpec> StreamsToVerify(const Journal& journal, const Topology& topology) {
  std::vector<StreamSpec> streams;
  for (const failover::StreamChange& change : journal.change.streams) {
    if (!change.Moves()) continue;
    if (auto stream = StreamToVerify(change, topology)) streams.push_back(*std::move(stream));
  }
  return streams;
}

void FailoverVerification::Sort(const Finding& finding, const Journal& journal,
                                const std::string& primary, Waits& waits) const {
  if (finding.to_be_salvaged) {
    waits.missing.insert(finding.path);
  } else if (IsReadLater(finding, journal, desk_)) {
    waits.unread.insert(fmt::format("{} of {}: {} (or go on without it: --without {})",
                                    ViewName(finding.view), finding.cluster, finding.reason,
                                    finding.cluster));
  } else if (IsComparedLater(finding, journal)) {
    waits.divergent.insert(finding.reason);
  } else if (IsMergedLater(finding, primary)) {
    waits.pending.insert(finding.path);
  }
}

std::set<std::string> FailoverVerification::Overdue(const Waits& waits) {
  const BootTime now = seams_.clock.Boot();
  // While something could not be read nobody could come to it either.
  if (!waits.unread.empty()) missed_since_.clear();
  std::erase_if(missed_since_, [&](const auto& of) { return !waits.missing.contains(of.first); });
  std::set<std::string> overdue;
  for (const std::string& path : waits.missing) {
    const auto since = missed_since_.try_emplace(path, now).first->second;
    if (now - since >= kLookedThroughWithin) overdue.insert(path);
  }
  return overdue;
}

Result<Verification> FailoverVerification::Check(const Journal& journal) {
  DATABUS_ASSIGN_OR_RETURN(const SharedEpoch newest, desk_.picture().Newest());
  // An older one says only that who holds the newest does not answer now.
  if (epoch_ == nullptr || epoch_->stored.epoch < newest->stored.epoch) {
    epoch_ = newest;
    observer_ = std::make_unique<VerifyObserver>(epoch_->stored.topology, seams_, Depth::kHeaders);
  }
  Verification outcome;
  Json streams = Json::array();
  std::vector<Finding> all;
  Waits waits;
  const MinuteRange range{FirstMinute(journal), kLastMinute};
  for (Looked& looked : Look(StreamsToVerify(journal, epoch_->stored.topology), range)) {
    streams.push_back({{"stream", looked.seen.stream}, {"views", ViewsOf(looked.seen)}});
    for (Finding& finding : looked.findings) {
      Sort(finding, journal, looked.seen.primary, waits);
      all.push_back(std::move(finding));
    }
  }
  const std::set<std::string> overdue = Overdue(waits);
  for (Finding& finding : all) {
    if (finding.to_be_salvaged && overdue.contains(finding.path)) finding.verdict = Verdict::kLost;
  }
  for (const std::string& path : waits.missing) {
    if (!overdue.contains(path)) outcome.pending.push_back(path + " is to be merged anew");
  }
  // Known when all could be read: what cannot be may hide something.
  if (!awaited_ && waits.unread.empty()) awaited_ = waits.pending;
  for (const std::string& path : waits.pending) {
    if (awaited_ && awaited_->contains(path)) outcome.pending.push_back(path + " is to be merged");
  }
  std::ranges::copy(waits.unread, std::back_inserter(outcome.pending));
  std::ranges::copy(waits.divergent, std::back_inserter(outcome.pending));
  const auto counts = CountByVerdict(all);
  const auto count = [&](Verdict verdict) {
    const auto found = counts.find(verdict);
    return found == counts.end() ? Count() : found->second;
  };
  const Count lost = count(Verdict::kLost);
  const Count doubled = count(Verdict::kDoubled);
  const auto unread =
      static_cast<uint64_t>(std::ranges::count(all, Verdict::kUnknown, &Finding::verdict));
  const bool equal = lost.files + doubled.files == 0;
  const Lost lost_cluster =
      desk_.AnsweringTrees().contains(journal.change.from) ? Lost::kIsBack : Lost::kIsAway;
  const Json alarms = AlarmsOf(all);
  const ToldLosses told = LossesToldOf(desk_.AnsweringTrees());
  outcome.report = {
      {"equal", equal},
      {"sentence",
       equal ? SentenceOfEqual(journal, unread, lost_cluster, told)
             : fmt::format("NOT EQUAL: {} lost, {} doubled ({}); look at 'databus verify', and "
                           "purge nothing.",
                           Plural(lost.files, "file"), Plural(doubled.files, "file"),
                           alarms.front().get<std::string>())},
      {"lost", {{"files", lost.files}, {"messages", lost.messages}}},
      {"doubled", {{"files", doubled.files}, {"messages", doubled.messages}}},
      {"unknown", unread},
      {"alarms", alarms},
      {"told_by_collectors", told.losses},
      {"collectors_unread", told.unread},
      {"streams", std::move(streams)}};
  return outcome;
}

std::vector<FailoverVerification::Looked> FailoverVerification::Look(
    const std::vector<StreamSpec>& streams, const MinuteRange& range) {
  std::vector<Looked> all;
  std::vector<StreamSpec> again;
  for (SeenStream& seen : observer_->Look(streams, FirstToRead(range))) {
    std::vector<Finding> findings = Judge(seen, range);
    const bool alarming = std::ranges::any_of(findings, [](const Finding& finding) {
      return finding.verdict == Verdict::kLost || finding.verdict == Verdict::kDoubled;
    });
    if (alarming) again.push_back(*std::ranges::find(streams, seen.stream, &StreamSpec::name));
    all.push_back({std::move(seen), std::move(findings)});
  }
  if (again.empty()) return all;
  for (const SeenStream& seen : observer_->Look(again, FirstToRead(range))) {
    const auto first = std::ranges::find(all, seen.stream,
                                         [](const Looked& looked) { return looked.seen.stream; });
    first->findings = Confirm(first->findings, Judge(seen, range));
  }
  return all;
}

}  // namespace databus
