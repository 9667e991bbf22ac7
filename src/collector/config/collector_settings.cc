#include "collector/config/collector_settings.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "cluster/names.h"
#include "cluster/route.h"

namespace databus {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// "default", "prefix*" or a stream's name.
std::optional<CategoryPattern> ParsePattern(std::string_view text) {
  using Kind = CategoryPattern::Kind;
  if (text == "default") return CategoryPattern{Kind::kDefault, ""};
  const Kind kind = text.ends_with('*') ? Kind::kPrefix : Kind::kExact;
  if (kind == Kind::kPrefix) text.remove_suffix(1);
  if (!ValidateStreamName(text).ok()) return std::nullopt;
  return CategoryPattern{kind, std::string(text)};
}

// One pattern, or several with blanks between them.
bool AddPatterns(StoreSpec& store, const SettingValue& value) {
  std::string_view rest = value.text;
  while (!rest.empty()) {
    const size_t end = rest.find_first_of(" \t");
    const auto pattern = ParsePattern(rest.substr(0, end));
    if (!pattern) return false;
    store.categories.push_back(*pattern);
    rest = end == std::string_view::npos ? "" : Trimmed(rest.substr(end));
  }
  return true;
}

// "hourly", "daily" or a number followed by s, m, h, d or w.
bool StoreRotatePeriod(PrimaryFileSection& section, const SettingValue& value) {
  constexpr std::array<std::pair<char, int64_t>, 5> kUnits = {
      {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86'400}, {'w', 604'800}}};
  constexpr int64_t kSecondsMax = 366 * 86'400;
  std::string_view text = value.text;
  if (text == "hourly") text = "1h";
  if (text == "daily") text = "1d";
  const auto unit = std::ranges::find(kUnits, text.back(), &std::pair<char, int64_t>::first);
  if (unit == kUnits.end()) return false;
  text.remove_suffix(1);
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 1 ||
      number > kSecondsMax / unit->second) {
    return false;
  }
  section.primary.rotate_period = seconds(number * unit->second);
  return true;
}

bool StoreSpoolDirectory(SecondarySection& section, const SettingValue& value) {
  std::string_view path = value.text;
  while (path.ends_with('/')) path.remove_suffix(1);
  section.directory = path;
  return path.starts_with('/');
}

template <typename Section>
bool Accept(Section&, const SettingValue&) {
  return true;
}

using Global = BoundSetting<CollectorConfig>;

