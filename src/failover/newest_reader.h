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
  // that is over. Where newest minute and this clock are apart, all is looked through.
  Result<std::optional<Minute>> Read(Storage& storage, const std::string& stream, WallTime now);

 private:
  std::map<std::string, Minute> known_;  // the newest, by stream
};

}  // namespace databus::failover
