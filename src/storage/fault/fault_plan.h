// What goes wrong, and when: the plan that FaultStorage and FaultDisk of one (simulated) process
// share, so that all calls of the process are numbered in one sequence and die together.
//
//   FaultPlan plan;
//   FaultStorage storage(memory, plan);
//   plan.Add({.verb = Verb::kRename, .path_part = "clicks", .fault = Fault::AnswerLost()});
//   plan.Add({.number = 17, .fault = Fault::CrashAfter()});
//
// Every call is counted from 1, recorded, and given the first fault that wants it: that of the
// callback if it names one, then the rules in the order they were added. A batch is as many calls
// as it has items.
//
// A crash stands for the death of the process. The call throws Crash, and so does every call after
// it, without effect. Nothing is thrown while another exception unwinds (destructors of the dead
// process): such calls answer kUnavailable and do nothing.
//
// Thread-safe. The callback and the hooks of faults run in the calling thread without any lock and
// may use the plan.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/crash.h"
#include "base/status.h"
#include "base/sync.h"

namespace databus {

enum class Verb : uint8_t {
  // Storage and its readers and writers; the disk uses those that fit.
  kStat,
  kList,
  kListNames,
  kOpen,
  kRead,
  kCreate,
  kAppend,
  kFinish,
  kMakeDir,
  kRename,
  kRemove,
  kReplace,
  // Disk only.
  kSync,
  kSyncDir,
  kSize,
  kFreeBytes,
  kLockDir,
};
std::string_view VerbName(Verb verb);
// True for verbs that can change the tree or what is durable of it.
bool Changes(Verb verb);
// True for those that change names by one call: a server may make it long after its caller has
// given up.
bool MayBeLate(Verb verb);

struct Call {
  uint64_t number = 0;  // the first is 1
  Verb verb = Verb::kStat;
  std::string store{};  // Describe() of the storage, "disk" for a disk
  std::string path{};
  std::string to{};       // of a rename
  std::string content{};  // of a replace

  // "17 rename memory: a/b to c/d"
  std::string ToString() const;
};

struct Fault {
  enum class Kind : uint8_t {
    kNone,
    kRefused,      // not done; answers `code`
    kAnswerLost,   // done; answers kUnavailable
    kRequestLost,  // not done; answers kUnavailable
    kDelayed,      // runs `hook`, then the call
    kTorn,         // an Append writes its first `bytes` bytes, then answers `code`; else kRefused
    kFlipped,      // a Read answers with one bit wrong in its byte `bytes` (the last one at most)
    kCrashBefore,
    kCrashAfter,
    kCrashTorn,  // an Append writes its first `bytes` bytes, then the crash; else kCrashBefore
    kDenied,     // not done; answers kRefused: the process has no right to do it
    kLate,       // not done yet; answers kUnavailable. Whoever planned it makes it later (MakeLate)
  };
  Kind kind = Kind::kNone;
  Code code = Code::kUnavailable;
  uint64_t bytes = 0;
  std::function<void()> hook{};

  static Fault Refused(Code code) { return {.kind = Kind::kRefused, .code = code}; }
  static Fault Denied() { return {.kind = Kind::kDenied, .code = Code::kRefused}; }
  static Fault Full() { return Refused(Code::kNoSpace); }
  static Fault AnswerLost() { return {.kind = Kind::kAnswerLost}; }
  static Fault RequestLost() { return {.kind = Kind::kRequestLost}; }
  static Fault Late() { return {.kind = Kind::kLate}; }
  static Fault Delayed(std::function<void()> hook) {
    return {.kind = Kind::kDelayed, .hook = std::move(hook)};
  }
  static Fault Torn(uint64_t bytes, Code code = Code::kUnavailable) {
    return {.kind = Kind::kTorn, .code = code, .bytes = bytes};
  }
  static Fault Flipped(uint64_t byte) { return {.kind = Kind::kFlipped, .bytes = byte}; }
  static Fault CrashBefore() { return {.kind = Kind::kCrashBefore}; }
  static Fault CrashAfter() { return {.kind = Kind::kCrashAfter}; }
  static Fault CrashTorn(uint64_t bytes) { return {.kind = Kind::kCrashTorn, .bytes = bytes}; }
};

// Which calls get a fault: those that match everything that is given.
struct FaultRule {
  std::optional<uint64_t> number{};
  std::optional<Verb> verb{};
  std::string store_part{};
  std::string path_part{};  // of the path, or of what it is renamed to
  uint64_t times = 1;       // spent after so many calls; kAlways never
  Fault fault{};

  static constexpr uint64_t kAlways = std::numeric_limits<uint64_t>::max();
};

class FaultPlan {
 public:
  using Callback = std::function<Fault(const Call&)>;

  // Whether trace() remembers every call.
  enum class Trace : uint8_t { kNone, kAll };
  explicit FaultPlan(Trace trace = Trace::kAll) : keep_trace_(trace) {}

  void Add(FaultRule rule);
  // Forgets all rules and the callback; counts and trace stay.
  void Clear();
  void SetCallback(Callback callback);

  // The process dies now: every later call throws Crash.
  void Kill();
  bool dead() const;

  uint64_t calls() const;  // so far
  std::vector<Call> trace() const;

  // For the decorators. Numbers and records the call and says what happens to it. Runs the hook and
  // dies before the call where planned. kRequestLost when the process is dead and unwinding.
  Fault Begin(Call& call);
  // For the decorators. Dies: throws Crash, or answers kUnavailable while unwinding.
  Status Die();

 private:
  Fault Choose(const Call& call);

  const Trace keep_trace_;
  mutable Mutex mutex_;  // guards what follows
  bool dead_ = false;
  uint64_t calls_ = 0;
  std::shared_ptr<const Callback> callback_;  // null: none
  std::vector<FaultRule> rules_;
  std::vector<Call> trace_;
};

// For the decorators: the answer to `call` under `plan`, where `run` makes the real call and
// answers with a Status or a Result.
struct FaultHelpers {
  std::function<void(uint64_t)> append{};  // appends so many bytes of what is being appended
  std::function<void(uint64_t)> flip{};    // flips a bit of what was read
};
template <typename Run>
auto RunFaulty(FaultPlan& plan, Call call, Run run, const FaultHelpers& helpers = {})
    -> decltype(run()) {
  using Kind = Fault::Kind;
  const Fault fault = plan.Begin(call);
  switch (fault.kind) {
    case Kind::kNone:
    case Kind::kDelayed: return run();
    case Kind::kRefused: return Status(fault.code, call.ToString() + ": refused by plan");
    case Kind::kDenied: return Status(fault.code, call.ToString() + ": permission denied by plan");
    case Kind::kRequestLost:
      return Status(Code::kUnavailable, call.ToString() + ": request lost by plan");
    case Kind::kLate:
      return Status(Code::kUnavailable, call.ToString() + ": not answered yet by plan");
    case Kind::kAnswerLost:
      static_cast<void>(run());
      return Status(Code::kUnavailable, call.ToString() + ": answer lost by plan");
    case Kind::kTorn:
      if (helpers.append) helpers.append(fault.bytes);
      return Status(fault.code, call.ToString() + ": torn by plan");
    case Kind::kFlipped: {
      auto answer = run();
      if (answer.ok() && helpers.flip) helpers.flip(fault.bytes);
      return answer;
    }
    case Kind::kCrashBefore: return plan.Die();
    case Kind::kCrashAfter: static_cast<void>(run()); return plan.Die();
    case Kind::kCrashTorn:
      if (helpers.append) helpers.append(fault.bytes);
      return plan.Die();
  }
  __builtin_unreachable();
}

}  // namespace databus