constexpr std::array kGlobalSettings = {
    Global{{.name = "port",
            .sentence = "The port that the collector listens on.",
            .kind = SettingKind::kNumber,
            .required = true,
            .min = 1,
            .max = 65535,
            .example = "1463",
            .place = SettingPlace::kScribeGlobal},
           [](CollectorConfig& c, const SettingValue& v) {
             c.port = static_cast<int>(v.number);
             return true;
           }},
    Global{{.name = "check_interval",
            .sentence = "Time between two looks at a backlog that waits for its primary; 0 is 1.",
            .default_value = "5",
            .kind = SettingKind::kNumber,
            .max = 3600,
            .unit = "s",
            .example = "1",
            .applies = SettingApplies::kLive,
            .place = SettingPlace::kScribeGlobal},
           [](CollectorConfig& c, const SettingValue& v) {
             c.check_interval = seconds(std::max<int64_t>(v.number, 1));
             return true;
           }},
    Global{{.name = "max_queue_size",
            .sentence = "What one stream may have accepted and not yet on disk; above it producers "
                        "are told TRY_LATER.",
            .default_value = "5000000",
            .kind = SettingKind::kNumber,
            .min = 1,
            .unit = "bytes",
            .example = "50000000",
            .applies = SettingApplies::kLive,
            .place = SettingPlace::kScribeGlobal},
           [](CollectorConfig& c, const SettingValue& v) {
             c.max_queue_bytes = v.number;
             return true;
           }},
    Global{{.name = "num_thrift_server_threads",
            .sentence = "Accepted, not used: the collector chooses its threads itself.",
            .kind = SettingKind::kNumber,
            .min = 1,
            .example = "3",
            .applies = SettingApplies::kLive,
            .place = SettingPlace::kScribeGlobal},
           Accept<CollectorConfig>},
    Global{{.name = "new_thread_per_category",
            .sentence = "Streams are always kept apart.",
            .kind = SettingKind::kChoice,
            .choices = "yes",
            .example = "yes",
            .applies = SettingApplies::kLive,
            .place = SettingPlace::kScribeGlobal},
           Accept<CollectorConfig>},
    Global{
        {.name = "databus.collector.compress",
         .sentence = "Compress files while sealing. With no, the data directory holds plain text "
                     "for consumers that read it directly.",
         .default_value = "yes",
         .kind = SettingKind::kChoice,
         .choices = "yes|no",
         .example = "yes",
         .applies = SettingApplies::kLive,
         .place = SettingPlace::kScribeGlobal},
        [](CollectorConfig& c, const SettingValue& v) {
          c.compress = v.IsYes();
          return true;
        }},
    Global{{.name = "databus.collector.disk_reserve_bytes",
            .sentence = "Space on the spool's disk that is left free; producers are told TRY_LATER "
                        "before it is touched.",
            .default_value = "268435456",
            .kind = SettingKind::kNumber,
            .unit = "bytes",
            .example = "1073741824",
            .applies = SettingApplies::kLive,
            .place = SettingPlace::kScribeGlobal},
           [](CollectorConfig& c, const SettingValue& v) {
             c.disk_reserve_bytes = v.number;
             return true;
           }},
    Global{{.name = "databus.collector.frame_bytes_max",
            .sentence = "The longest call that is read; a longer one ends its connection.",
            .default_value = "67108864",
            .kind = SettingKind::kNumber,
            .min = 1024,
            .max = 1'073'741'824,
            .unit = "bytes",
            .example = "16777216",
            .applies = SettingApplies::kLive,
            .place = SettingPlace::kScribeGlobal},
           [](CollectorConfig& c, const SettingValue& v) {
             c.frame_bytes_max = v.number;
             return true;
           }},
    Global{
        {.name = "databus.collector.message_bytes_max",
         .sentence = "The longest message that is delivered; a longer one is set aside under the "
                     "spool's rejected/. At most frame_bytes_max.",
         .default_value = "16777216",
         .kind = SettingKind::kNumber,
         .min = 1,
         .max = 1'073'741'824,
         .unit = "bytes",
         .example = "1048576",
         .applies = SettingApplies::kLive,
         .place = SettingPlace::kScribeGlobal},
        [](CollectorConfig& c, const SettingValue& v) {
          c.message_bytes_max = v.number;
          return true;
        }},
    Global{{.name = "databus.collector.connections_max",
            .sentence = "Connections at the same time; further ones are closed at once.",
            .default_value = "10000",
            .kind = SettingKind::kNumber,
            .min = 1,
            .max = 1'000'000,
            .example = "20000",
            .applies = SettingApplies::kLive,
            .place = SettingPlace::kScribeGlobal},
           [](CollectorConfig& c, const SettingValue& v) {
             c.connections_max = static_cast<int>(v.number);
             return true;
           }},
    Global{{.name = "databus.collector.allow",
            .sentence = "Who may connect: addresses and blocks of addresses, IPv4 and IPv6, "
                        "separated by commas. Without it: everyone.",
            .expected = "addresses and blocks separated by commas, no bit set behind a block's "
                        "prefix: 192.0.2.7,10.0.0.0/8,2001:db8::/32",
            .example = "10.0.0.0/8,2001:db8::/32",
            .applies = SettingApplies::kLive,
            .place = SettingPlace::kScribeGlobal},
           [](CollectorConfig& c, const SettingValue& v) {
             c.allow = IpBlocks::Parse(v.text);
             return c.allow.has_value();
           }},
    Global{{.name = "databus.collector.advertised_host",
            .sentence = "Under which name or address other collectors reach this one when their "
                        "messages are redirected to it. Without it: the host's name.",
            .expected = "a name, an IPv4 or an IPv6 address",
            .example = "collector1.dc1.example.net",
            .applies = SettingApplies::kLive,
            .place = SettingPlace::kScribeGlobal},
           [](CollectorConfig& c, const SettingValue& v) {
             c.advertised_host = v.text;
             const std::string address = Endpoint{c.advertised_host, 1}.ToString();
             return Endpoint::Parse(address).has_value();
           }},
    Global{{.name = "databus.http_port",
            .sentence = "Port of /metrics, /healthz and /readyz on localhost; 0 is off.",
            .default_value = "0",
            .kind = SettingKind::kNumber,
            .max = 65535,
            .example = "9101",
            .place = SettingPlace::kScribeGlobal},
           [](CollectorConfig& c, const SettingValue& v) {
             c.http_port = static_cast<int>(v.number);
             return true;
           }},
};

