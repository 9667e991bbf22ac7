// The group writers of one view of one cluster: opened when first needed, dropped at any error and
// opened again, with a new epoch, at the next run.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/sync.h"
#include "commit/group_writer.h"
#include "lease/lease.h"
#include "telemetry/problems.h"
#include "worker/refusals.h"
#include "worker/run_stats.h"

namespace databus {

// One thread at a time.
class Writers {
 public:
  struct Options {
    Storage& storage;
    const Clock& clock;
    Random& random;
    const StreamRules& rules;
    FindCluster find_cluster;
    RecoveryRows& rows;
    Leases& leases;
    ProblemBoard& problems;
    RunStats& stats;
    const Topology& topology;
    uint64_t topology_epoch = 0;  // the one that the services obey
    View view = View::kLocal;
    Group groups = kGroupsDefault;
    std::string root_url;
    std::string label;               // for problems: "dc1 local"
    const StopFlag* stop = nullptr;  // looked at before each group's work and between its commits
  };
  explicit Writers(Options options) : options_(std::move(options)) {}

  Group groups() const { return options_.groups; }
  View view() const { return options_.view; }
  // At the last BeginRun.
  const std::set<Group>& held() const { return held_; }
  bool Holds(Group group) const { return options_.leases.Held(options_.view, group); }

  // At the beginning of a run: drops the groups that are held no longer, and doubts the problems,
  // which may be of those. True when others are held than at the last run: all that is looked at
  // from time to time is to be looked at now.
  bool BeginRun();
  Random& random() const { return options_.random; }

  // Runs `work` with the group's writer, if the lease is held and the writer opens. Whatever goes
  // wrong is raised as a problem of this group and stops no other. True when `work` ended well.
  // When told to stop it does nothing, and what is under way ends at its next GroupWriter::GoOn,
  // which is no problem; so it does when the group is held no longer.
  bool With(Group group, const std::string& what, const std::function<Status(GroupWriter&)>& work);

  // What With raised of this work is none any more, and it is not to be done now.
  void Settled(Group group, const std::string& what) {
    options_.problems.Clear(TopicOf(group, what));
  }

  // The groups that are held and need attention even when there is nothing new: those opened, and
  // those of streams that have a directory in the view (found when a group is first held).
  std::set<Group> ActiveGroups();

  // Drops all, as BeginRun does, when nothing is held or the cluster is away.
  void Drop();

 private:
  std::string TopicOf(Group group, const std::string& what) const;
  Result<GroupWriter*> Get(Group group);
  // Once the holder before is fenced: it may have obeyed a later topology, and have frozen streams
  // by it (P30). Who slept over that publishes nothing by the one before.
  Status MayPublish() const;
  Status GoOn(Group group) const;
  std::vector<std::string> StreamsOf(Group group) const;
  // A writer that is opened again and again finds the same each time: it is said once.
  void ReportNew(Group group, const std::vector<Incident>& incidents);
  void TellRefused(Group group, const GroupWriter& writer);
  // Whether it is due to look again for what it could not read, and some of that can be read now.
  bool ReadsMore(Group group, const GroupWriter& writer);

  const Options options_;
  std::map<Group, std::unique_ptr<GroupWriter>> open_;
  std::map<Group, RefusedPause> looked_;         // for what could not be read
  std::map<Group, std::set<std::string>> told_;  // the last incidents
  std::set<Group> held_;                         // at the last run
  std::set<Group> active_;
  enum class Scanned : uint8_t { kNo, kYes } scanned_ = Scanned::kNo;
};

}  // namespace databus
