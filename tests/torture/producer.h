// A producer under torture: a process of its own that sends numbered messages and records what was
// acknowledged in a file that survives its own death.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"

namespace databus {

inline constexpr uint32_t kLivesMax = 20'000;

// One life of a producer: it used the numbers from `first` to `last`, and was told OK for
// `acknowledged` of them. With one batch under way at a time these are the lowest ones.
struct ProducerLife {
  std::atomic<uint64_t> first;
  std::atomic<uint64_t> last;
  std::atomic<uint64_t> acknowledged;
};

// Mapped by the producer and by the torture. Each store of the producer's is complete before the
// next begins, so that kill -9 leaves a record in which `last` is never too low and `acknowledged`
// never too high.
struct ProducerRecord {
  // Not 0: send nothing new, get everything confirmed, and then say the same number in `drained`.
  std::atomic<uint64_t> drain;
  std::atomic<uint64_t> drained;
  std::atomic<uint64_t> resent;
  std::atomic<uint32_t> in_flight_max;
  std::atomic<uint32_t> lives;
  std::array<ProducerLife, kLivesMax> life;
};

// Owns the mapping of `path`, which is made if it is not there.
class RecordFile {
 public:
  static Result<std::unique_ptr<RecordFile>> Open(const std::string& path);
  ~RecordFile();
  RecordFile(const RecordFile&) = delete;
  RecordFile& operator=(const RecordFile&) = delete;
  ProducerRecord* operator->() const { return record_; }

 private:
  explicit RecordFile(ProducerRecord* record) : record_(record) {}
  ProducerRecord* record_;
};

struct ProducerOptions {
  std::string input;      // a file: what DemoInput reads
  std::string collector;  // the source's name
  uint16_t port = 0;
  uint32_t events_per_s = 100;  // of each stream
  uint32_t in_flight_max = 1;
  std::vector<std::string> streams;
  std::vector<std::string> records;  // of each stream
};

// What a producer may wait for: the torture's bound of time counts with them.
inline constexpr int kAnswerTimeoutMs = 2'000;
inline constexpr int kPauseMaxMs = 500;

// Until it is killed or told to end by TERM.
Status Produce(const ProducerOptions& options);

}  // namespace databus
