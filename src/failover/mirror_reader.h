// Whether a mirror equals its primary, minute by minute (P16, P35), for the streams of one group.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/minute.h"
#include "base/status.h"
#include "commit/minute_comparison.h"
#include "failover/observation.h"
#include "storage/storage.h"

namespace databus::failover {

// Of one primary, one mirror and one group. One thread at a time.
class MirrorReader {
 public:
  // A stream that is asked for, and what is found of it.
  // REQUIRES: `seen` is known, and says the newest minutes, the mirror's read before the primary's.
  struct Wanted {
    std::string stream;
    Scope::Mirrored::Depth depth;
    SeenMirror* seen;
  };

  // Compares the mirror's newest minute, or all from the later of the two oldest ones on; what
  // differs is named in `seen`. A closed minute that was equal is not compared again. Reads no more
  // than `budget` files of older minutes, and takes them off it: then `seen` is unknown, and says
  // how far it was compared; the next call goes on there.
  void Read(const MinuteComparison::Trees& trees, Group group, const std::vector<Wanted>& wanted,
            uint64_t& budget);

 private:
  // What is remembered of a stream.
  struct Known {
    // The later of the two oldest minutes, as it was when the newest one was `looked_up_at`: one
    // side may have purged more since.
    std::optional<Minute> first{};
    std::optional<Minute> looked_up_at{};
    std::optional<Minute> equal_to{};  // all minutes from `first` up to this one were equal
  };
  // A stream, and the minute that is next.
  struct Walk {
    const Wanted* wanted;
    Known* known;
    Minute next;
    bool done = false;
  };
  static Status LookUpFirst(const MinuteComparison::Trees& trees, Walk& walk);
  static Status Begin(const MinuteComparison::Trees& trees, Walk& walk);
  // Whether there is another minute to be compared.
  static bool Compare(const MinuteComparison::Trees& trees, MinuteComparison& comparison,
                      Walk& walk);

  std::map<std::string, Known> known_;  // by stream
};

}  // namespace databus::failover
