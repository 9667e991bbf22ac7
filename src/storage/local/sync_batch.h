// The answers of a batch of changes, and the directories whose sync they wait for.
#pragma once

#include <functional>
#include <initializer_list>
#include <map>
#include <string>
#include <vector>

#include "base/status.h"

namespace databus {

// One thread at a time.
class SyncBatch {
 public:
  // Each directory's sync is a commit of the file system's journal, one after the other; a sync of
  // the file system is one commit, and the writing of whatever else waits there. With more
  // directories than this the second is cheaper or, beside 64 MB of other files on an idle disk,
  // dearer by what nobody notices (docs/evidence/bench.md).
  static constexpr size_t kDirectoriesMax = 32;

  struct Syncs {
    std::function<Status(const std::string&)> directory;
    std::function<Status()> file_system;
  };

  // The answer to the next item, and the directories that it changed if it is ok.
  void Add(Status answer, std::initializer_list<std::string> directories);

  // Syncs, and answers in the order of Add. An item whose sync failed has that failure's answer.
  std::vector<Status> Finish(const Syncs& syncs) &&;

 private:
  std::vector<Status> answers_;
  std::map<std::string, std::vector<size_t>> waiting_;  // by directory, indexes of answers_
};

}  // namespace databus
