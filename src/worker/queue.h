// Reading a queue directory of another cluster: `system/consumers/<dest>/` or
// `system/mirrors/<mirror>/`. Names are never used twice, so an entry is read once and kept until
// it is gone.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/status.h"
#include "cluster/paths.h"
#include "storage/storage.h"
#include "worker/queue_join.h"
#include "worker/writers.h"

namespace databus {

struct QueueEntry {
  std::string path;  // at the source
  std::vector<paths::MinutePath> lines;
  std::vector<std::string> odd_lines;  // lines that name no path of a view: set aside, reported
  std::set<size_t> settled;            // lines that are done with; the entry goes when all are
  // Whether its removal is part of a commit already.
  enum class Cleaned : uint8_t { kNo, kYes } cleaned = Cleaned::kNo;
  bool Settled() const { return settled.size() == lines.size() && odd_lines.empty(); }
};

// One queue of one source. One thread at a time.
class QueueReader {
 public:
  using Holds = std::function<bool(Group)>;
  // `holds`: whose entries are read. Entries of no group, as the original's, are always read.
  QueueReader(std::string directory, Group groups, Holds holds)
      : directory_(std::move(directory)), groups_(groups), holds_(std::move(holds)) {}

  // Lists the directory (one call) and reads what is new. Entries that are gone are forgotten. An
  // entry that the source refuses to show stops nobody: it is Unreadable(), and tried again.
  //   kUnavailable  the source does not answer; what was known is still known
  Status Refresh(Storage& source);

  // What the last Refresh could not read, and why; for the operator.
  const std::vector<std::string>& Unreadable() const { return unreadable_; }

  size_t size() const { return entries_.size(); }
  // The entries that hold lines of a group, oldest first. An entry of the original may hold lines
  // of several, until it is split (P23).
  const std::vector<QueueEntry*>& OfGroup(Group group) const;
  std::set<Group> Groups() const;
  // Of the entries that hold lines of several groups: the groups whose holders are to split them.
  std::set<Group> MixedOf() const;
  // Splits those of one such group, and reads what came of it. Entries that cannot be split are
  // served as they are.
  Status SplitMixed(Storage& source, Random& random, Group group);
  // Forgets what was settled of a group: its commit failed, and nobody knows how far it came.
  void Unsettle(Group group);

 private:
  struct Kept {
    QueueEntry entry;
    QueueAge age;
    std::set<Group> groups;
  };
  Status ReadNew(Storage& source, const std::vector<DirEntry>& listed);
  Kept Parse(const std::string& path, const std::string& text) const;
  void Arrange();

  const std::string directory_;
  const Group groups_;
  const Holds holds_;
  std::map<std::string, Kept> entries_;                 // by name
  std::map<Group, std::vector<QueueEntry*>> by_group_;  // entries_ as OfGroup shows them
  std::vector<std::string> unreadable_;
};

// SplitMixed of what is mixed, where this worker holds the group that it is split by; what goes
// wrong is a problem under `topic`.
void SplitMixedEntries(QueueReader& queue, Storage& source, Writers& writers,
                       ProblemBoard& problems, const std::string& topic);

}  // namespace databus
