// Streams of a mirror of which something cannot be read, at their primary or here, and that is
// certain: each waits alone (decision 0014), is told of, and is looked at again once a minute.
// Manifests are of a whole group, and no stream's own.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "base/clock.h"
#include "base/minute.h"
#include "base/status.h"
#include "cluster/paths.h"
#include "storage/storage.h"
#include "telemetry/problems.h"
#include "worker/refusals.h"

namespace databus {

// One thread at a time.
class UnreadStreams {
 public:
  UnreadStreams(std::string cluster, const Clock& clock, ProblemBoard& problems)
      : cluster_(std::move(cluster)), clock_(clock), problems_(problems) {}

  struct Side {
    const std::string& cluster;
    Storage& tree;
  };
  struct Sides {
    Group group;
    Side here;
    Side primary;
  };
  // After `why`: whether it is the stream that cannot be read, which is tried again, as the same
  // answer comes where something else is refused. True: it waits.
  //   `minute`  the one whose files were to be read; nothing: its minutes were to be listed
  bool Note(const Sides& sides, const std::string& stream, std::optional<Minute> minute,
            const Status& why);
  // Those of `streams` that wait still.
  std::set<std::string> Waiting(const Sides& sides, const std::set<std::string>& streams);
  bool Contains(const std::string& stream) const { return unread_.contains(stream); }

 private:
  struct Unread {
    std::optional<Minute> minute;
    std::string why;
    RefusedPause pause;
  };
  static Status Read(const Sides& sides, const std::string& stream, std::optional<Minute> minute);
  std::string Topic(const std::string& stream) const;
  void Tell(const std::string& stream, const Unread& unread);

  const std::string cluster_;
  const Clock& clock_;
  ProblemBoard& problems_;
  std::map<std::string, Unread> unread_;
};

}  // namespace databus
