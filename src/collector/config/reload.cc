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

std::string DataOf(const std::string& root_url) { return paths::Join(root_url, paths::Data()); }

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

Result<std::string> CollectorCluster(const CollectorConfig& config) {
  std::string url;
  for (const StoreSpec& store : config.stores) {
    const auto* primary = std::get_if<ClusterPrimary>(&store.primary);
    if (primary == nullptr) continue;
    if (!url.empty() && primary->root_url != url) {
      return Status(
          Code::kInvalid,
          fmt::format("{}:{}: file_path: found {}, expected {}: one collector delivers "
                      "into one cluster",
                      config.file, store.primary_line, DataOf(primary->root_url), DataOf(url)));
    }
    url = primary->root_url;
  }
  return url;
}

Status CheckReload(const CollectorConfig& now, const CollectorConfig& next,
                   const RunningCollector& running) {
  Comparison compare(next);
  const CollectorConfigLines& lines = next.lines;
  compare.Fixed(lines.port, "port", now.port, next.port);
  compare.Fixed(lines.http_port, "databus.http_port", now.http_port, next.http_port);
  compare.Fixed(lines.spool_directory, "file_path", now.spool_directory, next.spool_directory);
  compare.Fixed(lines.segment_bytes, "max_size", now.segment_bytes, next.segment_bytes);
  bool names_itself = false;
  for (const StoreSpec& store : next.stores) {
    const auto* primary = std::get_if<ClusterPrimary>(&store.primary);
    if (primary == nullptr) continue;
    names_itself = true;
    compare.Fixed(store.primary_line, "file_path",
                  running.cluster.empty() ? "no cluster" : DataOf(running.cluster),
                  DataOf(primary->root_url));
  }
  if (names_itself) {
    compare.Fixed(lines.name, "sub_directory", running.name, NameOf(next, running.host));
  }
  return compare.Result();
}

}  // namespace databus
