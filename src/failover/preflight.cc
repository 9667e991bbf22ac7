#include "failover/preflight.h"

#include <algorithm>
#include <cstdlib>
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cluster/steering.h"
#include "failover/gates.h"
#include "failover/steps.h"
#include "net/cidr.h"
#include "telemetry/iso_time.h"

namespace databus::failover {
namespace {

constexpr uint64_t kFreeBytesMin = uint64_t{64} << 20;
constexpr int64_t kMirrorBehindMinutes = 10;
constexpr uint64_t kBacklogLines = 1000;

class Checks {
 public:
  Checks(const Request& request, const Observation& seen, Plan& plan)
      : request_(request), seen_(seen), plan_(plan) {}

  void Run() {
    for (const auto& [cluster, tree] : seen_.trees) Cluster(cluster, tree);
    for (const std::string& named : plan_.without) Named(named);
    if (Unplanned()) Needless();
    Workers();
    for (const auto& [cluster, worker] : seen_.workers) Problems(cluster, worker);
    for (const SeenCollector& collector : seen_.collectors) Collector(collector);
    Versions();
    for (const auto& [cluster, tree] : seen_.trees) Foreign(cluster);
    Streams();
    for (const auto& [key, mirror] : seen_.mirrors) Mirror(key, mirror);
    if (plan_.change.site == plan_.change.from) Receivers();
    Backlog();
  }

 private:
  void Refuse(std::string what, std::string next) {
    plan_.refusals.push_back({std::move(what), std::move(next)});
  }
  void Warn(std::string what) { plan_.warnings.push_back(std::move(what)); }
  bool Unplanned() const { return plan_.kind == Kind::kUnplanned; }
  bool Without(const std::string& cluster, const std::string& collector = "") const {
    return IsWithout(plan_.without, cluster, collector);
  }
  // Nobody waits for anything of the cluster that is lost.
  bool Lost(const std::string& cluster) const {
    return Unplanned() && cluster == plan_.change.from;
  }

  void Cluster(const std::string& cluster, const SeenTree& tree) {
    if (!tree.Answers()) {
      const bool concerned = cluster == plan_.change.from || cluster == plan_.change.to;
      if (Lost(cluster) || (!concerned && (Unplanned() || Without(cluster)))) return;
      if (cluster == plan_.change.from && plan_.kind == Kind::kPlanned) {
        Refuse(fmt::format("cluster {} does not answer: {}", cluster, tree.why_away),
               fmt::format("bring it back; or, if it is lost, 'databus failover plan --unplanned "
                           "--from {} --to {}'",
                           plan_.change.from, plan_.change.to));
      } else if (concerned) {
        Refuse(fmt::format("cluster {} does not answer: {}", cluster, tree.why_away),
               "bring it back first");
      } else {
        Refuse(fmt::format("cluster {} does not answer: {}", cluster, tree.why_away),
               fmt::format("bring it back; or go on without it: --without {}", cluster));
      }
      return;
    }
    if (!tree.clock_ahead) return;
    const Milliseconds apart(std::abs(tree.clock_ahead->count()));
    if (apart > kClockApartMax) {
      Refuse(
          fmt::format("the clocks of cluster {} and of who writes there or looks on are {} apart",
                      cluster, ToHuman(apart)),
          "set them right (NTP)");
    }
  }

  // Somebody may have meant the other command.
  void Needless() {
    const std::string& from = plan_.change.from;
    if (!seen_.TreeOf(from).Answers() || seen_.WorkerOf(from).life != Life::kAlive) return;
    Plan other = plan_;
    other.kind = Kind::kPlanned;
    other.refusals.clear();
    Checks(request_, seen_, other).Run();
    std::vector<std::string> whats;
    whats.reserve(other.refusals.size());
    for (const Refusal& refusal : other.refusals) whats.push_back(refusal.what);
    const std::string first = whats.empty()
                                  ? std::string()
                                  : fmt::format(" once this is mended: {}", fmt::join(whats, "; "));
    Warn(
        fmt::format("{0} answers, and its worker is alive: without --unplanned nothing would be "
                    "at risk{2} ('databus failover run --from {0} --to {1}')",
                    from, plan_.change.to, first));
  }

  // A name that nobody has excuses nobody.
  void Named(const std::string& label) {
    const size_t slash = label.find('/');
    if (slash == std::string::npos) return;
    const std::string cluster = label.substr(0, slash);
    std::vector<std::string> known;
    for (const SeenCollector& collector : seen_.collectors) {
      if (collector.cluster == cluster) known.push_back(collector.Label());
    }
    for (const std::string& name : ForeignCollectors(seen_, cluster)) {
      known.push_back(LabelOf(cluster, name));
    }
    if (std::ranges::count(known, label) > 0) return;
    if (!seen_.TreeOf(cluster).Answers()) {
      Warn(fmt::format("nobody waits for collector {}, of which nothing is known here", label));
      return;
    }
    Refuse(fmt::format("--without {}: there is no such collector", label),
           known.empty() ? fmt::format("{} has none", cluster)
                         : fmt::format("{} has {}", cluster, fmt::join(known, ", ")));
  }

