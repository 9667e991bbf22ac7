#include "cli/roles_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>
#include <utility>

#include "cli/status_hops.h"
#include "cli/table.h"

namespace databus {
namespace {

constexpr size_t kNamesListed = 4;

}  // namespace

std::string Some(const std::vector<std::string>& names) {
  const size_t shown = names.size() > kNamesListed + 1 ? kNamesListed : names.size();
  std::string text = fmt::format("{}", fmt::join(names.begin(), names.begin() + shown, ", "));
  if (shown < names.size()) text += fmt::format(" and {} more", Grouped(names.size() - shown));
  return text;
}

std::string RenderRoles(const Topology& topology) {
  std::vector<std::pair<std::vector<std::string>, std::vector<std::string>>> rows;
  std::map<std::vector<std::string>, size_t> row_of;
  for (const StreamSpec& stream : topology.streams) {
    std::vector<std::string> roles;
    for (const ClusterSpec& cluster : topology.clusters) {
      roles.push_back(fmt::format("{}", fmt::join(RolesOf(stream, cluster.name), ", ")));
    }
    const auto [at, fresh] = row_of.try_emplace(roles, rows.size());
    if (fresh) rows.emplace_back(roles, std::vector<std::string>());
    rows[at->second].second.push_back(stream.name);
  }
  std::vector<std::string> head = {"STREAMS"};
  for (const ClusterSpec& cluster : topology.clusters) head.push_back(cluster.name);
  Table table(head);
  for (const auto& [roles, streams] : rows) {
    std::vector<std::string> cells = {Some(streams)};
    cells.insert(cells.end(), roles.begin(), roles.end());
    table.Row(std::move(cells));
  }
  return table.ToString("  ");
}

}  // namespace databus
