#include "cli/demo/failover_story.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "cli/installation.h"
#include "cluster/paths.h"
#include "control/epoch_store.h"
#include "telemetry/heartbeat.h"

namespace databus {
namespace {

using Args = std::vector<std::string>;
using LateArgs = std::function<Result<Args>()>;

constexpr std::string_view kFrom = "dc1";
constexpr std::string_view kTo = "dc2";
constexpr Milliseconds kWhile{8'000};  // how long things stay as they are, for people to see
constexpr Milliseconds kVisibleWithin{
    60'000};  // how long a new primary is watched for something new

std::vector<DemoService> ProcessesOf(const DemoSite& site, std::string_view dc) {
  std::vector<DemoService> services;
  std::ranges::copy_if(site.workers, std::back_inserter(services), [&](const DemoService& worker) {
    return worker.name == fmt::format("worker-{}", dc);
  });
  std::ranges::copy_if(site.collectors, std::back_inserter(services),
                       [&](const DemoService& collector) {
                         return collector.name.starts_with(fmt::format("{}-", dc));
                       });
  return services;
}

// A disk that is not mounted, as its users see it.
enum class TreeMove : uint8_t { kAway, kBack };
Status MoveTree(const StoryWorld& world, TreeMove move) {
  const ClusterSpec& cluster = *world.site.topology.FindCluster(kFrom);
  DATABUS_ASSIGN_OR_RETURN(const auto above, world.seams.open_storage(cluster.url, ""));
  const std::string away = cluster.root_dir + ".away";
  return move == TreeMove::kAway ? above->Rename(cluster.root_dir, away)
                                 : above->Rename(away, cluster.root_dir);
}

Status LeaveAlone(const StoryWorld& world) {
  return world.absence.take_away ? world.absence.take_away() : MoveTree(world, TreeMove::kAway);
}
Status ComeBack(const StoryWorld& world) {
  return world.absence.bring_back ? world.absence.bring_back() : MoveTree(world, TreeMove::kBack);
}

Scene TakeAway(const StoryWorld& world) {
  return {.title = fmt::format("kill -9 of every process of {}; its storage is away", kFrom),
          .begin = [world] {
            for (const DemoService& service : ProcessesOf(world.site, kFrom)) {
              DATABUS_RETURN_IF_ERROR(world.services.Kill(service.name));
            }
            return LeaveAlone(world);
          }};
}

struct Beat {
  WallTime written;
  uint64_t epoch = 0;  // of the topology it obeys
};

// What each process of a data centre last said in its tree; one that never spoke is left out.
std::map<std::string, Beat> HeartbeatsOf(const DemoSite& site, std::string_view dc, Storage& tree) {
  std::map<std::string, Beat> beats;
  for (const DemoService& service : ProcessesOf(site, dc)) {
    const std::string process =
        service.command == "worker" ? service.name : fmt::format("collector-{}", service.name);
    const std::string path = paths::StatusFile(process);
    const auto text = tree.ReadFile(path);
    if (!text.ok()) continue;
    const auto beat = DecodeHeartbeat(*text, path);
    if (beat.ok()) {
      beats[process] = {beat->written, beat->facts.value("topology_epoch", uint64_t{0})};
    }
  }
  return beats;
}

// Over when each of them has spoken again and obeys what was decided meanwhile.
Scene BringBack(const StoryWorld& world) {
  struct Seen {
    std::unique_ptr<Storage> from;
    std::unique_ptr<Storage> to;
    std::map<std::string, Beat> before;
  };
  const auto seen = std::make_shared<Seen>();
  return {.title = fmt::format("{} is back: its storage, and its processes", kFrom),
          .begin = [world, seen]() -> Status {
            DATABUS_RETURN_IF_ERROR(ComeBack(world));
            const Topology& topology = world.site.topology;
            DATABUS_ASSIGN_OR_RETURN(seen->from,
                                     OpenCluster(world.seams, topology, std::string(kFrom)));
            DATABUS_ASSIGN_OR_RETURN(seen->to,
                                     OpenCluster(world.seams, topology, std::string(kTo)));
            seen->before = HeartbeatsOf(world.site, kFrom, *seen->from);
            for (const DemoService& service : ProcessesOf(world.site, kFrom)) {
              DATABUS_RETURN_IF_ERROR(world.services.Start(service.name));
            }
            return Status::Ok();
          },
          .is_over = [world, seen]() -> Result<bool> {
            const auto newest = NewestEpoch(*seen->to);
            if (newest.status().unknown()) return false;
            DATABUS_RETURN_IF_ERROR(newest.status());
            const std::map<std::string, Beat> now = HeartbeatsOf(world.site, kFrom, *seen->from);
            return std::ranges::all_of(seen->before, [&](const auto& said) {
              const auto again = now.find(said.first);
              return again != now.end() && again->second.written != said.second.written &&
                     again->second.epoch >= newest->value_or(0);
            });
          }};
}

// A plan is refused as long as a process has not said that it obeys what is stored: on a slow
// machine, in the first seconds.
Scene AwaitObedience(const StoryWorld& world) {
  const auto trees = std::make_shared<std::map<std::string, std::unique_ptr<Storage>>>();
  return {.begin = [world, trees]() -> Status {
            for (const std::string_view dc : {kFrom, kTo}) {
              DATABUS_ASSIGN_OR_RETURN(
                  (*trees)[std::string(dc)],
                  OpenCluster(world.seams, world.site.topology, std::string(dc)));
            }
            return Status::Ok();
          },
          .is_over = [world, trees]() -> Result<bool> {
            for (const auto& [dc, tree] : *trees) {
              const auto newest = NewestEpoch(*tree);
              if (!newest.ok() || !*newest) return false;
              const std::map<std::string, Beat> beats = HeartbeatsOf(world.site, dc, *tree);
              const bool all = beats.size() == ProcessesOf(world.site, dc).size() &&
                               std::ranges::all_of(beats, [&](const auto& beat) {
                                 return beat.second.epoch >= **newest;
                               });
              if (!all) return false;
            }
            return true;
          }};
}

// `args` without the topology, which every command of this kind takes.
CommandLine Command(const StoryWorld& world, LateArgs args) {
  return {world.program,
          [file = world.site.topology_file, args = std::move(args)]() -> Result<Args> {
            DATABUS_ASSIGN_OR_RETURN(Args all, args());
            all.insert(all.end(), {"--topology", file});
            return all;
          }};
}

// What a command says to people, without the lines of its log.
Tell WithoutLog(const Tell& tell) {
  return [tell](const std::string& line) {
    if (line.find("Z info ") == std::string::npos) tell(line);
  };
}

// One that may be killed on the way, and is resumed then.
Scene Drilled(const StoryWorld& world, const std::string& way, LateArgs args) {
  CommandLine command = Command(world, std::move(args));
  command.dies = [&drill = world.drill] { return drill.Strike(); };
  command.again = {way, "resume", "--topology", world.site.topology_file};
  const auto tell = [&drill = world.drill, told = WithoutLog(world.tell)](const std::string& line) {
    drill.Hear(line);
    told(line);
  };
  Scene scene = Play(std::move(command), tell);
  scene.begin = [&drill = world.drill, begin = std::move(scene.begin)] {
    drill.Begin();
    return begin();
  };
  scene.is_over = [&drill = world.drill, is_over = std::move(scene.is_over)]() -> Result<bool> {
    DATABUS_ASSIGN_OR_RETURN(const bool over, is_over());
    if (over) DATABUS_RETURN_IF_ERROR(drill.End());
    return over;
  };
  return scene;
}

// A command that changes the primary: what it took is noted, and when the new one showed something,
// which may be after its end.
struct Move {
  std::string way;   // failover, failback
  std::string name;  // as it is reported
  std::string_view to;
};

Scene Measured(const StoryWorld& world, const Move& move, LateArgs args) {
  struct Before {
    BootTime at;
    uint64_t refusals = 0;
    uint64_t merged = 0;
  };
  const auto before = std::make_shared<Before>();
  const auto first = std::make_shared<std::optional<Milliseconds>>();
  const auto since = [world, before] {
    return std::chrono::duration_cast<Milliseconds>(world.seams.clock.Boot() - before->at);
  };
  Scene scene = Drilled(world, move.way, std::move(args));
  scene.begin = [world, before, first, move, begin = std::move(scene.begin)] {
    first->reset();
    *before = {world.seams.clock.Boot(), world.refusals(), world.merged(move.to)};
    return begin();
  };
  const auto noted = std::make_shared<std::optional<CommandFigures>>();
  scene.is_over = [=, is_over = std::move(scene.is_over)]() -> Result<bool> {
    if (!*first && world.merged(move.to) > before->merged) *first = since();
    if (!*noted) {
      DATABUS_ASSIGN_OR_RETURN(const bool over, is_over());
      if (!over) return false;
      *noted = {move.name, since(), world.refusals() - before->refusals, std::string(move.to)};
    }
    if (!*first && since() < (*noted)->took + kVisibleWithin) return false;
    (*noted)->first_visible = *first;
    world.figures.commands.push_back(**noted);
    return true;
  };
  return scene;
}

LateArgs Now(Args args) {
  return [args = std::move(args)]() -> Result<Args> { return args; };
}

Scene FailBack(const StoryWorld& world) {
  return Measured(world, {"failback", "failback", kFrom},
                  Now({"failback", "run", "--to", std::string(kFrom), "--yes"}));
}

// Of the loss statement only the command is told: it is long, and JSON.
Scene StateLoss(const StoryWorld& world) {
  const auto tell = [told = world.tell](const std::string& line) {
    if (!line.starts_with(' ')) told(line);
  };
  CommandLine command = Command(world, Now({"failover", "plan", "--from", std::string(kFrom),
                                            "--to", std::string(kTo), "--unplanned", "--json"}));
  command.log = world.site.LogFile("failover");
  return Play(std::move(command), tell, &world.figures.loss_statement);
}

Result<Args> AcceptLoss(const std::string& statement) {
  const auto plan = nlohmann::json::parse(statement, nullptr, false);
  if (!plan.is_object() || !plan.contains("loss_id")) {
    return Status(Code::kUnavailable, "failover plan --unplanned --json named no loss_id");
  }
  return Args{"failover",      "run",
              "--from",        std::string(kFrom),
              "--to",          std::string(kTo),
              "--unplanned",   "--yes",
              "--accept-loss", plan["loss_id"].get<std::string>()};
}

// States the loss and accepts it. What the mirror was copying when dc1 died may arrive in between;
// then the statement is another one, and the command says so.
Scene AcceptAndMove(const StoryWorld& world) {
  struct Tries {
    Scene state;
    Scene move;
    bool stated = false;
    int left = 5;
  };
  const auto tries = std::make_shared<Tries>();
  tries->state = StateLoss(world);
  tries->move = Measured(world, {"failover", "failover --unplanned", kTo},
                         [&figures = world.figures] { return AcceptLoss(figures.loss_statement); });
  const auto begin = [world, tries] {
    world.figures.loss_statement.clear();
    tries->stated = false;
    return tries->state.begin();
  };
  return {.begin = begin, .is_over = [tries, begin]() -> Result<bool> {
            if (!tries->stated) {
              DATABUS_ASSIGN_OR_RETURN(tries->stated, tries->state.is_over());
              if (tries->stated) DATABUS_RETURN_IF_ERROR(tries->move.begin());
              return false;
            }
            auto moved = tries->move.is_over();
            if (moved.ok() || --tries->left == 0) return moved;
            DATABUS_RETURN_IF_ERROR(begin());
            return false;
          }};
}

}  // namespace

std::vector<Scene> ScenesOf(DemoStory story, const StoryWorld& world) {
  switch (story) {
    case DemoStory::kKills: return {};
    case DemoStory::kPlanned:
      return {AwaitObedience(world),
              Measured(world, {"failover", "failover", kTo},
                       Now({"failover", "run", "--from", std::string(kFrom), "--to",
                            std::string(kTo), "--yes"})),
              TakeAway(world),
              Pause(world.seams.clock, kWhile),
              BringBack(world),
              FailBack(world),
              Pause(world.seams.clock, kWhile)};
    case DemoStory::kUnplanned:
      return {AwaitObedience(world),
              TakeAway(world),
              AcceptAndMove(world),
              Pause(world.seams.clock, kWhile),
              BringBack(world),
              FailBack(world),
              Pause(world.seams.clock, kWhile)};
  }
  return {};
}

}  // namespace databus
