// Two collectors must not have one name on one cluster. The other one shows itself by its
// heartbeat, system/status/collector-<name>.json: of another incarnation (another spool), and
// changing. Whether it changes is watched; clocks of different machines are not compared.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/status.h"
#include "collector/deliver/told_spools.h"
#include "storage/storage.h"

namespace databus {

// One thread at a time.
class NameGuard {
 public:
  // A heartbeat that stands still for this long is of the dead.
  static constexpr std::chrono::seconds kWatch{15};

  NameGuard(Storage& cluster, const Clock& clock, std::string process, std::string incarnation)
      : cluster_(cluster),
        clock_(clock),
        process_(std::move(process)),
        incarnation_(std::move(incarnation)) {}

  // Ask again and again until it is certain:
  //   ok            nobody else has the name (and nobody is asked again)
  //   kRefused      another collector has it and lives; names its host and process
  //   kUnavailable  not certain yet: watching(), or the heartbeat there cannot be read
  Status Check();
  // Whether another heartbeat is being watched.
  bool watching() const { return watched_.has_value() && !clear_; }
  // Whether it is certain that nobody else has it.
  bool clear() const { return clear_; }
  // What the heartbeat that was there told of spools. Nothing: it says nothing that can be read.
  const std::optional<ToldSpools>& told() const { return told_; }

 private:
  struct Watched {
    std::string content;
    BootTime since;
  };
  Storage& cluster_;
  const Clock& clock_;
  const std::string process_;
  const std::string incarnation_;
  bool clear_ = false;
  std::optional<Watched> watched_;
  std::optional<ToldSpools> told_ = ToldSpools();
};

}  // namespace databus
