#include "sim/epoch_history.h"

#include <algorithm>

#include "control/epoch_store.h"

namespace databus::sim {

void EpochHistory::OnStored(std::string text) {
  const std::string digest = TopologyDigest(text);
  if (epochs_.contains(digest)) return;
  const Result<TopologyEpoch> read = TopologyEpoch::Decode(std::move(text), "stored");
  if (!read.ok()) return;
  const StoredTopology& stored = read->stored;
  const bool in_conflict = InConflict();
  std::erase_if(heads_, [&](const std::string& head) { return stored.Follows(head); });
  const bool old = std::ranges::any_of(
      epochs_, [&](const auto& known) { return known.second.stored.Follows(digest); });
  epochs_[digest] = {stored.epoch, stored};
  if (!old) heads_.push_back(digest);
  if (!stored.alone.empty()) alone_.insert(stored.alone);
  const bool settles = in_conflict && !InConflict();
  settled_ += settles ? 1 : 0;
  NoticeEras(stored, settles ? Settles::kYes : Settles::kNo);
  const auto newest = std::ranges::max_element(
      heads_, {}, [&](const std::string& head) { return std::pair(epochs_.at(head).epoch, head); });
  present_ = epochs_.at(*newest).stored.topology;
  if (InConflict()) NoticeConflict();
}

// Who acts without the primary before is known by who stored the epoch: the journal's name.
void EpochHistory::NoticeEras(const StoredTopology& stored, Settles settles) {
  const bool unplanned = stored.author.find("-unplanned-") != std::string::npos;
  for (const StreamSpec& stream : stored.topology.streams) {
    primaries_.insert({stream.name, stream.Primary()});
    Line& line = lines_[stream.name];
    const Era era = EraOf(stream);
    const bool same = !line.eras.empty() && line.eras.back() == era;
    if (same && settles == Settles::kNo) continue;
    const bool moves = !line.eras.empty() && line.eras.back().primary != era.primary;
    line.eras.push_back(era);
    if (moves && unplanned) line.forced = line.eras.size() - 1;
  }
}

// From now on two sides may publish the same minutes; what is right is the next era.
void EpochHistory::NoticeConflict() {
  for (auto& [stream, line] : lines_) line.forced = line.eras.size();
}

void EpochHistory::OnEras(const std::string& cluster, const std::string& text) {
  const Result<Eras> eras = Eras::Decode(text, "eras");
  if (!eras.ok()) return;
  for (const auto& [stream, era] : eras->streams) compared_[{cluster, stream}] = era;
}

bool EpochHistory::MayDiverge(const std::string& cluster, const std::string& stream) const {
  const auto line = lines_.find(stream);
  if (line == lines_.end() || !line->second.forced) return false;
  const std::vector<Era>& eras = line->second.eras;
  const auto era = compared_.find({cluster, stream});
  if (InConflict() || era == compared_.end()) return true;
  const auto known = std::ranges::find(eras.rbegin(), eras.rend(), era->second);
  const auto index = static_cast<size_t>(eras.rend() - known);  // counted from 1
  return known == eras.rend() || index - 1 < *line->second.forced;
}

bool EpochHistory::HasBegun(const std::string& cluster, const std::string& stream) const {
  const StreamSpec* const spec = Find(stream);
  const auto era = compared_.find({cluster, stream});
  if (spec == nullptr) return false;
  return era == compared_.end() ? EraOf(*spec).IsFirst() : era->second == EraOf(*spec);
}

const failover::Journal* EpochHistory::OnJournal(std::string_view text) {
  const auto journal = failover::Journal::Decode(text, "journal");
  if (!journal.ok()) return nullptr;
  failover::Journal& known = journals_[journal->id];
  if (known.revision > journal->revision) return nullptr;
  if (!known.token.empty() && known.token != journal->token) taken_over_.push_back(journal->step);
  known = *journal;
  const auto& report = journal->report;
  if (report.is_object() && !report.value("equal", true)) {
    unequal_ = journal->id + ": " + report.value("sentence", "");
  }
  return &known;
}

const failover::Journal* EpochHistory::SwapOf(std::string_view text) const {
  const std::string digest = TopologyDigest(text);
  if (epochs_.contains(digest)) return nullptr;
  for (const auto& [id, journal] : journals_) {
    const failover::StepEpoch* const swap = journal.EpochOf(failover::Step::kSwap);
    if (journal.kind == failover::Kind::kUnplanned || swap == nullptr) continue;
    if (swap->digest == digest) return &journal;
  }
  return nullptr;
}

std::optional<failover::Step> EpochHistory::step() const {
  for (const auto& [id, journal] : journals_) {
    if (!journal.Ended()) return journal.step;
  }
  return std::nullopt;
}

}  // namespace databus::sim
