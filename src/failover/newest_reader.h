// The newest minutes of a cluster's merged streams, look after look.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/minute.h"
#include "base/status.h"
#include "storage/storage.h"

namespace databus::failover {

// Of one cluster. One thread at a time.
class NewestReader {
 public:
  // Nothing: there is none. One call where the stream is up to date: minutes are not published
  // before their time (P13), so that the newest one is in the hour that it was in before, until
  // that is over. Every so often all is looked through, whatever the time: this clock may be wrong.
  Result<std::optional<Minute>> Read(Storage& storage, const std::string& stream, WallTime now);

 private:
  struct Known {
    Minute newest;
    int looks_left = 0;
  };
  std::map<std::string, Known> known_;  // by stream
};

}  // namespace databus::failover
