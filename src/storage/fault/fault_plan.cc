#include "storage/fault/fault_plan.h"

#include <exception>

namespace databus {
namespace {

bool Matches(const FaultRule& rule, const Call& call) {
  if (rule.times == 0) return false;
  if (rule.number && *rule.number != call.number) return false;
  if (rule.verb && *rule.verb != call.verb) return false;
  if (call.store.find(rule.store_part) == std::string::npos) return false;
  return call.path.find(rule.path_part) != std::string::npos ||
         call.to.find(rule.path_part) != std::string::npos;
}

}  // namespace

std::string_view VerbName(Verb verb) {
  switch (verb) {
    case Verb::kStat: return "stat";
    case Verb::kList: return "list";
    case Verb::kListNames: return "list-names";
    case Verb::kOpen: return "open";
    case Verb::kRead: return "read";
    case Verb::kCreate: return "create";
    case Verb::kAppend: return "append";
    case Verb::kFinish: return "finish";
    case Verb::kMakeDir: return "make-dir";
    case Verb::kRename: return "rename";
    case Verb::kRemove: return "remove";
    case Verb::kReplace: return "replace";
    case Verb::kSync: return "sync";
    case Verb::kSyncDir: return "sync-dir";
    case Verb::kSize: return "size";
    case Verb::kFreeBytes: return "free-bytes";
    case Verb::kLockDir: return "lock-dir";
  }
  __builtin_unreachable();
}

bool Changes(Verb verb) {
  switch (verb) {
    case Verb::kStat:
    case Verb::kList:
    case Verb::kListNames:
    case Verb::kOpen:
    case Verb::kRead:
    case Verb::kSize:
    case Verb::kFreeBytes:
    case Verb::kLockDir: return false;
    case Verb::kCreate:
    case Verb::kAppend:
    case Verb::kFinish:
    case Verb::kMakeDir:
    case Verb::kRename:
    case Verb::kRemove:
    case Verb::kReplace:
    case Verb::kSync:
    case Verb::kSyncDir: return true;
  }
  __builtin_unreachable();
}

bool MayBeLate(Verb verb) {
  return verb == Verb::kCreate || verb == Verb::kMakeDir || verb == Verb::kRename ||
         verb == Verb::kRemove || verb == Verb::kReplace;
}

std::string Call::ToString() const {
  std::string text = number == 0 ? "" : std::to_string(number) + " ";
  text += std::string(VerbName(verb)) + " " + store + " " + path;
  if (!to.empty()) text += " to " + to;
  return text;
}

void FaultPlan::Add(FaultRule rule) {
  MutexLock lock(mutex_);
  rules_.push_back(std::move(rule));
}

void FaultPlan::Clear() {
  MutexLock lock(mutex_);
  rules_.clear();
  callback_ = nullptr;
}

void FaultPlan::SetCallback(Callback callback) {
  MutexLock lock(mutex_);
  callback_ = callback ? std::make_shared<const Callback>(std::move(callback)) : nullptr;
}

void FaultPlan::Kill() {
  MutexLock lock(mutex_);
  dead_ = true;
}

bool FaultPlan::dead() const {
  MutexLock lock(mutex_);
  return dead_;
}

uint64_t FaultPlan::calls() const {
  MutexLock lock(mutex_);
  return calls_;
}

std::vector<Call> FaultPlan::trace() const {
  MutexLock lock(mutex_);
  return trace_;
}

Fault FaultPlan::Choose(const Call& call) {
  std::shared_ptr<const Callback> callback;
  {
    MutexLock lock(mutex_);
    callback = callback_;
  }
  if (callback != nullptr) {
    Fault fault = (*callback)(call);
    if (fault.kind != Fault::Kind::kNone) return fault;
  }
  MutexLock lock(mutex_);
  for (FaultRule& rule : rules_) {
    if (!Matches(rule, call)) continue;
    if (rule.times != FaultRule::kAlways) --rule.times;
    return rule.fault;
  }
  return {};
}

Fault FaultPlan::Begin(Call& call) {
  {
    MutexLock lock(mutex_);
    if (!dead_) {
      call.number = ++calls_;
      if (keep_trace_ == Trace::kAll) trace_.push_back(call);
    }
  }
  if (call.number == 0) {  // the process is dead: its calls are not made, so not counted
    static_cast<void>(Die());
    return Fault::RequestLost();
  }
  Fault fault = Choose(call);
  if (fault.kind == Fault::Kind::kDelayed && fault.hook) {
    fault.hook();
    if (dead()) {  // killed while it was delayed
      static_cast<void>(Die());
      return Fault::RequestLost();
    }
  }
  return fault;
}

Status FaultPlan::Die() {
  Kill();
  if (std::uncaught_exceptions() == 0) throw Crash{};
  return Status(Code::kUnavailable, "the process is dead");
}

}  // namespace databus