using Store = BoundSetting<StoreSpec>;

constexpr std::array kStoreSettings = {
    Store{{.name = "category",
           .sentence = "The streams of this store: default takes what no other store names.",
           .expected = "default, a stream's name, or a prefix and *",
           .example = "default",
           .applies = SettingApplies::kLive,
           .place = SettingPlace::kScribeStore},
          AddPatterns},
    Store{{.name = "categories",
           .sentence = "As category, several.",
           .expected = "stream names or prefixes with *, separated by blanks",
           .example = "clicks orders-*",
           .applies = SettingApplies::kLive,
           .place = SettingPlace::kScribeStore},
          AddPatterns},
    Store{{.name = "type",
           .sentence = "Every store is spooled first and then delivered.",
           .kind = SettingKind::kChoice,
           .required = true,
           .choices = "buffer",
           .expected = "buffer, with a <primary> and a <secondary>",
           .example = "buffer",
           .applies = SettingApplies::kLive,
           .place = SettingPlace::kScribeStore},
          Accept<StoreSpec>},
    Store{{.name = "retry_interval",
           .sentence = "Time between delivery attempts while the primary is away.",
           .default_value = "300",
           .kind = SettingKind::kNumber,
           .min = 1,
           .max = 86'400,
           .unit = "s",
           .example = "10",
           .applies = SettingApplies::kLive,
           .place = SettingPlace::kScribeStore},
          [](StoreSpec& s, const SettingValue& v) {
            s.retry_interval = seconds(v.number);
            return true;
          }},
    Store{
        {.name = "retry_interval_range",
         .sentence = "The interval is drawn from retry_interval, give or take half of this; never "
                     "more than retry_interval.",
         .default_value = "60",
         .kind = SettingKind::kNumber,
         .max = 86'400,
         .unit = "s",
         .example = "5",
         .applies = SettingApplies::kLive,
         .place = SettingPlace::kScribeStore},
        [](StoreSpec& s, const SettingValue& v) {
          s.retry_interval_range = seconds(v.number);
          return true;
        }},
    Store{{.name = "buffer_send_rate",
           .sentence = "Spool segments of backlog drained per check_interval at most; live data is "
                       "not bounded by it.",
           .default_value = "1",
           .kind = SettingKind::kNumber,
           .min = 1,
           .max = 1'000'000,
           .example = "5",
           .applies = SettingApplies::kLive,
           .place = SettingPlace::kScribeStore},
          [](StoreSpec& s, const SettingValue& v) {
            s.buffer_send_rate = v.number;
            return true;
          }},
    Store{{.name = "must_succeed",
           .sentence = "What could not be handed on is kept.",
           .kind = SettingKind::kChoice,
           .choices = "yes",
           .expected = "yes, because anything else would lose data",
           .example = "yes",
           .applies = SettingApplies::kLive,
           .place = SettingPlace::kScribeStore},
          Accept<StoreSpec>},
    Store{{.name = "replay_buffer",
           .sentence = "What was spooled is delivered.",
           .kind = SettingKind::kChoice,
           .choices = "yes",
           .expected = "yes, because anything else would lose data",
           .example = "yes",
           .applies = SettingApplies::kLive,
           .place = SettingPlace::kScribeStore},
          Accept<StoreSpec>},
    Store{{.name = "target_write_size",
           .sentence = "Accepted, not used: every call is on disk before it is answered.",
           .kind = SettingKind::kNumber,
           .unit = "bytes",
           .example = "20480",
           .applies = SettingApplies::kLive,
           .place = SettingPlace::kScribeStore},
          Accept<StoreSpec>},
    Store{{.name = "max_write_interval",
           .sentence = "Accepted, not used, as target_write_size.",
           .kind = SettingKind::kNumber,
           .unit = "s",
           .example = "1",
           .applies = SettingApplies::kLive,
           .place = SettingPlace::kScribeStore},
          Accept<StoreSpec>},
};

