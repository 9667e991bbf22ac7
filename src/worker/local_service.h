// The local stream: takes sealed files out of data/ and publishes them in streams_local, minute by
// minute, telling the merge of each stream's primary (design sections 3 and 7).
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "audit/announcement.h"
#include "base/clock.h"
#include "cluster/topology.h"
#include "worker/foreign_files.h"
#include "worker/requeue.h"
#include "worker/run_stats.h"
#include "worker/waiting_claims.h"
#include "worker/writers.h"

namespace databus {

// One thread at a time.
class LocalService {
 public:
  struct Options {
    Storage& storage;
    const Clock& clock;
    Writers& writers;  // of View::kLocal
    ProblemBoard& problems;
    RunStats& stats;
    const Topology& topology;
    uint64_t topology_epoch;
    std::string cluster;
    std::string cluster_id;
    std::chrono::nanoseconds full_scan_interval;
    // P25: the newest file of a collector that never announces is open until it has been idle so
    // long.
    Milliseconds foreign_idle_timeout;
  };
  explicit LocalService(Options options);

  // Publishes what is announced and, from time to time, what a scan of data/ finds; closes the
  // minutes before `now`.
  void RunOnce(Minute now);
  // The next run scans.
  void LookAnew() { scanned_.reset(); }

 private:
  struct Work {
    std::vector<DataFileRef> files;
    std::vector<ForeignFiles::Tail> tails;
    std::vector<std::string> announcements;  // paths, removed with the commit
  };
  using WorkByGroup = std::map<Group, Work>;

  void ReadAnnouncements(WorkByGroup& work);
  void ReadAnnouncement(const std::string& path, Group group, WorkByGroup& work);
  void TellDenied(const std::string& what, const Status& status, const std::string& stream = "");
  // Whether all answered, or said that it may not be looked into.
  bool ScanData(WorkByGroup& work);
  bool ScanCollector(const std::string& stream, const std::string& collector, WorkByGroup& work);
  Status PublishGroup(GroupWriter& writer, const Work& work, Minute now);
  Status AddClaims(GroupWriter& writer, const std::vector<Claim>& again,
                   const std::vector<Claim>& claims, CommitRequest& request);
  Status Publish(GroupWriter& writer, CommitRequest request, Minute now);
  WaitingClaims& WaitingOf(GroupWriter& writer);
  void TellWaiting(GroupWriter& writer);
  void NoteUnconfigured(const std::string& stream);
  Status AddClaimOrSetAside(GroupWriter& writer, const Claim& claim, CommitRequest& request);
  Status AddClaim(GroupWriter& writer, const Claim& claim, CommitRequest& request);
  void LookAtStaged(GroupWriter& writer, size_t claims);
  Result<NodeInfo> InfoOf(GroupWriter& writer, const Claim& claim) const;

  const Options options_;
  std::map<std::string, AnnouncedFile> announced_;  // by path, of the run under way
  std::set<std::string> announcers_;                // collectors with a directory of announcements
  std::optional<BootTime> scanned_;
  std::map<Group, WaitingClaims> waiting_;
  std::map<std::string, NodeInfo> staged_;  // of the claims of a commit, where one listing told
  ForeignFiles foreign_;
  Requeue requeue_;
  // After a scan, and after a take-over, whose records may have named a former primary's queue.
  enum class Due : uint8_t { kNo, kYes } requeue_due_ = Due::kYes;
};

}  // namespace databus