  void Workers() {
    for (const std::string& cluster : {plan_.change.from, plan_.change.to}) {
      if (Lost(cluster) || !seen_.TreeOf(cluster).Answers()) continue;
      const SeenWorker& worker = seen_.WorkerOf(cluster);
      if (worker.life != Life::kAlive) {
        Refuse(worker.WhyNone(cluster),
               worker.OthersLive() ? "see its problems: databus status" : "start one");
      } else if (worker.epoch < plan_.base_epoch) {
        Refuse(fmt::format("the worker of {} obeys topology epoch {}, the newest is {}", cluster,
                           worker.epoch, plan_.base_epoch),
               "give it a moment; if it stays so, look at its log: it may be of an older version");
      }
      for (const auto& [stream, what] : worker.divergent) {
        if (plan_.kind == Kind::kFailback) continue;  // waited for
        Refuse(fmt::format("{} is putting right what it had published of {}: {}", cluster, stream,
                           what),
               "wait until 'databus status' does not show it any more");
      }
    }
  }

  // What a worker says keeps a stream from going on keeps a gate closed, too. Other troubles that
  // name a stream are told.
  void Problems(const std::string& cluster, const SeenWorker& worker) {
    if (Lost(cluster) || Without(cluster) || worker.life != Life::kAlive) return;
    const bool has_way_out = cluster != plan_.change.from && cluster != plan_.change.to;
    for (const Problem& problem : worker.problems) {
      const std::string what = fmt::format("the worker of {} says: {}", cluster, problem.what);
      const bool keeps = std::ranges::any_of(
          problem.streams, [&](const std::string& one) { return IsWaitedFor(cluster, one); });
      if (keeps && !Unplanned()) {
        Refuse(what, problem.next + (has_way_out ? "; or go on without it: --without " + cluster
                                                 : std::string()));
      } else if (keeps || NamesMoving(problem.what)) {
        Warn(fmt::format("{}; {}", what, problem.next));
      }
    }
  }

  bool IsWaitedFor(const std::string& cluster, const std::string& stream) const {
    const StreamChange* const change = plan_.change.Find(stream);
    if (change != nullptr && change->Moves()) return true;
    // Of a site that goes all streams are drained, and merged wherever that is.
    const StreamSpec* const spec = seen_.newest->stored.topology.FindStream(stream);
    return plan_.change.site == plan_.change.from &&
           (cluster == plan_.change.site || (spec != nullptr && spec->Primary() == cluster));
  }

  bool NamesMoving(std::string_view text) const {
    constexpr std::string_view kEnds = " /:;,'\"()";
    return std::ranges::any_of(plan_.change.Moving(), [&](const std::string& stream) {
      for (size_t at = text.find(stream); at != text.npos; at = text.find(stream, at + 1)) {
        const size_t end = at + stream.size();
        const bool begins = at == 0 || kEnds.find(text[at - 1]) != kEnds.npos;
        if (begins && (end == text.size() || kEnds.find(text[end]) != kEnds.npos)) return true;
      }
      return false;
    });
  }

  void Collector(const SeenCollector& collector) {
    const std::string label = collector.Label();
    if (Without(collector.cluster, collector.name)) {
      Warn(fmt::format("nobody waits for collector {}", label));
      return;
    }
    if (Lost(collector.cluster)) return;
    for (const Problem& loss : collector.losses) {
      Warn(fmt::format("collector {} says: {}; {}", label, loss.what, loss.next));
    }
    switch (collector.life) {
      case Life::kStopped:
        if (collector.spool_bytes > 0) {
          Stopped(label, collector);
        }
        return;
      case Life::kSilent:
        if (Unplanned()) return;
        Refuse(fmt::format("collector {} {}", label, collector.Silence()),
               fmt::format("start it; or, if it is gone for good, go on without it: --without {}",
                           label));
        return;
      case Life::kAlive: break;
    }
    if (collector.epoch < plan_.base_epoch) {
      Refuse(fmt::format("collector {} obeys topology epoch {}, the newest is {}", label,
                         collector.epoch, plan_.base_epoch),
             "give it a moment; if it stays so, look at its log: it may be of an older version");
    }
    if (!Unplanned()) Space(collector);
  }

