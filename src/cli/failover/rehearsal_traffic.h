// The producers of a rehearsal: a few numbered messages a second to every live collector, until
// they are told to finish.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/sync.h"
#include "cli/demo/sequence_check.h"
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

  // By collector.
  std::vector<SourceCount> Counts() const;
  // Who sent a message of this rehearsal; nothing for those of others.
  std::optional<NumberedMessage> Recognise(std::string_view line) const;

  // After so many messages of a source were acknowledged.
  struct Mark {
    WallTime at;
    uint64_t acknowledged = 0;
  };
  struct History {
    DemoSource source;
    std::string cluster;  // of the collector
    std::vector<Mark> marks;
  };
  // REQUIRES: Finish.
  std::vector<History> Histories() const;

 private:
  struct Producer;
  void Run(Producer& producer);

  const std::string stream_;
  const std::string name_;  // in each message, so that those of other rehearsals are told apart
  Seams& seams_;
  StopFlag stop_;
  std::vector<std::unique_ptr<Producer>> producers_;
};

}  // namespace databus
