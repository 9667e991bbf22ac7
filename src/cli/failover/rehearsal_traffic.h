// The producers of a rehearsal: a few messages a second to every live collector, until they are
// told to finish.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/sync.h"
#include "cli/seams.h"
#include "failover/observation.h"

namespace databus {

// Runs from its construction on.
class RehearsalTraffic {
 public:
  RehearsalTraffic(const std::string& stream, const failover::Observation& seen, Seams& seams);
  ~RehearsalTraffic();

  // Sends nothing more, and waits until everything is answered, or a minute.
  void Finish();

  uint64_t sent() const;
  uint64_t acknowledged() const;
  uint64_t refused() const;  // calls that were not answered OK at once

 private:
  struct Producer;
  void Run(Producer& producer);

  const std::string stream_;
  Seams& seams_;
  StopFlag stop_;
  std::vector<std::unique_ptr<Producer>> producers_;
};

}  // namespace databus
