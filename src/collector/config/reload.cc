#include "collector/config/reload.h"

#include <fmt/format.h>

#include <string_view>
#include <variant>

#include "cluster/paths.h"

namespace databus {
namespace {

std::string NameOf(const CollectorConfig& config, const std::string& host) {
  return config.name_rule == CollectorNameRule::kHostname ? host : config.name;
}

// Of the first store that delivers into a cluster; empty: none does.
std::string ClusterOf(const CollectorConfig& config) {
  for (const StoreSpec& store : config.stores) {
    if (const auto* cluster = std::get_if<ClusterPrimary>(&store.primary)) return cluster->root_url;
  }
  return "";
}

class Comparison {
 public:
  explicit Comparison(const CollectorConfig& next) : problems_(next.file) {}

  template <typename Value>
  void Fixed(int line, std::string_view key, const Value& now, const Value& next) {
    if (now == next) return;
    problems_.Add(line, key, fmt::format("{}", next),
                  fmt::format("{}, as it was at the start: restart needed", now));
  }
  Status Result() const { return problems_.ToStatus(); }

 private:
  Problems problems_;
};

}  // namespace

Status CheckReload(const CollectorConfig& now, const CollectorConfig& next,
                   const std::string& host) {
  Comparison compare(next);
  const CollectorConfigLines& lines = next.lines;
  compare.Fixed(lines.port, "port", now.port, next.port);
  compare.Fixed(lines.http_port, "databus.http_port", now.http_port, next.http_port);
  compare.Fixed(lines.spool_directory, "file_path", now.spool_directory, next.spool_directory);
  compare.Fixed(lines.segment_bytes, "max_size", now.segment_bytes, next.segment_bytes);
  compare.Fixed(lines.name, "sub_directory", NameOf(now, host), NameOf(next, host));
  const std::string cluster = ClusterOf(now);
  for (const StoreSpec& store : next.stores) {
    const auto* primary = std::get_if<ClusterPrimary>(&store.primary);
    if (primary == nullptr) continue;
    compare.Fixed(store.primary_line, "file_path",
                  cluster.empty() ? "no cluster" : paths::Join(cluster, paths::Data()),
                  paths::Join(primary->root_url, paths::Data()));
  }
  return compare.Result();
}

}  // namespace databus
