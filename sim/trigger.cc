#include "sim/trigger.h"

#include <optional>
#include <string>

#include "cluster/paths.h"

namespace databus::sim {
namespace {

bool IsBelow(std::string_view path, std::string_view directory) {
  return path.size() > directory.size() && path.starts_with(directory) &&
         path[directory.size()] == '/';
}

bool IsSegment(const Call& call) {
  return call.path.starts_with('/') && paths::BaseName(call.path).starts_with("segment-");
}

// Where things are, built once: IsAt is asked of every call that an incident waits for.
struct Roots {
  std::string tmp = paths::Tmp();
  std::string data = paths::Data();
  std::string sealed = paths::SealedRoot();
  std::string leases = paths::Leases();
  std::string local = paths::ViewRoot(View::kLocal);
  std::string merged = paths::ViewRoot(View::kMerged);
  std::string topology = paths::TopologyRoot();
  std::string failover = paths::FailoverRoot();
  std::string consumers{paths::Parent(paths::Consumers("c"))};
  std::string mirrors{paths::Parent(paths::Mirrors("c"))};
  std::string manifests{paths::Parent(paths::Parent(paths::ManifestRoot(View::kLocal, 0)))};
};

const Roots& At() {
  static const Roots roots;
  return roots;
}

// system/tmp/<view>/<group>/<name>: the name; else nothing.
std::optional<paths::StagingName> StagingNameIn(std::string_view path) {
  if (paths::Parent(paths::Parent(paths::Parent(path))) != At().tmp) return std::nullopt;
  return paths::ParseStagingName(paths::BaseName(path));
}

// system/tmp/<view>/<group>/<epoch>/<name>
bool IsInStaging(std::string_view path) { return StagingNameIn(paths::Parent(path)).has_value(); }

bool IsMove(const Call& call, std::string_view from, std::string_view to) {
  return call.verb == Verb::kRename && IsBelow(call.path, from) && IsBelow(call.to, to);
}

bool IsQueue(std::string_view path) {
  const std::string_view below = paths::Parent(paths::Parent(path));
  return below == At().consumers || below == At().mirrors;
}

bool IsRecord(const Call& call) {
  return call.verb == Verb::kRename && paths::BaseName(call.to).starts_with("record-");
}

bool Publishes(const Call& call) {
  return IsMove(call, At().tmp, At().local) || IsMove(call, At().tmp, At().merged);
}

bool Takes(const Call& call) {
  if (call.verb != Verb::kRename) return false;
  const auto name = StagingNameIn(call.to);
  return name && !name->fenced;
}

bool Fences(const Call& call) {
  if (call.verb != Verb::kRename) return false;
  const auto name = StagingNameIn(call.to);
  return name && name->fenced;
}

bool ListsEpochs(const Call& call) {
  return call.verb == Verb::kList && paths::Parent(paths::Parent(call.path)) == At().tmp;
}

}  // namespace

std::string_view StepName(Step step) {
  static constexpr std::string_view kNames[kSteps] = {
      "at-once",      "spool-append", "spool-sync", "deliver",   "announce", "claim", "take-epoch",
      "list-epochs",  "fence",        "record",     "publish",   "close",    "queue", "lease",
      "mirror-queue", "epoch",        "journal",    "set-aside", "fetch"};
  return kNames[static_cast<size_t>(step)];
}

std::string_view StepAnswerName(StepAnswer answer) {
  static constexpr std::string_view kNames[kStepAnswers] = {
      "as-is", "request-lost", "answer-lost", "fails", "slow", "dies", "late"};
  return kNames[static_cast<size_t>(answer)];
}

bool IsAt(Step step, const Call& call) {
  switch (step) {
    case Step::kNone: return false;
    case Step::kSpoolAppend: return call.verb == Verb::kAppend && IsSegment(call);
    case Step::kSpoolSync: return call.verb == Verb::kSync && IsSegment(call);
    case Step::kDeliver: return IsMove(call, At().tmp, At().data);
    case Step::kAnnounce: return IsMove(call, At().tmp, At().sealed);
    case Step::kClaim: return IsMove(call, At().data, At().tmp);
    case Step::kTakeEpoch: return Takes(call);
    case Step::kListEpochs: return ListsEpochs(call);
    case Step::kFence: return Fences(call);
    case Step::kRecord: return IsRecord(call);
    case Step::kPublish: return Publishes(call);
    case Step::kClose: return IsMove(call, At().tmp, At().manifests);
    case Step::kQueue: return call.verb == Verb::kRename && IsQueue(call.to);
    case Step::kMirrorQueue:
      return call.verb == Verb::kRename && paths::Parent(paths::Parent(call.to)) == At().mirrors;
    case Step::kStoreEpoch: return IsMove(call, At().tmp, At().topology);
    case Step::kJournal: return IsMove(call, At().tmp, At().failover);
    case Step::kSetAside:
      return IsMove(call, At().local, At().tmp) || IsMove(call, At().merged, At().tmp);
    case Step::kFetch: return call.verb == Verb::kCreate && IsInStaging(call.path);
    case Step::kLease: return Changes(call.verb) && IsBelow(call.path, At().leases);
  }
  __builtin_unreachable();
}

}  // namespace databus::sim
