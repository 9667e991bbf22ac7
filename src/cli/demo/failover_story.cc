#include "cli/demo/failover_story.h"

#include <fmt/format.h>

#include <filesystem>
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

std::vector<std::string> ProcessesOf(const DemoSite& site, std::string_view dc) {
  std::vector<std::string> names;
  for (const DemoService& worker : site.workers) {
    if (worker.name == fmt::format("worker-{}", dc)) names.push_back(worker.name);
  }
  for (const DemoService& collector : site.collectors) {
    if (collector.name.starts_with(fmt::format("{}-", dc))) names.push_back(collector.name);
  }
  return names;
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
            for (const std::string& name : ProcessesOf(world.site, kFrom)) {
              DATABUS_RETURN_IF_ERROR(world.services.Kill(name));
            }
            return MoveTree(world.site, kFrom, fmt::format("{}.away", kFrom));
          }};
}

Scene BringBack(const StoryWorld& world) {
  return {.title = fmt::format("{} is back: its disk, and its processes", kFrom), .begin = [world] {
            DATABUS_RETURN_IF_ERROR(MoveTree(world.site, fmt::format("{}.away", kFrom), kFrom));
            for (const std::string& name : ProcessesOf(world.site, kFrom)) {
              DATABUS_RETURN_IF_ERROR(world.services.Start(name));
            }
            return Status::Ok();
          }};
}

// `args` without the topology, which every command of this kind takes.
CommandLine Command(const StoryWorld& world, LateArgs args) {
  return {world.program,
          [file = world.site.topology_file, args = std::move(args)]() -> Result<Args> {
            DATABUS_ASSIGN_OR_RETURN(Args all, args());
            all.insert(all.end(), {"--topology", file});
            return all;
          },
          world.site.LogFile("failover")};
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
  Scene scene = Play(Command(world, std::move(args)), world.tell);
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
  return Play(Command(world, Now({"failover", "plan", "--from", std::string(kFrom), "--to",
                                  std::string(kTo), "--unplanned", "--json"})),
              tell, &world.figures.loss_statement);
}

Result<Args> AcceptLoss(const std::string& statement) {
  const auto plan = nlohmann::json::parse(statement, nullptr, false);
  if (!plan.is_object() || !plan.contains("loss_id")) {
    return Status(Code::kUnavailable, "failover plan --unplanned --json named no loss_id");
  }
  return Args{"failover",         "run",           "--from",
              std::string(kFrom), "--to",          std::string(kTo),
              "--unplanned",      "--accept-loss", plan["loss_id"].get<std::string>()};
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
