#include "worker/writers.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/planted.h"
#include "cluster/names.h"
#include "control/epoch_store.h"
#include "worker/refusals.h"

namespace databus {
namespace {

// P13: how far the clocks of two publishers may be apart.
constexpr int kClocksApartMinutesMax = 2;

// A name or an identity that is used again, as by a spool that was restored from a copy, tells
// nothing of what is in a file.
constexpr const char* kLookAtIt =
    "look at it, and publish it by hand or delete it; what is published under its name may be "
    "something else: compare the two before";

constexpr const char* kNothingToDo = "nothing: it is another file, and published under that name";

}  // namespace

std::string Writers::TopicOf(Group group, const std::string& what) const {
  return fmt::format("{} group {} {}", options_.label, group, what);
}

Result<GroupWriter*> Writers::Get(Group group) {
  active_.insert(group);
  const auto found = open_.find(group);
  if (found != open_.end() && !ReadsMore(group, *found->second)) return found->second.get();
  open_.erase(group);
  GroupWriter::Options options{
      options_.storage, options_.random, options_.rules,  options_.find_cluster, options_.rows,
      options_.view,    group,           options_.groups, options_.root_url};
  options.latest = Minute::Of(options_.clock.Wall()) + kClocksApartMinutesMax;
  options.go_on = [this, group] { return GoOn(group); };
  // Before, since what was left is recovered by the topology; and again, once the other is fenced.
  DATABUS_RETURN_IF_ERROR(MayPublish());
  DATABUS_ASSIGN_OR_RETURN(std::unique_ptr<GroupWriter> writer, GroupWriter::Open(options));
  DATABUS_RETURN_IF_ERROR(MayPublish());
  looked_[group].Begin(options_.clock.Boot());
  return (open_[group] = std::move(writer)).get();
}

bool Writers::ReadsMore(Group group, const GroupWriter& writer) {
  const BootTime now = options_.clock.Boot();
  if (writer.Unread().empty() || !looked_[group].IsOver(now)) return false;
  looked_[group].Begin(now);
  return writer.CanReadMore();
}

Status Writers::MayPublish() const {
  if (options_.view == View::kLocal) return Status::Ok();
  return CheckObeysTheNewest(options_.storage, options_.topology_epoch, "nothing is published");
}

Status Writers::GoOn(Group group) const {
  if (options_.stop != nullptr && options_.stop->Stopped()) {
    return {Code::kStopped, "told to stop"};
  }
  if (!Holds(group)) return {Code::kStopped, "the group is not held any longer"};
  return Status::Ok();
}

bool Writers::With(Group group, const std::string& what,
                   const std::function<Status(GroupWriter&)>& work) {
  if (!GoOn(group).ok()) {
    if (!Holds(group)) open_.erase(group);
    return false;
  }
  const std::string topic = TopicOf(group, what);
  Result<GroupWriter*> writer = Get(group);
  Status status = writer.ok() ? work(**writer) : writer.status();
  if (writer.ok()) {
    ReportNew(group, (*writer)->TakeIncidents());
    TellRefused(group, **writer);
  }
  if (!status.ok()) {
    if (!Planted(Bug::kGoesOnAfterFailure)) open_.erase(group);
    if (status.code() == Code::kStopped) return false;
    if (status.code() == Code::kStale) options_.stats.SetFenced(options_.clock.Boot());
    options_.problems.Raise(
        topic, status.ToString(),
        status.code() == Code::kRefused
            ? fmt::format("the streams of this group wait; {}", kLetReadAndWrite)
            : "tried again at the next run",
        status.code() == Code::kRefused ? StreamsOf(group) : std::vector<std::string>());
    return false;
  }
  options_.problems.Clear(topic);
  return true;
}

std::vector<std::string> Writers::StreamsOf(Group group) const {
  std::vector<std::string> streams;
  for (const StreamSpec& stream : options_.topology.streams) {
    if (GroupOf(stream.name, options_.groups) == group) streams.push_back(stream.name);
  }
  return streams;
}

void Writers::ReportNew(Group group, const std::vector<Incident>& incidents) {
  if (incidents.empty()) return;
  std::set<std::string> told;
  for (const Incident& incident : incidents) {
    if (!told_[group].contains(incident.what)) {
      const bool asks = incident.asks == Incident::Asks::kForPeople;
      options_.problems.Report(incident.what, asks ? kLookAtIt : kNothingToDo);
    }
    told.insert(incident.what);
  }
  told_[group] = std::move(told);
}

void Writers::TellRefused(Group group, const GroupWriter& writer) {
  options_.problems.RaiseByStream(TopicOf(group, "minutes"), writer.refused_minutes(),
                                  fmt::format("they are made later; {}", kLetWrite));
  options_.problems.RaiseByStream(TopicOf(group, "streams"), writer.Unread(), kUnreadWaits);
}

std::set<Group> Writers::ActiveGroups() {
  if (scanned_ == Scanned::kNo) {
    const auto entries = options_.storage.List(paths::ViewRoot(options_.view));
    if (!entries.ok()) return active_;
    for (const DirEntry& entry : *entries) {
      if (!ValidateStreamName(entry.name).ok()) continue;
      if (options_.rules.PrimaryOf(options_.view, entry.name)) {
        active_.insert(GroupOf(entry.name, options_.groups));
      }
    }
    scanned_ = Scanned::kYes;
  }
  std::set<Group> held = active_;
  std::erase_if(held, [this](Group group) { return !Holds(group); });
  return held;
}

bool Writers::BeginRun() {
  std::set<Group> held;
  for (Group group = 0; group < options_.groups; ++group) {
    if (Holds(group)) held.insert(group);
  }
  const bool gained = !std::ranges::includes(held_, held);
  const bool lost = !std::ranges::includes(held, held_);
  std::erase_if(open_, [&](const auto& open) { return !held.contains(open.first); });
  if (lost) options_.problems.DoubtAll();
  if (gained) scanned_ = Scanned::kNo;
  held_ = std::move(held);
  return gained || lost;
}

void Writers::Drop() {
  if (!held_.empty()) options_.problems.DoubtAll();
  open_.clear();
  held_.clear();
  scanned_ = Scanned::kNo;
}

}  // namespace databus
