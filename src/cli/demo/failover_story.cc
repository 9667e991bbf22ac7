#include "cli/demo/failover_story.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "cluster/paths.h"

namespace databus {
namespace {

using Args = std::vector<std::string>;
using LateArgs = std::function<Result<Args>()>;

constexpr std::string_view kFrom = "dc1";
constexpr std::string_view kTo = "dc2";
constexpr Milliseconds kWhile{8'000};  // how long things stay as they are, for people to see

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
Status MoveTree(const DemoSite& site, std::string_view from, std::string_view to) {
  std::error_code error;
  std::filesystem::rename(paths::Join(site.root, from), paths::Join(site.root, to), error);
  if (!error) return Status::Ok();
  return {Code::kRefused, fmt::format("{} in {}: {}", from, site.root, error.message())};
}

Scene TakeAway(const StoryWorld& world) {
  return {.title = fmt::format("kill -9 of every process of {}; its disk is away", kFrom),
          .begin = [world] {
            for (const DemoService& service : ProcessesOf(world.site, kFrom)) {
              DATABUS_RETURN_IF_ERROR(world.services.Kill(service.name));
            }
            return MoveTree(world.site, kFrom, fmt::format("{}.away", kFrom));
          }};
}

// When each process of dc1 has last said in its tree that it lives; one that never did is left out.
std::map<std::string, std::filesystem::file_time_type> HeartbeatsOfDc1(const DemoSite& site) {
  const std::string tree =
      paths::Join(paths::Join(site.root, kFrom), site.topology.FindCluster(kFrom)->root_dir);
  std::map<std::string, std::filesystem::file_time_type> beats;
  for (const DemoService& service : ProcessesOf(site, kFrom)) {
    const std::string process =
        service.command == "worker" ? service.name : fmt::format("collector-{}", service.name);
    std::error_code error;
    const auto written =
        std::filesystem::last_write_time(paths::Join(tree, paths::StatusFile(process)), error);
    if (!error) beats[process] = written;
  }
  return beats;
}

// Over when all of them have spoken again.
Scene BringBack(const StoryWorld& world) {
  using Beats = std::map<std::string, std::filesystem::file_time_type>;
  const auto before = std::make_shared<Beats>();
  return {.title = fmt::format("{} is back: its disk, and its processes", kFrom),
          .begin =
              [world, before] {
                DATABUS_RETURN_IF_ERROR(MoveTree(world.site, fmt::format("{}.away", kFrom), kFrom));
                *before = HeartbeatsOfDc1(world.site);
                for (const DemoService& service : ProcessesOf(world.site, kFrom)) {
                  DATABUS_RETURN_IF_ERROR(world.services.Start(service.name));
                }
                return Status::Ok();
              },
          .is_over = [world, before]() -> Result<bool> {
            const Beats now = HeartbeatsOfDc1(world.site);
            return std::ranges::all_of(*before, [&](const auto& beat) {
              const auto found = now.find(beat.first);
              return found != now.end() && found->second != beat.second;
            });
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

// A command that changes something: what it took is noted, and when dc2 had something new.
Scene Measured(const StoryWorld& world, const std::string& name, LateArgs args) {
  struct Before {
    BootTime at;
    uint64_t refusals = 0;
    uint64_t merged = 0;
  };
  const auto before = std::make_shared<Before>();
  const auto first = std::make_shared<std::optional<Milliseconds>>();
  const auto since = [world, before] {
    return std::chrono::duration_cast<Milliseconds>(world.clock.Boot() - before->at);
  };
  Scene scene = Play(Command(world, std::move(args)), WithoutLog(world.tell));
  scene.begin = [world, before, begin = std::move(scene.begin)] {
    *before = {world.clock.Boot(), world.refusals(), world.merged()};
    return begin();
  };
  scene.is_over = [=, is_over = std::move(scene.is_over)]() -> Result<bool> {
    if (!*first && world.merged() > before->merged) *first = since();
    DATABUS_ASSIGN_OR_RETURN(const bool over, is_over());
    if (over) {
      world.figures.commands.push_back(
          {name, since(), world.refusals() - before->refusals, *first});
    }
    return over;
  };
  return scene;
}

LateArgs Now(Args args) {
  return [args = std::move(args)]() -> Result<Args> { return args; };
}

Scene FailBack(const StoryWorld& world) {
  return Measured(world, "failback", Now({"failback", "run", "--to", std::string(kFrom), "--yes"}));
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

}  // namespace

std::vector<Scene> ScenesOf(DemoStory story, const StoryWorld& world) {
  switch (story) {
    case DemoStory::kKills: return {};
    case DemoStory::kPlanned:
      return {Measured(world, "failover",
                       Now({"failover", "run", "--from", std::string(kFrom), "--to",
                            std::string(kTo), "--yes"})),
              TakeAway(world),
              Pause(world.clock, kWhile),
              BringBack(world),
              FailBack(world),
              Pause(world.clock, kWhile)};
    case DemoStory::kUnplanned:
      return {TakeAway(world),
              StateLoss(world),
              Measured(world, "failover --unplanned",
                       [&figures = world.figures] { return AcceptLoss(figures.loss_statement); }),
              Pause(world.clock, kWhile),
              BringBack(world),
              FailBack(world),
              Pause(world.clock, kWhile)};
  }
  return {};
}

}  // namespace databus
