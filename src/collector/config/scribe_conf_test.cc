#include "collector/config/scribe_conf.h"

#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

namespace databus {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Kind = CategoryPattern::Kind;

std::string Replaced(std::string text, std::string_view from, std::string_view to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

std::string ReadFile(const std::string& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

std::string FilledExample(const std::string& name) {
  std::string text = ReadFile(DATABUS_SOURCE "/conf/examples/" + name);
  text = Replaced(text, "@ROOT@", "/srv");
  text = Replaced(text, "@DC@", "dc1");
  text = Replaced(text, "@NAME@", "collector1");
  text = Replaced(text, "@PORT@", "1463");
  return Replaced(text, "@REDIRECT_PORT@", "1464");
}

// A correct file, line by line, to be damaged in one place.
std::string Correct() {
  return "port=1463\n"                    // 1
         "<store>\n"                      // 2
         "category=default\n"             // 3
         "type=buffer\n"                  // 4
         "<primary>\n"                    // 5
         "type=file\n"                    // 6
         "fs_type=hdfs\n"                 // 7
         "file_path=file:///c1/d/data\n"  // 8
         "sub_directory=web1\n"           // 9
         "</primary>\n"                   // 10
         "<secondary>\n"                  // 11
         "type=file\n"                    // 12
         "file_path=/spool/x\n"           // 13
         "</secondary>\n"                 // 14
         "</store>\n";                    // 15
}

std::string Damaged(std::string_view from, std::string_view to) {
  std::string text = Correct();
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

CollectorConfig Parsed(const std::string& text) {
  auto config = ParseScribeConf(text, "s.conf");
  EXPECT_TRUE(config.ok()) << config.status().ToString();
  return config.ok() ? std::move(*config) : CollectorConfig();
}

std::string Errors(const std::string& text) {
  const auto config = ParseScribeConf(text, "s.conf");
  EXPECT_EQ(config.code(), Code::kInvalid);
  return config.status().message();
}

// A second store behind the correct one; its <store> is line 16.
std::string SecondStore(std::string_view category, std::string_view primary,
                        std::string_view secondary) {
  return Correct() + "<store>\ncategory=" + std::string(category) + "\ntype=buffer\n<primary>\n" +
         std::string(primary) + "</primary>\n<secondary>\ntype=file\n" + std::string(secondary) +
         "</secondary>\n</store>\n";
}

constexpr std::string_view kPrimary =
    "type=file\nfs_type=hdfs\nfile_path=hdfs://c2:8020/d/data/\nsub_directory=web1\n";
constexpr std::string_view kSecondary = "file_path=/spool/x/\n";

TEST(ScribeConf, OfTheDeliveringExampleIsUnderstood) {
  const CollectorConfig config = Parsed(FilledExample("scribe.conf"));
  EXPECT_EQ(config.file, "s.conf");
  EXPECT_EQ(config.port, 1463);
  EXPECT_EQ(config.check_interval, seconds(1));
  EXPECT_EQ(config.max_queue_bytes, 50'000'000);
  EXPECT_EQ(config.name_rule, CollectorNameRule::kSubDirectory);
  EXPECT_EQ(config.name, "collector1");
  EXPECT_EQ(config.spool_directory, "/srv/spool/collector1");
  EXPECT_EQ(config.segment_bytes, 128'000'000);
  ASSERT_EQ(config.stores.size(), 1u);
  const StoreSpec& store = config.stores[0];
  EXPECT_EQ(store.categories, (std::vector<CategoryPattern>{{Kind::kDefault, ""}}));
  EXPECT_EQ(store.retry_interval, seconds(2));
  EXPECT_EQ(store.retry_interval_range, seconds(1));
  EXPECT_EQ(store.buffer_send_rate, 5);
  EXPECT_EQ(std::get<ClusterPrimary>(store.primary),
            (ClusterPrimary{"file:///srv/dc1/databus", seconds(1), 128'000'000, true, false}));
}

TEST(ScribeConf, OfTheRedirectingExampleIsUnderstood) {
  const CollectorConfig config = Parsed(FilledExample("scribe-redirect.conf"));
  ASSERT_EQ(config.stores.size(), 1u);
  EXPECT_EQ(std::get<NetworkPrimary>(config.stores[0].primary),
            (NetworkPrimary{"127.0.0.1", 1464, milliseconds(5000)}));
  EXPECT_EQ(config.name_rule, CollectorNameRule::kSpoolDirectory);
  EXPECT_EQ(config.name, "collector1");
}

TEST(ScribeConf, DeclaredDefaultsAreThoseOfTheStructs) {
  const CollectorConfig config = Parsed(Correct());
  const CollectorConfig defaults;
  EXPECT_EQ(config.check_interval, defaults.check_interval);
  EXPECT_EQ(config.max_queue_bytes, defaults.max_queue_bytes);
  EXPECT_EQ(config.segment_bytes, defaults.segment_bytes);
  EXPECT_EQ(config.compress, defaults.compress);
  EXPECT_EQ(config.disk_reserve_bytes, defaults.disk_reserve_bytes);
  EXPECT_EQ(config.frame_bytes_max, defaults.frame_bytes_max);
  EXPECT_EQ(config.message_bytes_max, defaults.message_bytes_max);
  EXPECT_EQ(config.connections_max, defaults.connections_max);
  EXPECT_EQ(config.http_port, defaults.http_port);
  ASSERT_EQ(config.stores.size(), 1u);
  const StoreSpec store;
  EXPECT_EQ(config.stores[0].retry_interval, store.retry_interval);
  EXPECT_EQ(config.stores[0].retry_interval_range, store.retry_interval_range);
  EXPECT_EQ(config.stores[0].buffer_send_rate, store.buffer_send_rate);
  ClusterPrimary primary;
  primary.root_url = "file:///c1/d";
  EXPECT_EQ(std::get<ClusterPrimary>(config.stores[0].primary), primary);
}

TEST(ScribeConf, OurOwnKeysReachTheirFields) {
  const CollectorConfig config = Parsed(
      "databus.collector.compress=no\n"
      "databus.collector.disk_reserve_bytes=2\ndatabus.collector.frame_bytes_max=3000\n"
      "databus.collector.message_bytes_max=2999\ndatabus.collector.connections_max=5\n"
      "databus.http_port=6\n" +
      Correct());
  EXPECT_FALSE(config.compress);
  EXPECT_EQ(config.disk_reserve_bytes, 2);
  EXPECT_EQ(config.frame_bytes_max, 3000);
  EXPECT_EQ(config.message_bytes_max, 2999);
  EXPECT_EQ(config.connections_max, 5);
  EXPECT_EQ(config.http_port, 6);
}

TEST(ScribeConf, RotatePeriodsAreScribes) {
  const std::vector<std::pair<std::string, milliseconds>> periods = {
      {"1s", seconds(1)},          {"90s", seconds(90)},        {"5m", seconds(300)},
      {"2h", seconds(7200)},       {"hourly", seconds(3600)},   {"daily", seconds(86'400)},
      {"3d", seconds(3 * 86'400)}, {"1w", seconds(7 * 86'400)}, {"366d", seconds(366 * 86'400)}};
  for (const auto& [text, period] : periods) {
    const auto config = Parsed(Damaged("type=file\n", "type=file\nrotate_period=" + text + "\n"));
    ASSERT_EQ(config.stores.size(), 1u) << text;
    EXPECT_EQ(std::get<ClusterPrimary>(config.stores[0].primary).rotate_period, period) << text;
  }
  for (const std::string text :
       {"never", "0s", "1", "s", "-1s", "1.5h", "367d", "1y", "1 s", "99999999999999999999s"}) {
    EXPECT_EQ(Errors(Damaged("type=file\n", "type=file\nrotate_period=" + text + "\n")),
              "s.conf:7: rotate_period: found '" + text +
                  "', expected hourly, daily, or a number and s, m, h, d or w (at most 366d)");
  }
}

TEST(ScribeConf, NewlinesBase64AndSealSizeReachTheirFields) {
  const auto config = Parsed(
      Damaged("type=file\n", "type=file\nadd_newlines=1\nencodeBase64Flag=1\nmax_size=4096\n"));
  ASSERT_EQ(config.stores.size(), 1u);
  const auto& primary = std::get<ClusterPrimary>(config.stores[0].primary);
  EXPECT_TRUE(primary.add_newlines);
  EXPECT_TRUE(primary.encode_base64);
  EXPECT_EQ(primary.seal_bytes, 4096);
}

TEST(ScribeConf, ALocalDirectoryIsAClusterOfItsOwn) {
  const auto config = Parsed(
      Damaged("fs_type=hdfs\nfile_path=file:///c1/d/data", "fs_type=std\nfile_path=/c1/d/data"));
  ASSERT_EQ(config.stores.size(), 1u);
  EXPECT_EQ(std::get<ClusterPrimary>(config.stores[0].primary).root_url, "file:///c1/d");
}

TEST(ScribeConf, TheNameIsTheHostsElseTheSubDirectoryElseTheSpools) {
  CollectorConfig config =
      Parsed(Damaged("sub_directory=web1", "sub_directory=web1\nuse_hostname_sub_directory=yes"));
  EXPECT_EQ(config.name_rule, CollectorNameRule::kHostname);
  EXPECT_EQ(config.name, "");
  config = Parsed(Damaged("sub_directory=web1\n", ""));
  EXPECT_EQ(config.name_rule, CollectorNameRule::kSpoolDirectory);
  EXPECT_EQ(config.name, "x");
}

TEST(ScribeConf, CommentsBlanksCrlfAndByteOrderMarkAreFine) {
  const std::string text =
      Replaced(Damaged("port=1463", "# top\n\n port = 1463 # last"), "\n", " \t\r\n");
  EXPECT_EQ(Parsed("\xef\xbb\xbf" + text).port, 1463);
}

TEST(ScribeConf, ScribesOtherHarmlessKeysAreAccepted) {
  Parsed("num_thrift_server_threads=3\nnew_thread_per_category=yes\ncheck_interval=0\n" +
         Damaged("type=file\n",
                 "type=file\ncreate_symlink=yes\nmax_write_size=40960\n"
                 "min_file_name=yes\nrotate_on_reopen=yes\nwrite_stats=yes\n"));
}

TEST(ScribeConf, CheckIntervalZeroIsOneAsInScribe) {
  EXPECT_EQ(Parsed("check_interval=0\n" + Correct()).check_interval, seconds(1));
}

TEST(ScribeConf, RetryRangeIsAtMostTheInterval) {
  const auto config = Parsed(Damaged("type=buffer", "type=buffer\nretry_interval=10"));
  ASSERT_EQ(config.stores.size(), 1u);
  EXPECT_EQ(config.stores[0].retry_interval_range, seconds(10));
}

TEST(ScribeConf, AStreamGoesToItsNameElseTheShortestPrefixElseTheDefault) {
  const auto store = [](std::string_view categories) {
    const std::string text = SecondStore("", kPrimary, kSecondary).substr(Correct().size());
    return Replaced(text, "category=", "categories=" + std::string(categories));
  };
  const CollectorConfig config = Parsed(Correct() + store("ab* x*") + store("a* xy* abcd  orders"));
  ASSERT_EQ(config.stores.size(), 3u);
  EXPECT_EQ(config.FindStore("orders"), &config.stores[2]);
  EXPECT_EQ(config.FindStore("abcd"), &config.stores[2]);
  EXPECT_EQ(config.FindStore("abcde"), &config.stores[2]);
  EXPECT_EQ(config.FindStore("xyz"), &config.stores[1]);
  EXPECT_EQ(config.FindStore("other"), &config.stores[0]);
  const CollectorConfig named = Parsed(Damaged("category=default", "category=clicks"));
  EXPECT_EQ(named.FindStore("clicks2"), nullptr);
}

TEST(ScribeConf, StoresMayDeliverIntoDifferentClusters) {
  const CollectorConfig config = Parsed(SecondStore("orders", kPrimary, kSecondary));
  ASSERT_EQ(config.stores.size(), 2u);
  EXPECT_EQ(std::get<ClusterPrimary>(config.stores[1].primary).root_url, "hdfs://c2:8020/d");
}

TEST(ScribeConfError, StoresMustShareSpoolAndName) {
  EXPECT_EQ(Errors(SecondStore("orders", kPrimary, "file_path=/spool/y\nmax_size=4096\n")),
            "s.conf:27: file_path: found '/spool/y', expected '/spool/x' as in line 11: all stores "
            "of a collector share one spool\n"
            "s.conf:28: max_size: found 4096, expected 1000000000 as in line 11: all stores of a "
            "collector share one spool");
  EXPECT_EQ(
      Errors(SecondStore("orders", Replaced(std::string(kPrimary), "web1", "web2"), kSecondary)),
      "s.conf:23: sub_directory: found another collector name than in the <primary> of line 5, "
      "expected the same sub_directory or use_hostname_sub_directory in all stores");
}

TEST(ScribeConfError, ACategoryTwice) {
  EXPECT_EQ(Errors(SecondStore("default", kPrimary, kSecondary)),
            "s.conf:16: category: found 'default' again (the first is in the store of line 2), "
            "expected each category once");
}

TEST(ScribeConfError, EmptyFile) {
  EXPECT_EQ(Errors(""),
            "s.conf: port: found nothing, expected a whole number from 1 to 65535\n"
            "s.conf: store: found nothing, expected at least one <store>");
}

struct ErrorCase {
  std::string_view name;
  std::string_view from;
  std::string_view to;
  std::string_view message;
};

class ScribeConfErrors : public testing::TestWithParam<ErrorCase> {};

TEST_P(ScribeConfErrors, NameFileLineKeyFoundAndExpected) {
  EXPECT_EQ(Errors(Damaged(GetParam().from, GetParam().to)), GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(
    Values, ScribeConfErrors,
    testing::Values(
        ErrorCase{"Port", "port=1463", "port=0",
                  "s.conf:1: port: found '0', expected a whole number from 1 to 65535"},
        ErrorCase{"StoreType", "type=buffer", "type=file",
                  "s.conf:4: type: found 'file', expected buffer, with a <primary> and a "
                  "<secondary>"},
        ErrorCase{"NoStoreType", "type=buffer\n", "",
                  "s.conf:2: type: found nothing, expected buffer, with a <primary> and a "
                  "<secondary>"},
        ErrorCase{
            "NoCategory", "category=default\n", "",
            "s.conf:2: category: found nothing, expected default, a stream's name, or a prefix "
            "and *"},
        ErrorCase{"BadCategory", "category=default", "category=a/b",
                  "s.conf:3: category: found 'a/b', expected default, a stream's name, or a prefix "
                  "and *"},
        ErrorCase{"MustSucceedNo", "type=buffer", "type=buffer\nmust_succeed=no",
                  "s.conf:5: must_succeed: found 'no', expected yes, because anything else would "
                  "lose data"},
        ErrorCase{"ReplayBufferNo", "type=buffer", "type=buffer\nreplay_buffer=no",
                  "s.conf:5: replay_buffer: found 'no', expected yes, because anything else would "
                  "lose data"},
        ErrorCase{
            "MinFileNameNo", "type=file", "type=file\nmin_file_name=no",
            "s.conf:7: min_file_name: found 'no', expected yes, because workers know no other "
            "file name"},
        ErrorCase{"PrimaryType", "type=file", "type=thriftfile",
                  "s.conf:6: type: found 'thriftfile', expected file or network"},
        ErrorCase{"NoPrimaryType", "type=file\n", "",
                  "s.conf:5: type: found nothing, expected file or network"},
        ErrorCase{"NoFilePath", "file_path=file:///c1/d/data\n", "",
                  "s.conf:5: file_path: found nothing, expected a cluster's data directory, as "
                  "file:///mnt/dc1/databus/data"},
        ErrorCase{"NotADataDirectory", "/d/data", "/d/dat",
                  "s.conf:8: file_path: found 'file:///c1/d/dat', expected a cluster's data "
                  "directory, as file:///mnt/dc1/databus/data"},
        ErrorCase{
            "NoUrl", "file:///c1/d/data", "/c1/d/data",
            "s.conf:8: file_path: found '/c1/d/data', expected a cluster's data directory, as "
            "file:///mnt/dc1/databus/data"},
        ErrorCase{"UrlWithoutTree", "file:///c1/d/data", "hdfs://nn:8020/data",
                  "s.conf:8: file_path: found 'hdfs://nn:8020/data', expected a cluster's data "
                  "directory, as file:///mnt/dc1/databus/data"},
        ErrorCase{"LocalPathExpected", "fs_type=hdfs", "fs_type=std",
                  "s.conf:8: file_path: found 'file:///c1/d/data', expected a cluster's data "
                  "directory, as /mnt/dc1/databus/data"},
        ErrorCase{"BadName", "sub_directory=web1", "sub_directory=../web1",
                  "s.conf:9: sub_directory: found '../web1', expected a name of letters, digits, "
                  "'.', '_', '-', not beginning with '.'"},
        ErrorCase{"SpoolOnHdfs", "type=file\nfile_path=/spool",
                  "type=file\nfs_type=hdfs\nfile_path=/spool",
                  "s.conf:13: fs_type: found 'hdfs', expected std"},
        ErrorCase{"RelativeSpool", "file_path=/spool/x", "file_path=spool/x",
                  "s.conf:13: file_path: found 'spool/x', expected an absolute path"},
        ErrorCase{"MessageLongerThanFrame", "port=1463",
                  "databus.collector.frame_bytes_max=2000\nport=1463\n"
                  "databus.collector.message_bytes_max=2001",
                  "s.conf:3: databus.collector.message_bytes_max: found 2001, expected at most "
                  "databus.collector.frame_bytes_max (2000)"}),
    [](const auto& param_info) { return std::string(param_info.param.name); });

INSTANTIATE_TEST_SUITE_P(
    Shape, ScribeConfErrors,
    testing::Values(
        ErrorCase{"UnknownGlobalKey", "port=1463", "port=1463\nmax_queue=5",
                  "s.conf:2: 'max_queue': found an unknown key, expected a key that `databus "
                  "settings` lists"},
        ErrorCase{"UnknownStoreKey", "type=buffer", "type=buffer\nretry_intervall=5",
                  "s.conf:5: 'retry_intervall': found an unknown key, expected retry_interval"},
        ErrorCase{"UnknownPrimaryKey", "type=file", "type=file\nrotate_periode=5",
                  "s.conf:7: 'rotate_periode': found an unknown key, expected rotate_period"},
        ErrorCase{
            "RepeatedKey", "type=buffer", "type=buffer\ncategory=clicks",
            "s.conf:5: category: found a second value (the first is in line 3), expected one"},
        ErrorCase{"NoEquals", "port=1463", "port=1463\nport 1464",
                  "s.conf:2: found 'port 1464', expected key=value, <block> or </block>"},
        ErrorCase{"UnknownBlock", "<store>\n", "<shop>\n</shop>\n<store>\n",
                  "s.conf:2: found unknown block <shop>, expected <store>"},
        ErrorCase{"UnknownBlockInStore", "<primary>\n", "<tertiary>\n</tertiary>\n<primary>\n",
                  "s.conf:5: found unknown block <tertiary>, expected <primary> or <secondary>"},
        ErrorCase{"BlockInPrimary", "type=file\n", "type=file\n<bucket>\n</bucket>\n",
                  "s.conf:7: found unknown block <bucket>, expected no block here"},
        ErrorCase{"NoPrimary",
                  "<primary>\ntype=file\nfs_type=hdfs\nfile_path=file:///c1/d/data\n"
                  "sub_directory=web1\n</primary>\n",
                  "", "s.conf:2: store: found no <primary>, expected <primary>"},
        ErrorCase{"NoSecondary", "<secondary>\ntype=file\nfile_path=/spool/x\n</secondary>\n", "",
                  "s.conf:2: store: found no <secondary>, expected <secondary>"},
        ErrorCase{"TwoSecondaries", "</store>", "<secondary>\n</secondary>\n</store>",
                  "s.conf:15: found a second <secondary> (the first is in line 11), expected one"},
        ErrorCase{"WrongEnd", "</primary>", "</secondary>",
                  "s.conf:10: found '</secondary>', expected </primary>, which ends line 5"},
        ErrorCase{"NoEnd", "</store>\n", "",
                  "s.conf:2: found <store> without an end, expected </store>"},
        ErrorCase{"SurplusEnd", "</store>\n", "</store>\n</store>\n",
                  "s.conf:16: found '</store>', expected no end of a block, none is open"}),
    [](const auto& param_info) { return std::string(param_info.param.name); });

TEST(ScribeConfError, NetworkPrimary) {
  const std::string network = Replaced(FilledExample("scribe-redirect.conf"), "remote_port=1464",
                                       "remote_port=x\nignore_network_error=yes");
  EXPECT_EQ(
      Errors(network),
      "s.conf:14: remote_port: found 'x', expected a whole number from 1 to 65535\n"
      "s.conf:15: ignore_network_error: found 'yes', expected no, because anything else would "
      "lose data");
}

TEST(ScribeConfError, SpoolNameThatIsNoCollectorsName) {
  EXPECT_EQ(Errors(Replaced(Damaged("sub_directory=web1\n", ""), "/spool/x", "/spool/a b")),
            "s.conf:10: file_path: found '/spool/a b', whose last part is the collector's name, "
            "expected a last part of letters, digits, '.', '_', '-'; or sub_directory");
}

TEST(ScribeConfError, AllAtOnce) {
  const std::string errors =
      Errors(Replaced(Replaced(Correct(), "port=1463", "prot=1463"), "file_path", "path"));
  EXPECT_EQ(std::count(errors.begin(), errors.end(), '\n') + 1, 6) << errors;
}

// docs/settings.md is made from the tables. To bring it up to date: DATABUS_UPDATE_DOCS=1.
TEST(SettingsPage, IsWhatTheDocumentationHolds) {
  const std::string path = DATABUS_SOURCE "/docs/settings.md";
  if (std::getenv("DATABUS_UPDATE_DOCS") != nullptr) {
    std::ofstream(path, std::ios::trunc) << RenderSettingsPage();
  }
  EXPECT_EQ(ReadFile(path), RenderSettingsPage())
      << "run this test with DATABUS_UPDATE_DOCS=1 and commit docs/settings.md";
}

TEST(CollectorSettings, AreAllExplainedWithAnExampleThatIsAValue) {
  for (const SettingSpec& spec : CollectorSettings()) {
    EXPECT_TRUE(spec.sentence.ends_with('.')) << spec.name;
    EXPECT_TRUE(ParseSetting(spec, spec.example).ok()) << spec.name;
    if (!spec.default_value.empty()) {
      EXPECT_TRUE(ParseSetting(spec, spec.default_value).ok()) << spec.name;
    }
  }
}

}  // namespace
}  // namespace databus