using PrimaryFile = BoundSetting<PrimaryFileSection>;

constexpr std::array kPrimaryFileSettings = {
    PrimaryFile{{.name = "type",
                 .sentence = "Delivery into a cluster's data directory.",
                 .kind = SettingKind::kChoice,
                 .required = true,
                 .choices = "file",
                 .example = "file",
                 .applies = SettingApplies::kLive,
                 .place = SettingPlace::kScribePrimaryFile},
                Accept<PrimaryFileSection>},
    PrimaryFile{
        {.name = "fs_type",
         .sentence = "hdfs: file_path is a cluster's URL, whatever its scheme. std: it is a "
                     "local directory.",
         .default_value = "std",
         .kind = SettingKind::kChoice,
         .choices = "std|hdfs",
         .example = "hdfs",
         .applies = SettingApplies::kLive,
         .place = SettingPlace::kScribePrimaryFile},
        [](PrimaryFileSection& s, const SettingValue& v) {
          s.fs_type = v.text;
          return true;
        }},
    PrimaryFile{{.name = "file_path",
                 .sentence = "The cluster's data directory: hdfsurl, rootdir and /data.",
                 .required = true,
                 .expected = "a cluster's data directory, as file:///mnt/dc1/databus/data",
                 .example = "file:///mnt/dc1/databus/data",
                 .place = SettingPlace::kScribePrimaryFile},
                [](PrimaryFileSection& s, const SettingValue& v) {
                  s.file_path = v.text;
                  return true;
                }},
    PrimaryFile{{.name = "sub_directory",
                 .sentence = "The collector's name. Without it and use_hostname_sub_directory: the "
                             "name of the spool directory.",
                 .expected = "a name of letters, digits, '.', '_', '-', not beginning with '.'",
                 .example = "collector1",
                 .place = SettingPlace::kScribePrimaryFile},
                [](PrimaryFileSection& s, const SettingValue& v) {
                  s.sub_directory = v.text;
                  return ValidateCollectorName(v.text).ok();
                }},
    PrimaryFile{{.name = "use_hostname_sub_directory",
                 .sentence = "With yes, the collector's name is the host's name.",
                 .default_value = "no",
                 .kind = SettingKind::kChoice,
                 .choices = "yes|no",
                 .example = "yes",
                 .place = SettingPlace::kScribePrimaryFile},
                [](PrimaryFileSection& s, const SettingValue& v) {
                  s.use_hostname = v.IsYes();
                  return true;
                }},
    PrimaryFile{{.name = "rotate_period",
                 .sentence = "A file is sealed after this time.",
                 .default_value = "1m",
                 .expected = "hourly, daily, or a number and s, m, h, d or w (at most 366d)",
                 .example = "1m",
                 .applies = SettingApplies::kLive,
                 .place = SettingPlace::kScribePrimaryFile},
                StoreRotatePeriod},
    PrimaryFile{{.name = "max_size",
                 .sentence = "A file is sealed at this size, before compression.",
                 .default_value = "1000000000",
                 .kind = SettingKind::kNumber,
                 .min = 1024,
                 .unit = "bytes",
                 .example = "128000000",
                 .applies = SettingApplies::kLive,
                 .place = SettingPlace::kScribePrimaryFile},
                [](PrimaryFileSection& s, const SettingValue& v) {
                  s.primary.seal_bytes = v.number;
                  return true;
                }},
    PrimaryFile{{.name = "add_newlines",
                 .sentence = "With 1, every message is followed by a newline.",
                 .default_value = "0",
                 .kind = SettingKind::kNumber,
                 .max = 1,
                 .example = "1",
                 .applies = SettingApplies::kLive,
                 .place = SettingPlace::kScribePrimaryFile},
                [](PrimaryFileSection& s, const SettingValue& v) {
                  s.primary.add_newlines = v.number != 0;
                  return true;
                }},
    PrimaryFile{{.name = "encodeBase64Flag",
                 .sentence = "With 1, every message is written in base64.",
                 .default_value = "0",
                 .kind = SettingKind::kNumber,
                 .max = 1,
                 .example = "1",
                 .applies = SettingApplies::kLive,
                 .place = SettingPlace::kScribePrimaryFile},
                [](PrimaryFileSection& s, const SettingValue& v) {
                  s.primary.encode_base64 = v.number != 0;
                  return true;
                }},
    PrimaryFile{{.name = "min_file_name",
                 .sentence = "File names always hold the minute: <stream>-YYYY-MM-DD-HH-MM_NNNNN.",
                 .kind = SettingKind::kChoice,
                 .choices = "yes",
                 .expected = "yes, because workers know no other file name",
                 .example = "yes",
                 .applies = SettingApplies::kLive,
                 .place = SettingPlace::kScribePrimaryFile},
                Accept<PrimaryFileSection>},
    PrimaryFile{{.name = "create_symlink",
                 .sentence = "Accepted, not used: sealed files need no <stream>_current.",
                 .kind = SettingKind::kChoice,
                 .choices = "yes|no",
                 .example = "no",
                 .applies = SettingApplies::kLive,
                 .place = SettingPlace::kScribePrimaryFile},
                Accept<PrimaryFileSection>},
    PrimaryFile{{.name = "max_write_size",
                 .sentence = "Accepted, not used: files are written once, when they are sealed.",
                 .kind = SettingKind::kNumber,
                 .unit = "bytes",
                 .example = "40960",
                 .applies = SettingApplies::kLive,
                 .place = SettingPlace::kScribePrimaryFile},
                Accept<PrimaryFileSection>},
    PrimaryFile{{.name = "rotate_on_reopen",
                 .sentence = "Accepted, not used: a sealed file is never appended to.",
                 .kind = SettingKind::kChoice,
                 .choices = "yes|no",
                 .example = "yes",
                 .applies = SettingApplies::kLive,
                 .place = SettingPlace::kScribePrimaryFile},
                Accept<PrimaryFileSection>},
    PrimaryFile{
        {.name = "write_stats",
         .sentence = "Accepted, not used: counts are in the files' headers and in /metrics.",
         .kind = SettingKind::kChoice,
         .choices = "yes|no",
         .example = "yes",
         .applies = SettingApplies::kLive,
         .place = SettingPlace::kScribePrimaryFile},
        Accept<PrimaryFileSection>},
};

