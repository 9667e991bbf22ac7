#include <string>
#include <vector>

#include <fmt/format.h>

#include "cluster/worker_config.h"
#include "collector/config/scribe_conf.h"

namespace databus {

std::string RenderSettingsPage() {
  std::string page =
      "# Settings\n"
      "\n"
      "Made from the tables that the programs read their files against; `databus settings` prints "
      "the same.\n"
      "Unknown keys, repeated keys and values out of bounds are refused, all at once, with file "
      "and "
      "line.\n";
  std::vector<SettingSpec> all(WorkerSettings().begin(), WorkerSettings().end());
  all.insert(all.end(), CollectorSettings().begin(), CollectorSettings().end());
  for (size_t start = 0; start < all.size();) {
    size_t end = start;
    while (end < all.size() && all[end].place == all[start].place) ++end;
    page += fmt::format("\n## `{}`\n\n{}", SettingPlaceName(all[start].place),
                        RenderSettingsTable(std::span(all).subspan(start, end - start)));
    start = end;
  }
  return page;
}

}  // namespace databus
