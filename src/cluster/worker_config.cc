#include "cluster/worker_config.h"

#include <algorithm>
#include <array>
#include <optional>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cluster/names.h"
#include "cluster/route.h"

namespace databus {
namespace {

constexpr std::string_view kOriginalPrefix = "com.inmobi.databus.";
constexpr std::string_view kConduitPrefix = "com.inmobi.conduit.";

// "dc1, dc2" or "ALL".
bool StoreClusters(WorkerConfig& config, const SettingValue& value) {
  config.clusters.clear();
  config.all_clusters = value.text == "ALL";
  if (config.all_clusters) return true;
  std::string_view rest = value.text;
  while (true) {
    const size_t comma = rest.find(',');
    const std::string_view name = Trimmed(rest.substr(0, comma));
    if (!ValidateClusterName(name).ok() || std::ranges::count(config.clusters, name) != 0) {
      return false;
    }
    config.clusters.emplace_back(name);
    if (comma == std::string_view::npos) return true;
    rest.remove_prefix(comma + 1);
  }
}

bool Accept(WorkerConfig&, const SettingValue&) { return true; }

constexpr std::string_view kExpectedServers = "HOST:PORT,... or HOST:PORT,.../PATH";
constexpr std::string_view kDefaultPort = ":2181";

// "h1:2181,h2:2181/path" of "h2, h1:2181/path"; nothing if it is no such list. The order means
// nothing, and workers tell each other by this text where they look for the lease.
std::optional<std::string> ServersOf(std::string_view text) {
  const std::string_view path = text.substr(std::min(text.find('/'), text.size()));
  std::string_view rest = text.substr(0, text.size() - path.size());
  if (path.ends_with('/') || path.find("//") != std::string_view::npos) return std::nullopt;
  std::vector<std::string> servers;
  while (true) {
    const size_t comma = rest.find(',');
    std::string server(Trimmed(rest.substr(0, comma)));
    if (server.empty()) return std::nullopt;
    if (server.find(':') == std::string::npos) server += kDefaultPort;
    if (server.find_first_of(" \t[]") != std::string::npos || !Endpoint::Parse(server)) {
      return std::nullopt;
    }
    servers.push_back(std::move(server));
    if (comma == std::string_view::npos) break;
    rest.remove_prefix(comma + 1);
  }
  std::ranges::sort(servers);
  return fmt::format("{}{}", fmt::join(servers, ","), path);
}

using Setting = BoundSetting<WorkerConfig>;

constexpr std::array kSettings = {
    Setting{{.name = "com.inmobi.databus.clusters",
             .sentence = "The clusters that this worker serves.",
             .required = true,
             .expected = "cluster names separated by commas, each once, or ALL",
             .example = "dc1,dc2"},
            StoreClusters},
    Setting{{.name = "com.inmobi.databus.cfg",
             .sentence = "The topology: streams, roles, clusters.",
             .required = true,
             .expected = "the path of databus.xml",
             .example = "/etc/databus/databus.xml"},
            [](WorkerConfig& c, const SettingValue& v) {
              c.topology_file = v.text;
              return true;
            }},
    Setting{{.name = "com.inmobi.databus.enablezk",
             .sentence = "Whether workers elect the one that works by ZooKeeper, or else through "
                         "the cluster's own tree. All workers of a cluster alike.",
             .default_value = "true",
             .kind = SettingKind::kChoice,
             .choices = "true|false",
             .example = "false"},
            [](WorkerConfig& c, const SettingValue& v) {
              c.enable_zk = v.text == "true";
              return true;
            }},
    Setting{{.name = "com.inmobi.databus.zkconnect",
             .sentence = "ZooKeeper's servers; a path after the last is put before ours. Must be "
                         "given unless enablezk is false, and is not used then.",
             .expected = kExpectedServers,
             .example = "zk1:2181,zk2:2181,zk3:2181"},
            Accept},  // see CheckServers
    Setting{
        {.name = "databus.worker.spread_groups",
         .sentence = "Whether the workers of a cluster share its streams by groups, each taking "
                     "over from the others, instead of one that works while the others stand "
                     "by. Needs enablezk; all workers of a cluster alike.",
         .default_value = "false",
         .kind = SettingKind::kChoice,
         .choices = "true|false",
         .example = "true"},
        [](WorkerConfig& c, const SettingValue& v) {
          c.spread_groups = v.text == "true";
          return true;
        }},
    Setting{{.name = "com.inmobi.databus.log4j",
             .sentence = "Where the original's log was configured. Accepted, not used.",
             .expected = "a path",
             .example = "/etc/databus/log4j.properties"},
            Accept},
    Setting{{.name = "com.inmobi.databus.krb.principal",
             .sentence = "Kerberos principal. Accepted, not used: secured clusters are not "
                         "supported yet.",
             .expected = "a principal",
             .example = "databus@EXAMPLE.COM"},
            Accept},
    Setting{{.name = "com.inmobi.databus.keytab",
             .sentence = "Kerberos key file. Accepted, not used, as krb.principal.",
             .expected = "a path",
             .example = "/etc/databus/databus.keytab"},
            Accept},
    Setting{{.name = "databus.http_port",
             .sentence = "Port of /metrics, /healthz and /readyz on localhost; 0 is off.",
             .default_value = "0",
             .kind = SettingKind::kNumber,
             .max = 65535,
             .example = "9100"},
            [](WorkerConfig& c, const SettingValue& v) {
              c.http_port = static_cast<int>(v.number);
              return true;
            }},
    Setting{{.name = "databus.worker.run_interval_ms",
             .sentence = "Time from one run of a service to its next. Shorter means fresher.",
             .default_value = "60000",
             .kind = SettingKind::kNumber,
             .min = 1000,
             .max = 60'000,
             .unit = "ms",
             .example = "1000"},
            [](WorkerConfig& c, const SettingValue& v) {
              c.run_interval = std::chrono::milliseconds(v.number);
              return true;
            }},
    Setting{{.name = "databus.worker.lease_timeout_ms",
             .sentence = "A standby takes over after this time without a sign of life. With "
                         "ZooKeeper it is the session's time that is asked for; the servers keep "
                         "it within their own bounds.",
             .default_value = "10000",
             .kind = SettingKind::kNumber,
             .min = 1000,
             .max = 600'000,
             .unit = "ms",
             .example = "10000"},
            [](WorkerConfig& c, const SettingValue& v) {
              c.lease_timeout = std::chrono::milliseconds(v.number);
              return true;
            }},
    Setting{
        {.name = "databus.worker.full_scan_interval_s",
         .sentence = "Time between full scans of data/, which find what no collector announced.",
         .default_value = "600",
         .kind = SettingKind::kNumber,
         .min = 1,
         .max = 86'400,
         .unit = "s",
         .example = "600"},
        [](WorkerConfig& c, const SettingValue& v) {
          c.full_scan_interval = std::chrono::seconds(v.number);
          return true;
        }},
    Setting{{.name = "databus.worker.foreign_idle_timeout_s",
             .sentence = "The newest file of an old Scribe collector is taken after this time "
                         "without a change.",
             .default_value = "300",
             .kind = SettingKind::kNumber,
             .min = 1,
             .max = 86'400,
             .unit = "s",
             .example = "300"},
            [](WorkerConfig& c, const SettingValue& v) {
              c.foreign_idle_timeout = std::chrono::seconds(v.number);
              return true;
            }},
    Setting{{.name = "databus.worker.purge_interval_s",
             .sentence = "Time between purges of what is older than its retention.",
             .default_value = "3600",
             .kind = SettingKind::kNumber,
             .min = 1,
             .max = 86'400,
             .unit = "s",
             .example = "3600"},
            [](WorkerConfig& c, const SettingValue& v) {
              c.purge_interval = std::chrono::seconds(v.number);
              return true;
            }},
    Setting{{.name = "databus.worker.copy_threads",
             .sentence = "Files copied at the same time.",
             .default_value = "4",
             .kind = SettingKind::kNumber,
             .min = 1,
             .max = 256,
             .example = "8"},
            [](WorkerConfig& c, const SettingValue& v) {
              c.copy_threads = static_cast<int>(v.number);
              return true;
            }},
    Setting{{.name = "databus.worker.retention_limit",
             .sentence = "What to do with data past the hard limit that a downstream still needs: "
                         "keep it and alarm, or drop and count it.",
             .default_value = "keep",
             .kind = SettingKind::kChoice,
             .choices = "keep|drop",
             .example = "keep"},
            [](WorkerConfig& c, const SettingValue& v) {
              c.retention_limit_action = v.text;
              return true;
            }},
    Setting{{.name = "databus.worker.retention_limit_percent",
             .sentence = "The hard limit, in percent of the retention.",
             .default_value = "200",
             .kind = SettingKind::kNumber,
             .min = 100,
             .max = 100'000,
             .unit = "%",
             .example = "300"},
            [](WorkerConfig& c, const SettingValue& v) {
              c.retention_limit_percent = static_cast<int>(v.number);
              return true;
            }},
};

std::vector<SettingLine> ParseProperties(std::string_view text, Problems& problems) {
  std::vector<SettingLine> settings;
  int number = 0;
  for (const std::string_view line : TrimmedLines(text)) {
    ++number;
    if (line.empty() || line.front() == '#' || line.front() == '!') continue;
    auto setting = ParseSettingLine(line, number);
    if (!setting) {
      problems.Add(number, "", Quoted(line), "key=value");
      continue;
    }
    // Conduit renamed the prefix and nothing else.
    if (setting->key.starts_with(kConduitPrefix)) {
      setting->key.replace(0, kConduitPrefix.size(), kOriginalPrefix);
    }
    settings.push_back(std::move(*setting));
  }
  return settings;
}

// What enablezk asks of zkconnect. With ZooKeeper off an address is nobody's concern.
void CheckServers(std::span<const SettingLine> lines, WorkerConfig& config, Problems& problems) {
  if (!config.enable_zk) return;
  constexpr std::string_view kKey = "com.inmobi.databus.zkconnect";
  const auto line = std::ranges::find(lines, kKey, &SettingLine::key);
  if (line == lines.end()) {
    problems.Add(
        0, kKey, "nothing",
        fmt::format("{}, or the line com.inmobi.databus.enablezk=false", kExpectedServers));
    return;
  }
  if (line->value.empty()) return;  // which no setting may be
  const auto servers = ServersOf(line->value);
  if (!servers) {
    problems.Add(line->line, kKey, Quoted(line->value), kExpectedServers);
    return;
  }
  config.zk_connect = *servers;
}

// The lease in the tree is one for the whole cluster.
void CheckSpread(std::span<const SettingLine> lines, const WorkerConfig& config,
                 Problems& problems) {
  if (!config.spread_groups || config.enable_zk) return;
  constexpr std::string_view kKey = "databus.worker.spread_groups";
  const auto line = std::ranges::find(lines, kKey, &SettingLine::key);
  problems.Add(line->line, kKey, "true, and com.inmobi.databus.enablezk=false",
               "false, or enablezk=true and a zkconnect");
}

}  // namespace

std::span<const SettingSpec> WorkerSettings() {
  static const auto* const specs = new std::vector<SettingSpec>(SpecsOf<WorkerConfig>(kSettings));
  return *specs;
}

Result<WorkerConfig> ParseWorkerConfig(std::string_view text, const std::string& file) {
  Problems problems(file);
  WorkerConfig config;
  config.file = file;
  const std::vector<SettingLine> lines = ParseProperties(text, problems);
  ApplySettings<WorkerConfig>(kSettings, lines, 0, config, problems);
  CheckServers(lines, config, problems);
  CheckSpread(lines, config, problems);
  DATABUS_RETURN_IF_ERROR(problems.ToStatus());
  return config;
}

}  // namespace databus
