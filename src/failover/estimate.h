// How long each step of a failover may take, by what was seen before it began. Rough: people want
// to know whether it is seconds, minutes or hours. What it assumes of the machines is told beside
// it. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "failover/journal.h"
#include "failover/observation.h"

namespace databus::failover {

class Estimate {
 public:
  // `change` and `seen` must outlive it.
  Estimate(Kind kind, const RoleChange& change, const Observation& seen);

  Milliseconds Of(Step step) const;
  // What comes into the spools while `spooling` passes is delivered after the swap, too.
  void Spool(Milliseconds spooling) { spooling_ = spooling; }
  // Sentences for people.
  std::vector<std::string> Assumptions() const;

 private:
  // What a spool may hold at the swap: what it has, and what comes in until then.
  struct Spooled {
    uint64_t bytes = 0;
    Milliseconds empties_within{0};
  };

  bool Moves(const std::string& stream) const;
  bool Goes(const std::string& cluster) const;
  uint64_t FilesToDrain() const;
  uint64_t LinesToMirror() const;
  int64_t MinutesBehind() const;
  Milliseconds CatchUpOfMirrors() const;
  Spooled SpooledBy(const SeenCollector& collector) const;
  Spooled Fullest() const;

  const Kind kind_;
  const RoleChange& change_;
  const Observation& seen_;
  const Milliseconds run_;
  Milliseconds spooling_{0};
};

}  // namespace databus::failover
