// The processes of a demo: real ones, of this same program, that can be killed and started again.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "base/sync.h"
#include "cli/bench/child.h"
#include "cli/demo/site.h"
#include "cli/seams.h"

namespace databus {

// Whatever still runs is killed by the destructor, and by the system if this process dies before.
// One thread, which must outlive the children.
class DemoServices {
 public:
  // `program`: Child::kSelf, or the path of a databus. `site` must outlive this.
  DemoServices(const DemoSite& site, std::string program, const Clock& clock);

  // Starts all, workers first, and waits until each worker's cluster and each collector's port is
  // there. kUnavailable: not within 120 s, or a process ended; the message names its log.
  Status StartAll(Seams& seams, StopFlag& stop);
  Status Start(const std::string& name);
  // kill -9.
  Status Kill(const std::string& name);
  // What the system says about one that runs.
  Result<ProcessUse> Use(const std::string& name) const;
  // The names of those that run, as far as they were not seen to end.
  std::vector<std::string> Running() const;
  // kUnavailable when a process has ended that nobody killed.
  Status Check() const;
  // TERM to all; not ok when one does not end by itself, or not with 0.
  Status StopAll();

 private:
  Status WaitUntilReady(Seams& seams, StopFlag& stop) const;

  const DemoSite& site_;
  const std::string program_;
  const Clock& clock_;
  std::map<std::string, Child> running_;
};

}  // namespace databus
