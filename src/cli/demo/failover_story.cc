#include "cli/demo/failover_story.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "cli/failover/salvage_report.h"
#include "cli/failover/session.h"
#include "cli/installation.h"
#include "cli/table.h"
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
constexpr std::chrono::minutes kSalvagedWithin{3};  // how long the account is asked for
constexpr Milliseconds kAskEvery{1'000};

std::string WorkerOf(std::string_view dc) { return fmt::format("worker-{}", dc); }

std::vector<DemoService> ProcessesOf(const DemoSite& site, std::string_view dc) {
  std::vector<DemoService> services;
  std::ranges::copy_if(site.workers, std::back_inserter(services),
                       [&](const DemoService& worker) { return worker.name == WorkerOf(dc); });
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
  int64_t pid = 0;
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
      beats[process] = {beat->written, beat->facts.value("topology_epoch", uint64_t{0}), beat->pid};
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
            auto returned = Return::At(*seen->from, *seen->to, topology);
            if (returned.ok()) world.figures.returned = *std::move(returned);
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
            const auto worker = now.find(WorkerOf(kFrom));
            if (worker != now.end()) world.figures.worker_pid = worker->second.pid;
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

// One that may be killed on the way, and is resumed then. `typed`: how many commands that makes.
Scene Drilled(const StoryWorld& world, const std::string& way, LateArgs args,
              std::shared_ptr<uint64_t> typed) {
  CommandLine command = Command(world, std::move(args));
  command.dies = [&drill = world.drill] { return drill.Strike(); };
  command.again = {way, "resume", "--topology", world.site.topology_file};
  const auto tell = [&drill = world.drill, told = WithoutLog(world.tell),
                     typed](const std::string& line) {
    if (!line.starts_with(' ')) ++*typed;
    drill.Hear(line);
    told(line);
  };
  Scene scene = Play(std::move(command), tell);
  scene.begin = [&drill = world.drill, typed, begin = std::move(scene.begin)] {
    *typed = 0;
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
  Way way = Way::kOver;
  failover::Kind kind = failover::Kind::kPlanned;
  std::string name;  // as it is reported
  std::string_view to;
};

class Measuring {
 public:
  Measuring(const StoryWorld& world, Move move, std::shared_ptr<uint64_t> typed)
      : world_(world), move_(std::move(move)), typed_(std::move(typed)) {}

  void Begin() {
    began_ = world_.seams.clock.Boot();
    setbacks_ = world_.setbacks();
    merged_ = world_.merged(move_.to);
    deaths_ = world_.drill.deaths().size();
    first_.reset();
    command_.reset();
  }

  // `is_over`: whether the command is.
  Result<bool> Look(const std::function<Result<bool>()>& is_over) {
    if (!first_ && world_.merged(move_.to) > merged_) first_ = Since();
    if (!command_) {
      DATABUS_ASSIGN_OR_RETURN(const bool over, is_over());
      if (!over) return false;
      command_ = Measured();
    }
    if (!first_ && Since() < *command_->measured.took + kVisibleWithin) return false;
    command_->first_visible = first_;
    // Else something may still have come from the old primary.
    if (move_.kind == failover::Kind::kUnplanned) command_->measured.first_file = first_;
    world_.figures.commands.push_back(*command_);
    return true;
  }

 private:
  Milliseconds Since() const {
    return std::chrono::duration_cast<Milliseconds>(world_.seams.clock.Boot() - began_);
  }

  CommandFigures Measured() const {
    const Setbacks now = world_.setbacks();
    CommandFigures command{.name = move_.name,
                           .primary = std::string(move_.to),
                           .measured = {.kind = move_.kind,
                                        .disturbed = world_.drill.deaths().size() > deaths_,
                                        .commands = *typed_,
                                        .took = Since(),
                                        .refused = now.refused - setbacks_.refused,
                                        .disconnected = now.disconnected - setbacks_.disconnected}};
    const auto session = FailoverSession::Open(world_.site.topology_file, world_.seams);
    if (!session.ok()) return command;
    (*session)->desk().Look();
    const auto journal = (*session)->FindJournal(move_.way, "");
    if (!journal.ok()) return command;
    MeasureJournal(*journal, command.measured);
    if (move_.way == Way::kOver) world_.figures.swapped = journal->swapped;
    return command;
  }

  const StoryWorld world_;
  const Move move_;
  const std::shared_ptr<uint64_t> typed_;
  BootTime began_;
  Setbacks setbacks_;
  uint64_t merged_ = 0;
  size_t deaths_ = 0;
  std::optional<Milliseconds> first_;
  std::optional<CommandFigures> command_;  // once it is over
};

Scene Measured(const StoryWorld& world, const Move& move, LateArgs args) {
  const auto typed = std::make_shared<uint64_t>(0);
  Scene scene = Drilled(world, std::string(WayName(move.way)), std::move(args), typed);
  const auto measuring = std::make_shared<Measuring>(world, move, typed);
  scene.begin = [measuring, begin = std::move(scene.begin)] {
    measuring->Begin();
    return begin();
  };
  scene.is_over = [measuring, is_over = std::move(scene.is_over)] {
    return measuring->Look(is_over);
  };
  return scene;
}

LateArgs Now(Args args) {
  return [args = std::move(args)]() -> Result<Args> { return args; };
}

Scene FailBack(const StoryWorld& world) {
  return Measured(world, {Way::kBack, failover::Kind::kFailback, "failback", kFrom},
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
  tries->move =
      Measured(world, {Way::kOver, failover::Kind::kUnplanned, "failover --unplanned", kTo},
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

using Json = nlohmann::ordered_json;

// How many lines of the accepted statement an account does not have.
uint64_t LinesWithoutAccount(const Json& accepted, const Json& account) {
  constexpr const char* kKeys[] = {"what", "stream", "collector", "after"};
  const auto same = [&](const Json& one, const Json& other) {
    return std::ranges::all_of(kKeys, [&](const char* key) { return one[key] == other[key]; });
  };
  return static_cast<uint64_t>(std::ranges::count_if(accepted, [&](const Json& line) {
    return std::ranges::none_of(account, [&](const Json& each) { return same(line, each); });
  }));
}

// What `failover status --json` says of the statement that `plan --json` had named. Nothing: it is
// not about that one, or says nothing.
std::optional<LossFigures> ReadAccount(const std::string& plan, const std::string& status) {
  const Json accepted = Json::parse(plan, nullptr, false);
  const Json said = Json::parse(status, nullptr, false);
  if (!accepted.is_object() || !said.is_object()) return std::nullopt;
  const auto id = Json::json_pointer("/journal/loss/loss_id");
  if (!said.contains(id) || said[id] != accepted.value("loss_id", "")) return std::nullopt;
  auto sum = SumFromJson(said.value("salvage_sum", Json()));
  if (!sum) return std::nullopt;
  const Json& lines = accepted["loss"]["lines"];
  sum->unknown += LinesWithoutAccount(lines, said["salvage"]);
  sum->lines = std::max<uint64_t>(sum->lines, lines.size());
  return sum;
}

// Asks for the account of the statement that was accepted until all of it has come back.
class Accounting {
 public:
  explicit Accounting(const StoryWorld& world) : world_(world) {
    CommandLine status = Command(world, Now({"failover", "status", "--json"}));
    status.log = world.site.LogFile("failover");
    ask_ = Play(std::move(status), [this](const std::string& line) { Told(line); }, &said_);
  }

  Status Begin() {
    until_ = world_.seams.clock.Boot() + kSalvagedWithin;
    return Ask();
  }

  Result<bool> IsOver() {
    const BootTime now = world_.seams.clock.Boot();
    if (!asking_) {
      if (now < again_) return false;
      DATABUS_RETURN_IF_ERROR(Ask());
    }
    const auto over = ask_.is_over();
    if (over.ok() && !*over) return false;
    asking_ = false;
    again_ = now + kAskEvery;
    if (over.ok()) world_.figures.loss = ReadAccount(world_.figures.loss_statement, said_);
    const auto& loss = world_.figures.loss;
    if (now < until_ && !(loss && loss->AllRecovered())) return false;
    TellAccount();
    return true;
  }

 private:
  Status Ask() {
    said_.clear();
    asking_ = true;
    return ask_.begin();
  }
  // The command, once; what it says is JSON.
  void Told(const std::string& line) {
    if (!line.starts_with(' ') && !std::exchange(told_, true)) world_.tell(line);
  }
  void TellAccount() const {
    const auto& loss = world_.figures.loss;
    world_.tell(loss ? fmt::format("of the loss statement: {}: {} recovered, {} missing, {} not "
                                   "known; {} recovered, {} missing",
                                   Plural(loss->lines, "line"), loss->recovered, loss->missing,
                                   loss->unknown, Plural(loss->recovered_files, "file"),
                                   Plural(loss->missing_files, "file"))
                     : "nothing is known of the loss statement");
  }

  const StoryWorld world_;
  Scene ask_;
  std::string said_;
  bool asking_ = false;
  bool told_ = false;
  BootTime until_;
  BootTime again_;
};

Scene AwaitSalvage(const StoryWorld& world) {
  const auto accounting = std::make_shared<Accounting>(world);
  return {.begin = [accounting] { return accounting->Begin(); },
          .is_over = [accounting] { return accounting->IsOver(); }};
}

// What dc1's tree says at the end.
void AddFromTrees(const StoryFigures& story, const DemoSite& site, Seams& seams,
                  FailoverFigures& figures) {
  const auto from = OpenCluster(seams, site.topology, std::string(kFrom));
  if (!from.ok() || !story.returned) return;
  const auto bootstrap =
      story.returned->Bootstrap(**from, site.topology, WorkerOf(kFrom), story.worker_pid);
  if (bootstrap.ok()) figures.bootstrap = *bootstrap;
  const bool any_waits = std::ranges::any_of(site.topology.streams, [](const StreamSpec& stream) {
    return stream.when_alone == WhenAlone::kWait && stream.Primary() == kFrom;
  });
  if (!any_waits || !story.swapped) return;
  const auto stale = story.returned->StaleCommits(**from, site.topology, *story.swapped);
  if (stale.ok()) figures.stale_commits = stale->size();
}

}  // namespace

FailoverFigures FiguresOf(const StoryFigures& story, const DemoSite& site, Seams& seams) {
  FailoverFigures figures{.loss = story.loss};
  for (const CommandFigures& command : story.commands) figures.ways.push_back(command.measured);
  AddFromTrees(story, site, seams, figures);
  return figures;
}

std::vector<Scene> ScenesOf(DemoStory story, const StoryWorld& world) {
  switch (story) {
    case DemoStory::kKills: return {};
    case DemoStory::kPlanned:
      return {AwaitObedience(world),
              Measured(world, {Way::kOver, failover::Kind::kPlanned, "failover", kTo},
                       Now({"failover", "run", "--from", std::string(kFrom), "--to",
                            std::string(kTo), "--yes"})),
              TakeAway(world),
              Pause(world.seams.clock, kWhile),
              BringBack(world),
              FailBack(world),
              Pause(world.seams.clock, kWhile)};
    case DemoStory::kUnplanned:
      return {AwaitObedience(world), TakeAway(world),
              AcceptAndMove(world),  Pause(world.seams.clock, kWhile),
              BringBack(world),      AwaitSalvage(world),
              FailBack(world),       Pause(world.seams.clock, kWhile)};
  }
  return {};
}

}  // namespace databus
