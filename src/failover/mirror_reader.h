// Whether a mirror equals its primary, minute by minute, for one stream (P16, P35).
#pragma once

#include <optional>
#include <set>

#include "base/minute.h"
#include "base/status.h"
#include "failover/observation.h"
#include "storage/storage.h"

namespace databus::failover {

// Of one stream and one mirror. One thread at a time.
class MirrorReader {
 public:
  // Compares the mirror's newest minute, or all from the later of the two oldest ones on; what
  // differs is named in `seen`. A closed minute that was equal is not compared again.
  // REQUIRES: `seen.newest` is what the mirror had just before.
  //   kUnavailable, kCorrupt  it cannot be known now
  Status Read(Storage& primary, Storage& mirror, const Scope::Mirrored& wanted, SeenMirror& seen);

 private:
  std::optional<Minute> equal_from_;  // all minutes of [equal_from_, equal_to_] were equal
  Minute equal_to_;
};

}  // namespace databus::failover
