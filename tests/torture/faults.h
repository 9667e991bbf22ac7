// What is done to an installation, drawn from a seed: kills, pauses, errors of disks, full disks,
// and cuts of the network, several at a time.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "base/status.h"
#include "tests/torture/fault_page.h"
#include "tests/torture/processes.h"

namespace databus {

// Whom a kill met. A worker is one that held the lease.
enum class Victim : uint8_t { kCollector, kWorker, kStandby, kProducer };
inline constexpr std::array<std::string_view, 4> kVictimNames = {"collector", "worker", "standby",
                                                                 "producer"};

struct FaultCounts {
  std::array<uint64_t, kVictimNames.size()> kills{};
  uint64_t pauses = 0;
  uint64_t takeovers = 0;  // of a lease whose holder was paused
  uint64_t no_space = 0;   // calls answered with ENOSPC by the injector
  uint64_t io_errors = 0;  // with EIO
  uint64_t full_disks = 0;
  uint64_t cuts = 0;
  uint64_t own_ends = 0;  // processes that gave up under these faults, with an exit code
  uint64_t retired = 0;   // collectors that were restarted because their disk was retired

  uint64_t Kills() const;
  void Add(const FaultCounts& other);
  std::string ToString() const;
};

// One thread.
class Faults {
 public:
  Faults(Installation& installation, Processes& processes, const Clock& clock, Random& random,
         Processes::Log log);
  ~Faults();

  // Draws what this round is most about.
  void BeginRound();
  // Does what is due and ends what has lasted long enough.
  Status Step();
  // Ends all of it.
  Status Mend();
  // Since the start.
  FaultCounts Counts() const;

 private:
  struct Page;   // a mapped FaultPage
  struct Mood {  // how often something is done, and what: out of a hundred
    std::string_view name;
    uint64_t every_ms_max;
    uint64_t kills;
    uint64_t pauses;
    uint64_t disk_errors;
    uint64_t cuts;  // what is left: full disks
  };
  static const std::array<Mood, 3> kMoods;
  struct Lasting {
    BootTime until;
    std::string what;
    std::function<void()> end;
  };
  Status Kill();
  Status KillOne(Processes::State& state, Victim victim, Milliseconds down);
  void Pause();
  void FailDisk();
  void FillDisk();
  void CutCable();
  void Last(Milliseconds length, std::string what, std::function<void()> end);
  Milliseconds Draw(uint64_t from_ms, uint64_t to_ms);
  std::vector<Processes::State*> Candidates(Victim victim) const;

  Installation& installation_;
  Processes& processes_;
  const Clock& clock_;
  Random& random_;
  const Processes::Log log_;
  std::map<std::string, std::unique_ptr<Page>> pages_;  // by process
  std::map<std::string, Lasting> lasting_;              // by what they befall
  const Mood* mood_ = &kMoods[0];
  BootTime next_{};
  FaultCounts counts_;
};

}  // namespace databus