  // Who lives and takes part; what has no number cannot be steered, or not through all of it.
  void Versions() {
    std::map<std::string, std::vector<std::string>> by_program;
    for (const std::string& cluster : {plan_.change.from, plan_.change.to}) {
      const SeenWorker& worker = seen_.WorkerOf(cluster);
      if (Lost(cluster) || worker.life != Life::kAlive) continue;
      Version({"the worker of " + cluster, worker.program, worker.steering}, by_program);
    }
    for (const SeenCollector& collector : seen_.collectors) {
      if (Lost(collector.cluster) || collector.life != Life::kAlive ||
          Without(collector.cluster, collector.name)) {
        continue;
      }
      Version({"collector " + collector.Label(), collector.program, collector.steering},
              by_program);
    }
    if (by_program.size() < 2) return;
    std::string programs;
    for (const auto& [program, who] : by_program) {
      programs += fmt::format("{}{} ({} of them, as {})", programs.empty() ? "" : ", ", program,
                              who.size(), who.front());
    }
    Warn("processes of different versions take part, all of which can: " + programs);
  }

  struct Who {
    std::string name;
    std::string program;
    uint64_t steering;
  };
  void Version(const Who& who, std::map<std::string, std::vector<std::string>>& by_program) {
    if (who.steering == 0) {
      Refuse(fmt::format("{} is of a version that cannot be taken through a failover: it does not "
                         "say what it can do",
                         who.name),
             fmt::format("start it with this program ({}) or a newer one", ProgramVersion()));
      return;
    }
    by_program[who.program].push_back(who.name);
    if (who.steering > kSteeringVersion) {
      Warn(
          fmt::format("{} is of version {}, which knows more than this program ({}): run the newer "
                      "one",
                      who.name, who.program, ProgramVersion()));
    } else if (who.steering < kSteeringVersion) {
      Refuse(fmt::format("{} is of version {}, which lacks what a failover needs", who.name,
                         who.program),
             fmt::format("start it with this program ({})", ProgramVersion()));
    }
  }

  void Stopped(const std::string& label, const SeenCollector& collector) {
    std::string what = fmt::format("collector {} is stopped, with {} bytes in its spool", label,
                                   collector.spool_bytes);
    const std::string& site = plan_.change.site;
    if (Unplanned() || site != plan_.change.from || collector.cluster != site) {
      return Warn(std::move(what) + ": they arrive when it is started again");
    }
    Refuse(std::move(what),
           fmt::format("start it; or accept that they arrive when it is started again: --without "
                       "{}",
                       label));
  }

  // While it spools, a collector needs room for what comes in meanwhile.
  void Space(const SeenCollector& collector) {
    if (!collector.free_bytes) return;
    uint64_t expected = kFreeBytesMin;
    if (collector.lag.count() > 0) {
      const double bytes_per_ms = static_cast<double>(collector.spool_bytes) /
                                  static_cast<double>(std::max<int64_t>(collector.lag.count(), 1));
      const double twice =
          2.0 * bytes_per_ms * static_cast<double>(plan_.ExpectedButDespool().count());
      expected = std::max(expected, static_cast<uint64_t>(twice));
    }
    if (*collector.free_bytes >= expected) return;
    Refuse(fmt::format("collector {} has {} bytes free for its spool; it may need {}",
                       collector.Label(), *collector.free_bytes, expected),
           "make room on its disk");
  }

  void Foreign(const std::string& cluster) {
    if (Lost(cluster) || Unplanned()) return;
    for (const std::string& name : ForeignCollectors(seen_, cluster)) {
      const std::string label = LabelOf(cluster, name);
      if (Without(cluster, name)) {
        Warn(fmt::format("nobody waits for files of {}", label));
        continue;
      }
      Refuse(fmt::format("{} delivers into {} and never says anything: it cannot be made to spool",
                         label, cluster),
             fmt::format("make it spool yourself, or accept that its files arrive later: "
                         "--without {}",
                         label));
    }
  }

  void Streams() {
    const StoredTopology& stored = seen_.newest->stored;
    std::vector<std::string> missing;
    for (const StreamSpec& stream : stored.topology.streams) {
      if (!request_.only.empty() && stream.name != request_.only) continue;
      if (plan_.kind != Kind::kFailback && stream.Primary() == plan_.change.from &&
          !stream.RoleOf(plan_.change.to)) {
        missing.push_back(stream.name);
      }
      const StreamChange* const change = plan_.change.Find(stream.name);
      if (change != nullptr && change->Moves() && stream.publication == Publication::kFrozen) {
        Refuse(fmt::format("stream {} is frozen", stream.name),
               "see who froze it: 'databus topology show'");
      }
    }
    if (plan_.kind == Kind::kPlanned && stored.topology.clusters.size() == 2 &&
        AnyWaits(plan_.change, stored.topology)) {
      Warn(
          fmt::format("there are streams that wait when alone: before {0} is switched off, let {1} "
                      "go on with 'databus topology confirm --alone {1}'",
                      plan_.change.from, plan_.change.to));
    }
    if (missing.empty()) return;
    Refuse(fmt::format("{} is no mirror of {}", plan_.change.to, fmt::join(missing, ", ")),
           fmt::format("'databus topology mirror {} --of {}' makes it one; then wait until it has "
                       "caught up ('databus status')",
                       plan_.change.to, plan_.change.from));
  }