using PrimaryNetwork = BoundSetting<NetworkPrimary>;

constexpr std::array kPrimaryNetworkSettings = {
    PrimaryNetwork{{.name = "type",
                    .sentence = "Delivery to another collector.",
                    .kind = SettingKind::kChoice,
                    .required = true,
                    .choices = "network",
                    .example = "network",
                    .applies = SettingApplies::kLive,
                    .place = SettingPlace::kScribePrimaryNetwork},
                   Accept<NetworkPrimary>},
    PrimaryNetwork{{.name = "remote_host",
                    .sentence = "The other collector's host.",
                    .required = true,
                    .expected = "a host name or address",
                    .example = "collector1.example.com",
                    .applies = SettingApplies::kLive,
                    .place = SettingPlace::kScribePrimaryNetwork},
                   [](NetworkPrimary& n, const SettingValue& v) {
                     n.host = v.text;
                     return v.text.find_first_of(" \t/") == std::string::npos;
                   }},
    PrimaryNetwork{{.name = "remote_port",
                    .sentence = "The other collector's port.",
                    .kind = SettingKind::kNumber,
                    .required = true,
                    .min = 1,
                    .max = 65535,
                    .example = "1463",
                    .applies = SettingApplies::kLive,
                    .place = SettingPlace::kScribePrimaryNetwork},
                   [](NetworkPrimary& n, const SettingValue& v) {
                     n.port = static_cast<int>(v.number);
                     return true;
                   }},
    PrimaryNetwork{{.name = "timeout",
                    .sentence = "How long the answer to one call is waited for.",
                    .default_value = "5000",
                    .kind = SettingKind::kNumber,
                    .min = 1,
                    .max = 3'600'000,
                    .unit = "ms",
                    .example = "5000",
                    .applies = SettingApplies::kLive,
                    .place = SettingPlace::kScribePrimaryNetwork},
                   [](NetworkPrimary& n, const SettingValue& v) {
                     n.timeout = milliseconds(v.number);
                     return true;
                   }},
    PrimaryNetwork{{.name = "use_conn_pool",
                    .sentence = "Accepted, not used: a collector keeps one connection to another.",
                    .kind = SettingKind::kChoice,
                    .choices = "yes|no",
                    .example = "no",
                    .applies = SettingApplies::kLive,
                    .place = SettingPlace::kScribePrimaryNetwork},
                   Accept<NetworkPrimary>},
    PrimaryNetwork{{.name = "ignore_network_error",
                    .sentence = "A failed call is repeated.",
                    .kind = SettingKind::kChoice,
                    .choices = "no",
                    .expected = "no, because anything else would lose data",
                    .example = "no",
                    .applies = SettingApplies::kLive,
                    .place = SettingPlace::kScribePrimaryNetwork},
                   Accept<NetworkPrimary>},
};

