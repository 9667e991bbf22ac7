// The installation under torture: that of the demo, with standby workers, a collector that hands
// everything to another one, small disks, proxies before the collectors, and producers.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/status.h"
#include "cli/demo/input.h"
#include "cli/demo/site.h"
#include "tests/torture/producer.h"
#include "tests/torture/proxy.h"

namespace databus {

// What an installation is configured with; the bound of time is derived from it.
inline constexpr int kRunIntervalMs = 1'000;
inline constexpr int kLeaseTimeoutMs = 1'500;
inline constexpr int kFullScanMs = 5'000;
inline constexpr int kRotateMs = 1'000;
inline constexpr int kRetryMs = 1'000;  // of a collector towards its cluster, or another one
inline constexpr int kHandOverTimeoutMs = 2'000;  // of one that waits for another's answer
inline constexpr uint32_t kEventsPerS = 60;       // of each producer and stream

// A process that is killed and paused.
struct TortureProcess {
  enum class Kind : uint8_t { kCollector, kWorker, kProducer };
  Kind kind = Kind::kCollector;
  std::string name;
  std::string cluster;  // of a worker or collector
  std::vector<std::string> command;
  std::string fault_page;  // empty: its disk has no injected errors
  uint16_t port = 0;       // of a collector
};

// A disk that can be full.
struct SmallDisk {
  std::string name;
  std::string directory;
  std::string filler;  // the file that fills it
};

// One producer's record of one stream.
struct SourceRecord {
  DemoSource source;
  std::unique_ptr<RecordFile> file;
};

struct Cable {
  std::string name;
  std::unique_ptr<Proxy> proxy;
};

// Unmounts its disks when it goes.
struct Installation {
  DemoSite site;
  std::unique_ptr<DemoInput> input;
  std::vector<TortureProcess> processes;  // workers first
  std::vector<SmallDisk> disks;
  std::vector<Cable> cables;
  std::vector<SourceRecord> records;

  Installation() = default;
  ~Installation();
  Installation(const Installation&) = delete;
  Installation& operator=(const Installation&) = delete;
  // So that they can be looked at when this process and its mounts are gone.
  void KeepDisks();
  std::string ClusterRoot(const std::string& cluster) const;
};

// From here on mounts of this process are seen by it and its children only, and go with them. Not
// ok where it is not allowed: then there are no small disks.
Status OwnMounts();

enum class SmallDisks : uint8_t { kNo, kYes };

// The programs of an installation.
struct Programs {
  std::string databus = DATABUS_PROGRAM;
  std::string preload = DATABUS_PRELOAD;  // of databus; empty: no errors are injected
  std::string torture;                    // this one, which is the producers
};

// Makes `directory` from nothing, as MakeDemoSite.
Result<std::unique_ptr<Installation>> MakeInstallation(const std::string& directory,
                                                       const Programs& programs,
                                                       SmallDisks small_disks, Random& random);

}  // namespace databus
