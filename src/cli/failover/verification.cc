#include "cli/failover/verification.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/table.h"

namespace databus {

using failover::Journal;
using failover::Verification;
using Json = nlohmann::ordered_json;

namespace {

// Collectors' clocks may be behind a little.
constexpr int64_t kSlackMinutes = 2;

// What an unplanned failover finds missing is being merged anew; so long it is waited for.
constexpr std::chrono::minutes kMergedAnewWithin{2};

// From where on it is looked: a little before it began, or where the new primary began.
Minute FirstMinute(const Journal& journal) {
  Minute first = Minute::Of(journal.started);
  if (journal.kind == failover::Kind::kUnplanned) {
    for (const auto& [stream, cut] : journal.cuts) {
      if (cut) first = std::min(first, *cut);
    }
  }
  return first + (-kSlackMinutes);
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

}  // namespace

std::vector<StreamSpec> StreamsToVerify(const Journal& journal, const Topology& topology) {
  std::vector<StreamSpec> streams;
  for (const failover::StreamChange& change : journal.change.streams) {
    const StreamSpec* const now = topology.FindStream(change.name());
    if (now == nullptr || !change.Moves()) continue;
    StreamSpec stream = *now;
    for (const SourceSpec& source : change.before.sources) {
      if (!stream.HasSource(source.cluster)) stream.sources.push_back(source);
    }
    streams.push_back(std::move(stream));
  }
  return streams;
}

Result<Verification> FailoverVerification::Check(const Journal& journal) {
  DATABUS_ASSIGN_OR_RETURN(const SharedEpoch newest, desk_.picture().Newest());
  if (observer_ == nullptr) {
    topology_ = newest->stored.topology;
    observer_ = std::make_unique<VerifyObserver>(topology_, seams_, Depth::kHeaders);
  }
  const MinuteRange range{FirstMinute(journal), kLastMinute};
  Verification outcome;
  Json streams = Json::array();
  std::vector<Finding> all;
  for (const StreamSpec& stream : StreamsToVerify(journal, topology_)) {
    const SeenStream seen = observer_->Observe(stream, range.from);
    std::vector<Finding> findings = Judge(seen, range);
    const bool alarming = std::ranges::any_of(findings, [](const Finding& finding) {
      return finding.verdict == Verdict::kLost || finding.verdict == Verdict::kDoubled;
    });
    if (alarming)
      findings = Confirm(findings, Judge(observer_->Observe(stream, range.from), range));
    Json views = Json::array();
    for (const SeenView& view : seen.views) {
      uint64_t messages = 0;
      for (const SeenFile& file : view.files) messages += file.messages;
      views.push_back({{"cluster", view.cluster},
                       {"view", ViewName(view.view)},
                       {"files", view.files.size()},
                       {"messages", messages},
                       {"unreadable", view.unreadable}});
    }
    streams.push_back({{"stream", stream.name}, {"views", std::move(views)}});
    all.insert(all.end(), findings.begin(), findings.end());
  }
  const bool anew = journal.kind == failover::Kind::kUnplanned &&
                    seams_.clock.Wall() - journal.step_since < kMergedAnewWithin;
  std::set<std::string> pending;
  for (const Finding& finding : all) {
    const bool merged_later = finding.view == View::kMerged && !finding.path.empty();
    if (!merged_later || finding.cluster != journal.change.to) continue;
    if (finding.verdict == Verdict::kPending) pending.insert(finding.path);
    if (finding.verdict == Verdict::kLost && anew) {
      outcome.pending.push_back(finding.path + " is to be merged anew");
    }
  }
  if (!awaited_) awaited_ = pending;
  for (const std::string& path : pending) {
    if (awaited_->contains(path)) outcome.pending.push_back(path + " is to be merged");
  }
  const auto counts = CountByVerdict(all);
  const auto count = [&](Verdict verdict) {
    const auto found = counts.find(verdict);
    return found == counts.end() ? Count() : found->second;
  };
  const Count lost = count(Verdict::kLost);
  const Count doubled = count(Verdict::kDoubled);
  const bool equal = lost.files + doubled.files == 0;
  outcome.report = {
      {"equal", equal},
      {"sentence",
       equal ? std::string("Nothing is lost, nothing is doubled.")
             : fmt::format("NOT EQUAL: {} lost, {} doubled; look at 'databus verify', and purge "
                           "nothing.",
                           Plural(lost.files, "file"), Plural(doubled.files, "file"))},
      {"lost", {{"files", lost.files}, {"messages", lost.messages}}},
      {"doubled", {{"files", doubled.files}, {"messages", doubled.messages}}},
      {"unknown", count(Verdict::kUnknown).files},
      {"streams", std::move(streams)}};
  return outcome;
}

}  // namespace databus
