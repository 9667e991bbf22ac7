// Which entries a collector takes, and how much of a stream it holds at once: judges the entries of
// a call by the configuration, and counts for each stream.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/sync.h"
#include "collector/config/reload.h"
#include "collector/spool/spool_types.h"
#include "net/entry_list.h"

namespace databus {

struct StreamCounts {
  std::atomic<uint64_t> queued_bytes{0};  // accepted and not yet on disk
  std::atomic<uint64_t> received_good{0};
  std::atomic<uint64_t> denied_for_queue_size{0};
};

// What one call brings to one stream.
struct StreamShare {
  StreamCounts* counts = nullptr;
  uint64_t bytes = 0;
  uint64_t messages = 0;
};

enum class Verdict : uint8_t {
  kTake,
  kFull,  // one of its streams has max_queue_bytes waiting for the disk
};

struct Judgement {
  Verdict verdict = Verdict::kTake;
  std::vector<StreamShare> shares;
  std::vector<RejectedEntry> rejected;
  uint64_t empty_messages = 0;
  uint64_t blank_categories = 0;
};

// Use, Judge and KeepGood on one thread (the IO thread); the rest from any.
class EntryJudge {
 public:
  // Judges by `config` from now on. REQUIRES: before the first Judge.
  void Use(ConfigSnapshot config);

  // `entries` is a well-formed raw list<LogEntry>.
  Judgement Judge(std::string_view entries);
  // The entries that are not rejected, as a list of their own.
  EntryList KeepGood(std::string_view entries);

  // The call waits for the disk; and: it does not any more.
  static void Enter(const std::vector<StreamShare>& shares);
  static void Leave(const std::vector<StreamShare>& shares);

  // Scribe's counters of streams: "<stream>:received good" and so on.
  void AddCounters(std::map<std::string, int64_t>& counters) const;

 private:
  struct Stream {
    StreamCounts counts;
    uint64_t call = 0;   // the last call that brought something
    size_t share = 0;    // its place among the shares of that call
    uint64_t known = 0;  // the configuration that has a store for it
  };
  struct NameHash {
    using is_transparent = void;
    size_t operator()(std::string_view name) const { return std::hash<std::string_view>()(name); }
  };
  // Why the entry cannot be taken, `stream` is null then; or nothing, and `stream` is its stream.
  std::optional<std::string> Refuse(std::string_view name, std::string_view message,
                                    Stream*& stream);

  ConfigSnapshot config_;
  uint64_t configs_ = 0;  // how many there were
  uint64_t calls_ = 0;
  mutable Mutex mutex_;  // for insertions, and for looks from other threads
  std::unordered_map<std::string, std::unique_ptr<Stream>, NameHash, std::equal_to<>> streams_;
};

}  // namespace databus