using Secondary = BoundSetting<SecondarySection>;

constexpr std::array kSecondarySettings = {
    Secondary{{.name = "type",
               .sentence = "The spool.",
               .kind = SettingKind::kChoice,
               .required = true,
               .choices = "file",
               .example = "file",
               .applies = SettingApplies::kLive,
               .place = SettingPlace::kScribeSecondary},
              Accept<SecondarySection>},
    Secondary{{.name = "fs_type",
               .sentence = "The spool is on a local disk.",
               .default_value = "std",
               .kind = SettingKind::kChoice,
               .choices = "std",
               .example = "std",
               .applies = SettingApplies::kLive,
               .place = SettingPlace::kScribeSecondary},
              Accept<SecondarySection>},
    Secondary{{.name = "file_path",
               .sentence = "The spool directory, the same for all stores of a collector.",
               .required = true,
               .expected = "an absolute path",
               .example = "/var/spool/databus/collector1",
               .place = SettingPlace::kScribeSecondary},
              StoreSpoolDirectory},
    Secondary{{.name = "max_size",
               .sentence = "The size of one spool segment. No quota: see databus.collector.*.",
               .default_value = "1000000000",
               .kind = SettingKind::kNumber,
               .min = 1024,
               .unit = "bytes",
               .example = "128000000",
               .place = SettingPlace::kScribeSecondary},
              [](SecondarySection& s, const SettingValue& v) {
                s.segment_bytes = v.number;
                return true;
              }},
};

}  // namespace

std::span<const BoundSetting<CollectorConfig>> GlobalSettings() { return kGlobalSettings; }
std::span<const BoundSetting<StoreSpec>> StoreSettings() { return kStoreSettings; }
std::span<const BoundSetting<PrimaryFileSection>> PrimaryFileSettings() {
  return kPrimaryFileSettings;
}
std::span<const BoundSetting<NetworkPrimary>> PrimaryNetworkSettings() {
  return kPrimaryNetworkSettings;
}
std::span<const BoundSetting<SecondarySection>> SecondarySettings() { return kSecondarySettings; }

}  // namespace databus