  void Mirror(const MirrorKey& key, const SeenMirror& mirror) {
    // The cut is made of it: taken for none, what is there would be set aside.
    if (Unplanned() && !mirror.why_newest_unknown.empty() && !Without(key.mirror)) {
      Refuse(fmt::format("the newest minute of {} at {} cannot be read: {}", key.stream, key.mirror,
                         mirror.why_newest_unknown),
             "mend it, or leave the cluster out: --without " + key.mirror);
    }
    if (Without(key.mirror) || plan_.kind == Kind::kFailback || !mirror.primary_newest) return;
    const bool concerned = key.mirror == plan_.change.to;
    if (!mirror.Known()) {
      if (concerned)
        Refuse(fmt::format("mirror {} of {}: {}", key.mirror, key.stream, mirror.why_unknown),
               "bring it back first");
      return;
    }
    const int64_t behind = mirror.newest ? *mirror.primary_newest - *mirror.newest : -1;
    if (!mirror.newest || behind > kMirrorBehindMinutes) {
      Warn(fmt::format("mirror {} of {} is {} behind: the failover waits for it", key.mirror,
                       key.stream,
                       mirror.newest ? fmt::format("{} minutes", behind) : "a whole stream"));
    }
  }

  // Whoever receives what the collectors of the site are sent from the swap on.
  void Receivers() {
    if (!request_.redirect_to.empty()) return NamedReceivers();
    size_t alive = 0;
    for (const SeenCollector& receiver : seen_.collectors) {
      if (receiver.cluster != plan_.change.to || receiver.life != Life::kAlive) continue;
      ++alive;
      if (receiver.allow.empty()) continue;
      for (const SeenCollector& sender : seen_.collectors) {
        if (sender.cluster == plan_.change.site && sender.life == Life::kAlive) {
          Allowed(receiver, sender);
        }
      }
    }
    if (alive > 0) return;
    const bool needed = std::ranges::any_of(seen_.collectors, [&](const SeenCollector& sender) {
      return sender.cluster == plan_.change.site && sender.life == Life::kAlive;
    });
    const std::string what = fmt::format(
        "no collector of {} is alive to receive what the "
        "collectors of {} are sent",
        plan_.change.to, plan_.change.site);
    const std::string next = "start one; or name other receivers: --redirect-to HOST:PORT";
    if (needed) {
      Refuse(what, next);
    } else {
      Warn(what + ": " + next);
    }
  }

  // They may be relays, or collectors of others: nothing here needs to know them.
  void NamedReceivers() {
    for (const Endpoint& receiver : request_.redirect_to) {
      const bool known = std::ranges::any_of(seen_.collectors, [&](const SeenCollector& collector) {
        return collector.life == Life::kAlive && collector.port == receiver.port &&
               collector.host == receiver.host;
      });
      if (known) continue;
      Warn(
          fmt::format("no collector that is heard of is reached at {}: make sure that the "
                      "collectors of {} reach one there",
                      receiver.ToString(), plan_.change.site));
    }
  }

  void Allowed(const SeenCollector& receiver, const SeenCollector& sender) {
    const auto list = IpBlocks::Parse(receiver.allow);
    const auto address = IpAddress::Parse(sender.host);
    if (list && address) {
      if (list->Contains(*address)) return;
      Refuse(fmt::format("collector {} ({}) is not among the addresses that {} allows: {}",
                         sender.Label(), sender.host, receiver.Label(), receiver.allow),
             "add it to databus.collector.allow there, and send it a HUP");
      return;
    }
    Warn(fmt::format("make sure that {} lets collector {} ({}) in: it allows {} only",
                     receiver.Label(), sender.Label(), sender.host, receiver.allow));
  }

  void Backlog() {
    for (const auto& [cluster, tree] : seen_.trees) {
      uint64_t lines = 0;
      for (const auto& [stream, underway] : tree.flow) {
        for (const auto& [destination, count] : underway.to_merge) lines += count;
      }
      if (lines > kBacklogLines) {
        Warn(fmt::format("{} has {} waiting to be merged: the drain takes longer", cluster,
                         Counted(lines, "file")));
      }
    }
  }

  const Request& request_;
  const Observation& seen_;
  Plan& plan_;
};

}  // namespace

void Preflight(const Request& request, const Observation& seen, Plan& plan) {
  Checks(request, seen, plan).Run();
}

}  // namespace databus::failover
