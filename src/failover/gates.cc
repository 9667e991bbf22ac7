#include "failover/gates.h"

#include <algorithm>
#include <cstddef>

#include <fmt/format.h>

#include "base/planted.h"
#include "telemetry/iso_time.h"

namespace databus::failover {
namespace {

// A mirror this close behind has caught up; the freeze makes it equal.
constexpr int64_t kCaughtUpMinutes = 2;
// By how much clocks may differ over kAloneAfter.
constexpr Milliseconds kDrift{5'000};

using Depth = Scope::Mirrored::Depth;

std::string DeliveriesUnderWay(uint64_t count) {
  return count == 1 ? "1 delivery under way" : fmt::format("{} deliveries under way", count);
}

class Judge {
 public:
  Judge(const Journal& journal, const Observation& seen) : journal_(journal), seen_(seen) {}

  Gate Run() {
    switch (journal_.step) {
      case Step::kBegin: Begin(); break;
      case Step::kCatchUp: CatchUp(); break;
      case Step::kSpool: Spool(); break;
      case Step::kDrain: Drain(); break;
      case Step::kFreeze: Freeze(); break;
      case Step::kMirror: Mirror(); break;
      case Step::kFence: Fence(); break;
      case Step::kSwap: Swap(); break;
      case Step::kDespool: Despool(); break;
      case Step::kVerify:
      case Step::kUndo:
      case Step::kDone:
      case Step::kAborted: break;
    }
    if (std::string back = ReturnOfTheLost(journal_, seen_); !back.empty()) {
      gate_.notes.push_back(std::move(back));
    }
    return std::move(gate_);
  }

 private:
  template <typename... Args>
  void Wait(uint64_t outstanding, fmt::format_string<Args...> format, Args&&... args) {
    gate_.waits.push_back(fmt::format(format, std::forward<Args>(args)...));
    gate_.outstanding += outstanding;
  }
  // What keeps the rest from coming: told first, as it is what somebody has to do something about.
  template <typename... Args>
  void Obstacle(fmt::format_string<Args...> format, Args&&... args) {
    std::string text = fmt::format(format, std::forward<Args>(args)...);
    if (std::ranges::count(gate_.waits, text) == 0) TellFirst(1, std::move(text));
  }
  void TellFirst(uint64_t outstanding, std::string text) {
    gate_.waits.insert(gate_.waits.begin() + obstacles_++, std::move(text));
    gate_.outstanding += outstanding;
  }
  // The same of a stream, where the worker of `cluster` says why it waits: then that is the one to
  // be looked at, and not those beside it.
  template <typename... Args>
  void WaitOf(const std::string& cluster, const std::string& stream, uint64_t outstanding,
              fmt::format_string<Args...> format, Args&&... args) {
    const Problem* const why = seen_.WorkerOf(cluster).WhyWaits(stream);
    if (why == nullptr) return Wait(outstanding, format, std::forward<Args>(args)...);
    TellFirst(outstanding, fmt::format("{}, as the worker of {} says: {}; {}",
                                       fmt::format(format, std::forward<Args>(args)...), cluster,
                                       why->what, why->next));
  }
  bool IsGivenUp(const std::string& cluster, const std::string& collector = "") const {
    return IsWithout(journal_.without, cluster, collector);
  }
  const RoleChange& Change() const { return journal_.change; }
  bool IsSiteThatGoes(const std::string& cluster) const {
    return cluster == Change().site && cluster == Change().from;
  }

  // False, with the reason to wait, when a cluster does not answer.
  bool Answers(const std::string& cluster) {
    const SeenTree& tree = seen_.TreeOf(cluster);
    if (tree.Answers()) return true;
    Obstacle("cluster {} does not answer: {}. {}", cluster, tree.why_away, WayOut(cluster));
    return false;
  }

  // What an operator can do who waits for the cluster.
  std::string WayOut(const std::string& cluster) const {
    const std::string_view command = CommandOf(journal_.kind);
    if (cluster == Change().to) {
      return fmt::format("Bring it back; or, if it is lost, 'databus {} abort --without {}'",
                         command, cluster);
    }
    if (cluster == Change().from && journal_.EpochOf(Step::kSwap) == nullptr) {
      return fmt::format(
          "Bring it back; or, if it is lost, 'databus {} abort', then 'databus failover plan "
          "--unplanned --from {} --to {}'",
          command, cluster, Change().to);
    }
    return fmt::format(
        "Bring it back; or, if it is lost, go on without it: 'databus {} resume --without {}'",
        command, cluster);
  }

  void NoWorker(const std::string& cluster, const SeenWorker& worker) {
    constexpr std::string_view kMoving =
        "it is on its way to another one, which takes some seconds; if it stays, 'databus status' "
        "says why";
    Obstacle("{}: {}", worker.WhyNone(cluster),
             !worker.unheld.empty() ? kMoving
             : worker.OthersLive()  ? "'databus status' says what keeps it from it"
                                    : "start one");
  }

  void WorkerObeys(const std::string& cluster, const StepEpoch& stored) {
    if (!Answers(cluster)) return;
    const SeenWorker& worker = seen_.WorkerOf(cluster);
    if (worker.life != Life::kAlive) {
      NoWorker(cluster, worker);
    } else if (!Obeys(worker.epoch, worker.digest, stored)) {
      Wait(1, "the worker of {} obeys topology epoch {}, not yet {}", cluster, worker.epoch,
           stored.epoch);
    }
  }

  // Calls `check` for every collector that lives and obeys; names the others.
  template <typename Check>
  void ForCollectors(const StepEpoch& stored, Check&& check) {
    for (const auto& [cluster, tree] : seen_.trees) {
      if (!IsGivenUp(cluster) && !MayBeAway(cluster)) Answers(cluster);
    }
    for (const SeenCollector& collector : seen_.collectors) {
      if (IsGivenUp(collector.cluster, collector.name) || collector.life == Life::kStopped)
        continue;
      if (collector.life == Life::kSilent) {
        if (MayBeAway(collector.cluster)) continue;
        Obstacle("collector {} {}: start it, or go on without it (--without {})", collector.Label(),
                 collector.Silence(), collector.Label());
      } else if (!Obeys(collector.epoch, collector.digest, stored)) {
        Wait(1, "collector {} obeys topology epoch {}, not yet {}", collector.Label(),
             collector.epoch, stored.epoch);
      } else {
        check(collector);
      }
    }
  }
  // Who is not waited for: the site once it may be switched off, and in an emergency whoever does
  // not answer.
  bool MayBeAway(const std::string& cluster) const {
    if (journal_.kind == Kind::kUnplanned) {
      return cluster == Change().from ||
             (cluster != Change().to && !seen_.TreeOf(cluster).Answers());
    }
    return journal_.step > Step::kSwap && cluster == Change().site && cluster == Change().from;
  }

  // Those that must give way to this one have not yet looked; or their drivers are dead.
  void Begin() {
    if (!seen_.why_others_unknown.empty()) {
      Wait(1, "nobody can tell whether another failover is open: {}", seen_.why_others_unknown);
    }
    for (const OpenFailover& other : seen_.others) {
      Wait(
          1,
          "{} was begun at the same time, by {}, and has yet to give way; if that process is dead, "
          "'databus failover abort {}' ends it",
          other.id, other.driver, other.id);
    }
  }

  void Spool() {
    ForCollectors(*journal_.EpochOf(Step::kSpool), [&](const SeenCollector& collector) {
      for (const auto& [stream, mode] : collector.modes) {
        if (IsConcerned(collector.cluster, stream) && mode != "spool") {
          Wait(1, "collector {} still has mode {} for {}", collector.Label(), mode, stream);
        }
      }
      for (const std::string& stream : Change().Moving()) {
        if (collector.modes.contains(stream)) continue;
        Wait(1, "collector {} does not say which mode it has for {}", collector.Label(), stream);
      }
      const uint64_t intents = IntentsOf(collector);
      if (intents > 0) {
        Wait(intents, "collector {} has {}", collector.Label(), DeliveriesUnderWay(intents));
      }
    });
    for (const SeenCollector& collector : seen_.collectors) StoppedInDelivery(collector);
  }

  bool IsConcerned(const std::string& cluster, const std::string& stream) const {
    const StreamChange* const change = Change().Find(stream);
    return IsSiteThatGoes(cluster) || (change != nullptr && change->Moves());
  }

  uint64_t IntentsOf(const SeenCollector& collector) const {
    if (IsSiteThatGoes(collector.cluster)) return collector.open_intents;
    uint64_t intents = 0;
    for (const auto& [stream, backlog] : collector.backlog) {
      if (IsConcerned(collector.cluster, stream)) intents += backlog.open_intents;
    }
    return intents;
  }

  // It carries out what it has begun when it is started, whatever its mode is then.
  void StoppedInDelivery(const SeenCollector& collector) {
    if (collector.life != Life::kStopped) return;
    if (IsGivenUp(collector.cluster, collector.name)) return;
    const uint64_t intents = IntentsOf(collector);
    if (intents == 0) return;
    Wait(intents, "collector {} is stopped, with {}: start it, or go on without it (--without {})",
         collector.Label(), DeliveriesUnderWay(intents), collector.Label());
  }

  void Drain() {
    if (Planted(Bug::kDrainNotAwaited)) return;
    for (const auto& [cluster, tree] : seen_.trees) {
      if (IsGivenUp(cluster) || !Answers(cluster)) continue;
      if (!tree.why_flow_unknown.empty()) {
        Wait(1, "{}: {}", cluster, tree.why_flow_unknown);
        continue;
      }
      for (const auto& [stream, underway] : tree.flow) DrainStream(cluster, stream, underway);
    }
  }

  void DrainStream(const std::string& cluster, const std::string& stream,
                   const Underway& underway) {
    uint64_t delivered = 0;
    for (const auto& [collector, files] : underway.data_files) {
      if (!IsGivenUp(cluster, collector)) delivered += files;
    }
    if (delivered + underway.in_commit > 0) {
      WaitOf(cluster, stream, delivered + underway.in_commit, "{} has {} of {} to publish", cluster,
             Counted(delivered + underway.in_commit, "file"), stream);
    }
    // In whichever queue: those for a former primary have still to be put into the right one (P31).
    uint64_t lines = 0;
    for (const auto& [destination, count] : underway.to_merge) lines += count;
    if (lines > 0) {
      WaitOf(PrimaryOf(stream), stream, lines, "{} has {} of {} to be merged", cluster,
             Counted(lines, "file"), stream);
    }
    if (cluster == Change().from && underway.merging > 0) {
      WaitOf(cluster, stream, underway.merging, "{} is merging {}", cluster, stream);
    }
  }

  // Who merges it while it is drained.
  std::string PrimaryOf(const std::string& stream) const {
    const StreamSpec* const spec =
        seen_.newest ? seen_.newest->stored.topology.FindStream(stream) : nullptr;
    return spec == nullptr ? Change().from : spec->Primary();
  }

  void Freeze() {
    WorkerObeys(Change().from, *journal_.EpochOf(Step::kFreeze));
    if (!gate_.open()) return;
    const SeenWorker& worker = seen_.WorkerOf(Change().from);
    for (const std::string& stream : Change().Moving()) {
      if (!worker.frozen.contains(stream)) {
        WaitOf(Change().from, stream, 1,
               "the worker of {} has not yet closed the last minute of {}", Change().from, stream);
      }
    }
  }

  void Mirror() {
    if (Planted(Bug::kMirrorsNotAwaited)) return;
    for (const auto& [key, mirror] : seen_.mirrors) {
      if (IsGivenUp(key.mirror)) continue;
      if (!mirror.Known()) {
        WaitOf(key.mirror, key.stream, 1, "mirror {} of {}: {}", key.mirror, key.stream,
               mirror.why_unknown);
        continue;
      }
      if (!mirror.why_not_compared.empty()) {
        Wait(1, "mirror {} of {}: {}", key.mirror, key.stream, mirror.why_not_compared);
        continue;
      }
      const auto cut = journal_.cuts.find(key.stream);
      if (cut == journal_.cuts.end() || !cut->second) continue;  // it never had a minute
      if (!mirror.newest || *mirror.newest < *cut->second) {
        WaitOf(key.mirror, key.stream, 1, "mirror {} of {} is at minute {}, not yet at {}",
               key.mirror, key.stream, mirror.newest ? mirror.newest->ToIso() : "none",
               cut->second->ToIso());
      } else if (mirror.differs) {
        WaitOf(key.mirror, key.stream, 1, "mirror {} of {} is not equal in minute {}: {}",
               key.mirror, key.stream, mirror.differs->ToIso(), mirror.difference);
      }
    }
    const SeenTree& tree = seen_.TreeOf(Change().from);
    if (!Answers(Change().from)) return;
    if (!tree.why_flow_unknown.empty()) Wait(1, "{}: {}", Change().from, tree.why_flow_unknown);
    for (const auto& [stream, underway] : tree.flow) {
      const StreamChange* const change = Change().Find(stream);
      if (change == nullptr || !change->Moves()) continue;
      for (const auto& [mirror, lines] : underway.to_mirror) {
        if (!change->before.RoleOf(mirror) || IsGivenUp(mirror) || lines == 0) continue;
        WaitOf(mirror, stream, lines, "{} has {} of {} in the queue of mirror {}", Change().from,
               Counted(lines, "line"), stream, mirror);
      }
    }
  }

  // A primary that publishes has read a majority within kAloneAfter. So the epoch must be where
  // each majority sees it; from then on that time is waited out.
  void Fence() {
    const StepEpoch& stored = *journal_.EpochOf(Step::kFence);
    const size_t clusters = seen_.trees.size();
    const size_t needed = clusters - clusters / 2;  // so many meet each majority
    const auto have = static_cast<size_t>(std::ranges::count_if(
        seen_.tips, [&](const auto& tip) { return tip.second == stored.digest; }));
    if (!journal_.fenced && have < needed) {
      Wait(needed - have,
           "topology epoch {} stands on {} of {} clusters, {} are needed: the primary may still "
           "read a majority without it",
           stored.epoch, have, clusters, needed);
      return;
    }
    if (!journal_.fenced) return;
    const Milliseconds whole = kAloneAfter + kDrift;
    const auto passed = std::chrono::duration_cast<Milliseconds>(seen_.boot - *journal_.fenced);
    const Milliseconds left = whole - std::max(passed, Milliseconds(0));  // 0: of another machine
    if (left.count() <= 0) return;
    Wait(1, "a primary that is cut off may publish for another {}", ToHuman(left));
  }

  void Swap() {
    const StepEpoch& stored = *journal_.EpochOf(Step::kSwap);
    WorkerObeys(Change().to, stored);
    ForCollectors(stored, [](const SeenCollector&) {});
  }

  // Each collector tells what it holds from before it took up the swap, and that it did: no clock
  // is asked.
  void Despool() {
    const StepEpoch& stored = *journal_.EpochOf(Step::kSwap);
    ForCollectors(stored, [&](const SeenCollector& collector) {
      const std::optional<uint64_t>& held = collector.bytes_before_epoch;
      if (!held) {
        Wait(1, "collector {} does not say what its spool holds from before the swap",
             collector.Label());
      } else if (*held > 0) {
        StillHas(collector, *held);
      }
    });
    for (const SeenCollector& collector : seen_.collectors) SwitchedOff(collector, stored);
  }

  // Where something is gone or damaged that may be why, that is to be looked at.
  void StillHas(const SeenCollector& collector, uint64_t bytes) {
    const std::string text =
        fmt::format("collector {} still has {} bytes from before the swap in its spool",
                    collector.Label(), bytes);
    if (collector.losses.empty()) return Wait(bytes, "{}", text);
    const Problem& loss = collector.losses.front();
    TellFirst(bytes, fmt::format("{}, and says: {}; {}", text, loss.what, loss.next));
  }

  // Those of the site may be switched off by now, but not with what they alone have.
  void SwitchedOff(const SeenCollector& collector, const StepEpoch& stored) {
    if (journal_.kind == Kind::kUnplanned || !IsSiteThatGoes(collector.cluster)) return;
    if (IsGivenUp(collector.cluster, collector.name) || collector.life == Life::kAlive) return;
    const std::string label = collector.Label();
    const bool stopped = collector.life == Life::kStopped;
    if (collector.spool_bytes > 0) {
      Wait(collector.spool_bytes,
           "collector {} {}, with {} bytes in its spool: start it, or go on without it (--without "
           "{})",
           label, stopped ? "is stopped" : collector.Silence(), collector.spool_bytes, label);
    } else if (!stopped && !Obeys(collector.epoch, collector.digest, stored)) {
      Wait(1,
           "collector {} {}, and did not obey the swap by then: start it, or go on without it "
           "(--without {})",
           label, collector.Silence(), label);
    }
  }

  void CatchUp() {
    if (Planted(Bug::kCatchUpNotAwaited)) return;
    const std::string& site = Change().to;
    if (!Answers(site)) return;
    const SeenWorker& worker = seen_.WorkerOf(site);
    if (worker.life != Life::kAlive) NoWorker(site, worker);
    if (seen_.newest && worker.epoch < seen_.newest->stored.epoch) {
      Wait(1, "the worker of {} obeys topology epoch {}, not yet {}", site, worker.epoch,
           seen_.newest->stored.epoch);
    }
    for (const auto& [stream, what] : worker.divergent) {
      Wait(1, "{} puts right what it had published of {}: {}", site, stream, what);
    }
    for (const auto& [key, mirror] : seen_.mirrors) CatchUpMirror(key, mirror);
  }

  void CatchUpMirror(const MirrorKey& key, const SeenMirror& mirror) {
    if (!mirror.Known()) {
      WaitOf(key.mirror, key.stream, 1, "mirror {} of {}: {}", key.mirror, key.stream,
             mirror.why_unknown);
      return;
    }
    if (!mirror.why_not_compared.empty()) {
      Wait(1, "mirror {} of {}: {}", key.mirror, key.stream, mirror.why_not_compared);
      return;
    }
    if (!mirror.primary_newest) return;  // there is nothing to mirror
    const int64_t behind =
        mirror.newest ? *mirror.primary_newest - *mirror.newest : INT64_C(1) << 32;
    if (behind > kCaughtUpMinutes) {
      WaitOf(key.mirror, key.stream, static_cast<uint64_t>(behind),
             "mirror {} of {} is at minute {}, the primary at {}", key.mirror, key.stream,
             mirror.newest ? mirror.newest->ToIso() : "none", mirror.primary_newest->ToIso());
    } else if (mirror.differs && *mirror.differs < *mirror.newest) {
      WaitOf(key.mirror, key.stream, 1, "mirror {} of {} is not equal in minute {}: {}", key.mirror,
             key.stream, mirror.differs->ToIso(), mirror.difference);
    }
  }

  const Journal& journal_;
  const Observation& seen_;
  Gate gate_;
  std::ptrdiff_t obstacles_ = 0;  // at the beginning of its waits
};

}  // namespace

Scope ScopeOf(const Journal& journal) {
  const RoleChange& change = journal.change;
  Scope scope;
  const std::vector<std::string> moving = change.Moving();
  scope.streams.insert(moving.begin(), moving.end());
  if (journal.step == Step::kDrain || journal.step == Step::kMirror ||
      journal.step == Step::kCatchUp) {
    scope.flow = Scope::Flow::kLook;
  }
  if (journal.step == Step::kDrain && change.site == change.from) scope.whole = change.site;
  if (journal.step != Step::kMirror && journal.step != Step::kCatchUp) return scope;
  const Depth depth = journal.kind == Kind::kFailback ? Depth::kAll : Depth::kNewest;
  for (const StreamChange& stream : change.streams) {
    if (!stream.Moves()) continue;
    for (const std::string& mirror : stream.before.Mirrors()) {
      if (journal.step == Step::kCatchUp && mirror != change.to) continue;
      scope.mirrored.push_back({stream.name(), change.from, mirror, depth});
    }
  }
  return scope;
}

std::string ReturnOfTheLost(const Journal& journal, const Observation& seen) {
  const std::string& from = journal.change.from;
  if (journal.kind != Kind::kUnplanned || journal.epochs.empty()) return "";
  if (!seen.TreeOf(from).Answers()) return "";
  const StepEpoch& newest = journal.epochs.back();
  const SeenWorker& worker = seen.WorkerOf(from);
  std::string text = fmt::format("cluster {} answers: ", from);
  if (worker.life != Life::kAlive && worker.OthersLive()) {
    text += worker.WhyNone(from);
  } else if (worker.life != Life::kAlive) {
    text += fmt::format("start its worker, which obeys topology epoch {} before it does anything",
                        newest.epoch);
  } else if (Obeys(worker.epoch, worker.digest, newest)) {
    text += fmt::format("its worker obeys topology epoch {}", newest.epoch);
  } else {
    text +=
        fmt::format("its worker obeys topology epoch {}, not yet {}", worker.epoch, newest.epoch);
  }
  if (journal.EpochOf(Step::kSwap) == nullptr) {
    return text + fmt::format(
                      "; the roles have not changed yet: 'databus failover abort', then 'databus "
                      "failover run --from {} --to {}', would put nothing at risk",
                      from, journal.change.to);
  }
  return text + "; what it alone has is merged late, and 'databus failover status' accounts for it";
}

std::string Counted(uint64_t number, std::string_view noun) {
  return fmt::format("{} {}{}", number, noun, number == 1 ? "" : "s");
}

Gate GateOf(const Journal& journal, const Observation& seen) { return Judge(journal, seen).Run(); }

bool Obeys(uint64_t epoch, const std::string& digest, const StepEpoch& stored) {
  return epoch > stored.epoch || (epoch == stored.epoch && digest == stored.digest);
}

bool IsWithout(const std::vector<std::string>& without, const std::string& cluster,
               const std::string& collector) {
  return std::ranges::any_of(without, [&](const std::string& named) {
    return named == cluster || (!collector.empty() && named == LabelOf(cluster, collector));
  });
}

std::vector<std::string> ForeignCollectors(const Observation& seen, const std::string& cluster) {
  std::set<std::string> names;
  for (const auto& [stream, underway] : seen.TreeOf(cluster).flow) {
    for (const auto& [collector, files] : underway.data_files) {
      if (files > 0) names.insert(collector);
    }
  }
  for (const SeenCollector& collector : seen.collectors) {
    if (collector.cluster == cluster) names.erase(collector.name);
  }
  return {names.begin(), names.end()};
}

}  // namespace databus::failover
