// `databus settings`: every setting, its default, bounds and meaning, from the declarations.
#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>

#include "base/settings.h"
#include "cli/all_commands.h"
#include "cluster/worker_config.h"
#include "collector/config/scribe_conf.h"

namespace databus {
namespace {

struct Options {
  bool json = false;
  bool markdown = false;
};

std::string Default(const SettingSpec& setting) {
  if (setting.required) return "must be given";
  return setting.default_value.empty() ? "none" : std::string(setting.default_value);
}

void PrintText(std::span<const SettingSpec> settings, std::ostream& out) {
  std::string_view place;
  for (const SettingSpec& setting : settings) {
    if (place != SettingPlaceName(setting.place)) {
      place = SettingPlaceName(setting.place);
      out << place << "\n";
    }
    out << "  " << setting.name << "\n      " << setting.sentence
        << "\n      value: " << setting.Expected() << "; default: " << Default(setting)
        << "; takes effect: "
        << (setting.applies == SettingApplies::kLive ? "at once" : "at the next start") << "\n";
  }
}

void AddJson(std::span<const SettingSpec> settings, nlohmann::ordered_json& json) {
  for (const SettingSpec& setting : settings) {
    json.push_back({{"name", setting.name},
                    {"place", SettingPlaceName(setting.place)},
                    {"meaning", setting.sentence},
                    {"value", setting.Expected()},
                    {"default", setting.default_value},
                    {"required", setting.required},
                    {"unit", setting.unit},
                    {"example", setting.example},
                    {"live", setting.applies == SettingApplies::kLive}});
  }
}

Exit Settings(const Options& options, Io& io) {
  if (options.markdown) {
    io.out << RenderSettingsPage();
  } else if (options.json) {
    nlohmann::ordered_json json = nlohmann::ordered_json::array();
    AddJson(WorkerSettings(), json);
    AddJson(CollectorSettings(), json);
    io.out << json.dump(1) << "\n";
  } else {
    PrintText(WorkerSettings(), io.out);
    PrintText(CollectorSettings(), io.out);
  }
  return Exit::kDone;
}

CommandBody Define(CLI::App& app) {
  auto options = std::make_shared<Options>();
  auto* json = app.add_flag("--json", options->json, "Print JSON");
  app.add_flag("--markdown", options->markdown, "Print docs/settings.md")->excludes(json);
  return [options](Io& io, Seams&) { return Settings(*options, io); };
}

}  // namespace

const Command kSettings{.name = "settings",
                        .summary = "List every setting: meaning, bounds, default.",
                        .details = "",
                        .define = &Define};

}  // namespace databus
