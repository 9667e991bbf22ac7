#include "cluster/worker_config.h"

#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

namespace databus {
namespace {

// A correct file, to which a test adds its lines: they start at line 4.
constexpr std::string_view kCorrect =
    "com.inmobi.databus.clusters=dc1\n"
    "com.inmobi.databus.cfg=/etc/databus.xml\n"
    "com.inmobi.databus.enablezk=false\n";

Result<WorkerConfig> ParseWith(std::string_view lines) {
  return ParseWorkerConfig(std::string(kCorrect) + std::string(lines), "w.cfg");
}

std::string Errors(const std::string& text) {
  const auto config = ParseWorkerConfig(text, "w.cfg");
  EXPECT_EQ(config.code(), Code::kInvalid);
  return config.status().message();
}

std::string ErrorsWith(std::string_view lines) {
  return Errors(std::string(kCorrect) + std::string(lines));
}

TEST(WorkerConfig, OfTheExampleIsUnderstood) {
  std::ifstream in(DATABUS_EXAMPLES "/databus.cfg");
  std::stringstream text;
  text << in.rdbuf();
  std::string filled = text.str();
  filled.replace(filled.find("@DC@"), 4, "dc1");
  const auto config = ParseWorkerConfig(filled, "databus.cfg");
  ASSERT_TRUE(config.ok()) << config.status().ToString();
  EXPECT_EQ(config->clusters, std::vector<std::string>{"dc1"});
  EXPECT_FALSE(config->all_clusters);
  EXPECT_EQ(config->topology_file, "@ROOT@/conf/databus.xml");
  EXPECT_FALSE(config->enable_zk);
  EXPECT_EQ(config->run_interval, std::chrono::milliseconds(1000));
}

TEST(WorkerConfig, DeclaredDefaultsAreThoseOfTheStruct) {
  const auto config = ParseWith("");
  ASSERT_TRUE(config.ok()) << config.status().ToString();
  const WorkerConfig defaults;
  EXPECT_EQ(config->http_port, defaults.http_port);
  EXPECT_EQ(config->run_interval, defaults.run_interval);
  EXPECT_EQ(config->lease_timeout, defaults.lease_timeout);
  EXPECT_EQ(config->full_scan_interval, defaults.full_scan_interval);
  EXPECT_EQ(config->foreign_idle_timeout, defaults.foreign_idle_timeout);
  EXPECT_EQ(config->purge_interval, defaults.purge_interval);
  EXPECT_EQ(config->copy_threads, defaults.copy_threads);
  EXPECT_EQ(config->retention_limit_action, defaults.retention_limit_action);
  EXPECT_EQ(config->retention_limit_percent, defaults.retention_limit_percent);
}

TEST(WorkerConfig, EverySettingReachesItsField) {
  const auto config = ParseWith(
      "databus.http_port=9100\n"
      "databus.worker.run_interval_ms=2000\n"
      "databus.worker.lease_timeout_ms=3000\n"
      "databus.worker.full_scan_interval_s=4\n"
      "databus.worker.foreign_idle_timeout_s=5\n"
      "databus.worker.purge_interval_s=6\n"
      "databus.worker.copy_threads=7\n"
      "databus.worker.retention_limit=drop\n"
      "databus.worker.retention_limit_percent=300\n");
  ASSERT_TRUE(config.ok()) << config.status().ToString();
  EXPECT_EQ(config->http_port, 9100);
  EXPECT_EQ(config->run_interval, std::chrono::seconds(2));
  EXPECT_EQ(config->lease_timeout, std::chrono::seconds(3));
  EXPECT_EQ(config->full_scan_interval, std::chrono::seconds(4));
  EXPECT_EQ(config->foreign_idle_timeout, std::chrono::seconds(5));
  EXPECT_EQ(config->purge_interval, std::chrono::seconds(6));
  EXPECT_EQ(config->copy_threads, 7);
  EXPECT_EQ(config->retention_limit_action, "drop");
  EXPECT_EQ(config->retention_limit_percent, 300);
}

TEST(WorkerConfig, CommentsBlanksCrlfByteOrderMarkAndConduitsPrefixAreFine) {
  const auto config = ParseWorkerConfig(
      "\xef\xbb\xbf# comment\r\n! another\r\n\r\n"
      "  com.inmobi.conduit.clusters =  dc1 , dc2\t\r\n"
      "com.inmobi.conduit.cfg = /etc/a=b#c.xml\r\n"
      "com.inmobi.conduit.enablezk=false\r\n"
      "com.inmobi.conduit.krb.principal=databus\r\n"
      "com.inmobi.conduit.keytab=/k\r\n",
      "w.cfg");
  ASSERT_TRUE(config.ok()) << config.status().ToString();
  EXPECT_EQ(config->clusters, (std::vector<std::string>{"dc1", "dc2"}));
  EXPECT_EQ(config->topology_file, "/etc/a=b#c.xml");
}

TEST(WorkerConfig, AllMeansEveryCluster) {
  const auto config = ParseWorkerConfig(
      "com.inmobi.databus.clusters=ALL\ncom.inmobi.databus.cfg=f\n"
      "com.inmobi.databus.enablezk=false",
      "w.cfg");
  ASSERT_TRUE(config.ok()) << config.status().ToString();
  EXPECT_TRUE(config->all_clusters);
  EXPECT_TRUE(config->clusters.empty());
}

// As the original's files are: there a zkconnect has to be, and enablezk need not.
std::string Servers(const std::string& lines) {
  const auto config = ParseWorkerConfig(
      "com.inmobi.databus.clusters=dc1\ncom.inmobi.databus.cfg=f\n" + lines, "w.cfg");
  if (!config.ok()) return config.status().message();
  EXPECT_EQ(config->enable_zk, !config->zk_connect.empty());
  return config->zk_connect;
}

TEST(WorkerConfig, ZooKeeperIsOnUnlessItIsSwitchedOff) {
  EXPECT_EQ(Servers("com.inmobi.databus.zkconnect=zk:2181\n"), "zk:2181");
  EXPECT_EQ(Servers("com.inmobi.conduit.zkconnect=zk:2181\ncom.inmobi.conduit.enablezk=true\n"),
            "zk:2181");
  EXPECT_EQ(Servers("com.inmobi.databus.zkconnect=zk:2181\ncom.inmobi.databus.enablezk=false\n"),
            "");
  EXPECT_EQ(Servers("com.inmobi.databus.zkconnect=not used\ncom.inmobi.databus.enablezk=false\n"),
            "");
}

TEST(WorkerConfig, ServersOfZooKeeperAreListedAsTheOriginalTookThem) {
  EXPECT_EQ(Servers("com.inmobi.databus.zkconnect=zk1:2182, zk2 ,10.0.0.1:1\n"),
            "10.0.0.1:1,zk1:2182,zk2:2181");
  EXPECT_EQ(Servers("com.inmobi.databus.zkconnect=10.0.0.1:1,zk2:2181,zk1:2182\n"),
            "10.0.0.1:1,zk1:2182,zk2:2181")
      << "workers that name the same servers look for the lease in the same place";
  EXPECT_EQ(Servers("com.inmobi.databus.zkconnect=zk1,zk2:2181/site/a\n"),
            "zk1:2181,zk2:2181/site/a");
}

TEST(WorkerConfigError, MissingKeysAllAtOnceWithTheLineToAdd) {
  EXPECT_EQ(
      Errors(""),
      "w.cfg: com.inmobi.databus.clusters: found nothing, expected cluster names separated by "
      "commas, each once, or ALL\n"
      "w.cfg: com.inmobi.databus.cfg: found nothing, expected the path of databus.xml\n"
      "w.cfg: com.inmobi.databus.zkconnect: found nothing, expected HOST:PORT,... or "
      "HOST:PORT,.../PATH, or the line com.inmobi.databus.enablezk=false");
}

TEST(WorkerConfigError, ServersOfZooKeeperThatAreNone) {
  for (const std::string list : {"", "zk1:2181,", "zk:", "zk:port", "zk:0", "zk:70000", "zk 1:2181",
                                 "zk:2181/", "zk:2181//a", ",zk", "[::1]:2181"}) {
    EXPECT_EQ(Servers("com.inmobi.databus.zkconnect=" + list + "\n"),
              "w.cfg:3: com.inmobi.databus.zkconnect: found '" + list +
                  "', expected HOST:PORT,... or HOST:PORT,.../PATH");
  }
}

TEST(WorkerConfig, GroupsAreSpreadByZooKeeperOnly) {
  const std::string with_zk =
      "com.inmobi.databus.clusters=dc1\ncom.inmobi.databus.cfg=f\n"
      "com.inmobi.databus.zkconnect=zk:1\n";
  EXPECT_FALSE(ParseWorkerConfig(with_zk, "w.cfg")->spread_groups);
  EXPECT_TRUE(
      ParseWorkerConfig(with_zk + "databus.worker.spread_groups=true\n", "w.cfg")->spread_groups);
  EXPECT_EQ(
      Errors(with_zk + "com.inmobi.databus.enablezk=false\ndatabus.worker.spread_groups=true\n"),
      "w.cfg:5: databus.worker.spread_groups: found true, and "
      "com.inmobi.databus.enablezk=false, expected false, or enablezk=true and a zkconnect");
}

TEST(WorkerConfigError, EnablezkThatIsNeitherYesNorNo) {
  EXPECT_EQ(Errors("com.inmobi.databus.clusters=dc1\ncom.inmobi.databus.cfg=f\n"
                   "com.inmobi.databus.enablezk=yes\ncom.inmobi.databus.zkconnect=zk:1\n"),
            "w.cfg:3: com.inmobi.databus.enablezk: found 'yes', expected true or false");
}

TEST(WorkerConfigError, UnknownKeyWithTheNearestName) {
  EXPECT_EQ(ErrorsWith("databus.worker.run_interval=1000\n"),
            "w.cfg:4: 'databus.worker.run_interval': found an unknown key, expected "
            "databus.worker.run_interval_ms");
  EXPECT_EQ(ErrorsWith("zzz=1\n"),
            "w.cfg:4: 'zzz': found an unknown key, expected a key that `databus settings` lists");
}

TEST(NearestName, IsTheFirstOfThoseWithTheFewestChanges) {
  const auto nearest = [](std::string_view unknown, std::vector<std::string_view> names) {
    return std::string(NearestName(unknown, names).value_or("none"));
  };
  EXPECT_EQ(nearest("copy_thread", {"copy_breads", "copy_threads", "coyp_thread"}), "copy_threads");
  EXPECT_EQ(nearest("abcd", {"bcd", "abc"}), "bcd");
  EXPECT_EQ(nearest("abab", {"ababab", "ab", "aba"}), "aba");
  EXPECT_EQ(nearest("abc", {"a", "abcde", "cba"}), "a");
  EXPECT_EQ(nearest("abc", {"", "abcdef", "xyc!"}), "none");
  EXPECT_EQ(nearest("", {"abc", "ab"}), "ab");
  EXPECT_EQ(nearest("x_interval_s", {"x_interval_ms", "y_interval_s"}), "x_interval_ms");
}

TEST(WorkerConfigError, RepeatedKeyNamesBothLines) {
  EXPECT_EQ(ErrorsWith("\ncom.inmobi.conduit.clusters=dc1\n"),
            "w.cfg:5: com.inmobi.databus.clusters: found a second value (the first is in line 1), "
            "expected one");
}

TEST(WorkerConfigError, NoKeyAndValue) {
  EXPECT_EQ(ErrorsWith("clusters dc1\n=x\n"),
            "w.cfg:4: found 'clusters dc1', expected key=value\n"
            "w.cfg:5: found '=x', expected key=value");
}

TEST(WorkerConfigError, ValuesOutOfBounds) {
  EXPECT_EQ(
      ErrorsWith("databus.worker.run_interval_ms=999\n"),
      "w.cfg:4: databus.worker.run_interval_ms: found '999', expected a whole number from 1000 "
      "to 60000 (ms)");
  EXPECT_EQ(ErrorsWith("databus.worker.run_interval_ms=60001\n"),
            "w.cfg:4: databus.worker.run_interval_ms: found '60001', expected a whole number from "
            "1000 to 60000 (ms)");
  EXPECT_EQ(ErrorsWith("databus.worker.copy_threads=four\n"),
            "w.cfg:4: databus.worker.copy_threads: found 'four', expected a whole number from 1 to "
            "256");
  EXPECT_EQ(ErrorsWith("databus.worker.retention_limit=delete\n"),
            "w.cfg:4: databus.worker.retention_limit: found 'delete', expected keep or drop");
  EXPECT_EQ(ErrorsWith("databus.http_port=\n"),
            "w.cfg:4: databus.http_port: found '', expected a whole number from 0 to 65535");
}

TEST(WorkerConfigError, BadClusterLists) {
  for (const std::string list : {"dc1,,dc2", "dc1,dc1", "a/b", "", "dc1,"}) {
    EXPECT_EQ(Errors("com.inmobi.databus.clusters=" + list +
                     "\ncom.inmobi.databus.cfg=f\ncom.inmobi.databus.enablezk=false\n"),
              "w.cfg:1: com.inmobi.databus.clusters: found '" + list +
                  "', expected cluster names separated by commas, each once, or ALL");
  }
}

}  // namespace
}  // namespace databus
