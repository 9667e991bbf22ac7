#include "collector/config/reload.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace databus {
namespace {

using testing::HasSubstr;

constexpr char kConf[] = R"(port=1463
databus.http_port=9101
<store>
category=default
type=buffer
<primary>
type=file
file_path=/srv/dc1/data
sub_directory=c1
max_size=1000000
</primary>
<secondary>
type=file
file_path=/spool/c1
max_size=2000000
</secondary>
</store>
)";

CollectorConfig Config(const std::string& from = "", const std::string& to = "") {
  std::string text = kConf;
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  auto config = ParseScribeConf(text.replace(at, from.size(), to), "s.conf");
  EXPECT_TRUE(config.ok()) << config.status().ToString();
  return config.ok() ? *std::move(config) : CollectorConfig();
}

RunningCollector Running(const std::string& host = "h1") {
  return {host, "c1", *CollectorCluster(Config())};
}

// To another collector instead of the cluster.
CollectorConfig Redirected(const std::string& spool = "/spool/c1") {
  const std::string primary =
      "type=file\nfile_path=/srv/dc1/data\nsub_directory=c1\nmax_size=1000000";
  CollectorConfig config = Config(primary, "type=network\nremote_host=h2\nremote_port=1463");
  config.spool_directory = spool;
  return config;
}

std::string Refusal(const std::string& from, const std::string& to) {
  const Status checked = CheckReload(Config(), Config(from, to), Running());
  EXPECT_EQ(checked.code(), Code::kInvalid) << from << " -> " << to;
  return checked.message();
}

TEST(ReloadTest, WhatOnlyARestartChangesIsRefusedWithFileLineAndKey) {
  EXPECT_EQ(Refusal("port=1463", "port=1464"),
            "s.conf:1: port: found 1464, expected 1463, as it was at the start: restart needed");
  EXPECT_THAT(Refusal("9101", "9102"), HasSubstr("s.conf:2: databus.http_port: found 9102"));
  EXPECT_THAT(Refusal("/srv/dc1/data", "/srv/dc2/data"),
              HasSubstr("s.conf:8: file_path: found file:///srv/dc2/data, expected "
                        "file:///srv/dc1/data"));
  EXPECT_THAT(Refusal("sub_directory=c1", "sub_directory=c2"),
              HasSubstr("s.conf:9: sub_directory: found c2, expected c1"));
  EXPECT_THAT(Refusal("sub_directory=c1", "use_hostname_sub_directory=yes"),
              HasSubstr("s.conf:9: sub_directory: found h1, expected c1"));
  EXPECT_THAT(Refusal("/spool/c1", "/spool/c9"),
              HasSubstr("s.conf:14: file_path: found /spool/c9"));
  EXPECT_THAT(Refusal("2000000", "3000000"), HasSubstr("s.conf:15: max_size: found 3000000"));
}

TEST(ReloadTest, EveryReasonIsNamedAtOnce) {
  CollectorConfig next = Config("port=1463", "port=1464");
  next.spool_directory = "/elsewhere";
  const Status checked = CheckReload(Config(), next, Running());
  EXPECT_THAT(checked.message(), HasSubstr("port: found 1464"));
  EXPECT_THAT(checked.message(), HasSubstr("\ns.conf:14: file_path: found /elsewhere"));
}

TEST(ReloadTest, TheRestMayChange) {
  for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{
           {"category=default", "category=clicks"},
           {"type=buffer", "type=buffer\nretry_interval=1\nbuffer_send_rate=7"},
           {"max_size=1000000", "max_size=5000\nrotate_period=1s\nadd_newlines=1"},
           {"port=1463", "port=1463\nmax_queue_size=9\ndatabus.collector.compress=no"},
           {"port=1463", "port=1463\ndatabus.collector.allow=::1\ncheck_interval=9"},
           {"sub_directory=c1", "use_hostname_sub_directory=no\nsub_directory=c1"},
           {"<store>", "\n\n<store>"}}) {
    const Status checked = CheckReload(Config(), Config(from, to), Running());
    EXPECT_TRUE(checked.ok()) << checked.ToString();
  }
  EXPECT_TRUE(CheckReload(Config(), Config("sub_directory=c1", "use_hostname_sub_directory=yes"),
                          Running("c1"))
                  .ok())
      << "another rule, the same name";
}

TEST(ReloadTest, MessagesMayGoToAnotherCollectorForAWhile) {
  EXPECT_TRUE(CheckReload(Config(), Redirected(), Running()).ok());
  EXPECT_TRUE(CheckReload(Redirected(), Config(), Running()).ok()) << "and back";
  EXPECT_THAT(
      CheckReload(Redirected(), Config("/srv/dc1/data", "/srv/dc2/data"), Running()).message(),
      HasSubstr("s.conf:8: file_path: found file:///srv/dc2/data, expected file:///srv/dc1/data"));
  EXPECT_THAT(CheckReload(Redirected(), Config(), {"h1", "c1", ""}).message(),
              HasSubstr("expected no cluster"));
  EXPECT_THAT(CheckReload(Config(), Redirected("/spool/x"), Running()).message(),
              HasSubstr("found /spool/x"));
}

TEST(ReloadTest, OneCollectorDeliversIntoOneCluster) {
  EXPECT_EQ(*CollectorCluster(Config()), "file:///srv/dc1");
  EXPECT_EQ(*CollectorCluster(Redirected()), "");
  CollectorConfig two = Config();
  two.stores.push_back(two.stores.front());
  std::get<ClusterPrimary>(two.stores.back().primary).root_url = "file:///srv/dc2";
  EXPECT_EQ(CollectorCluster(two).status().message(),
            "s.conf:8: file_path: found file:///srv/dc2/data, expected file:///srv/dc1/data: one "
            "collector delivers into one cluster");
}

// docs/settings.md says of each setting when a change is taken.
TEST(ReloadTest, TheSettingsThatAreRefusedAreThoseThatTheTableSays) {
  std::set<std::pair<SettingPlace, std::string_view>> restart;
  for (const SettingSpec& spec : CollectorSettings()) {
    if (spec.applies == SettingApplies::kRestart) restart.insert({spec.place, spec.name});
  }
  using Place = SettingPlace;
  EXPECT_EQ(restart, (std::set<std::pair<Place, std::string_view>>{
                         {Place::kScribeGlobal, "port"},
                         {Place::kScribeGlobal, "databus.http_port"},
                         {Place::kScribePrimaryFile, "file_path"},
                         {Place::kScribePrimaryFile, "sub_directory"},
                         {Place::kScribePrimaryFile, "use_hostname_sub_directory"},
                         {Place::kScribeSecondary, "file_path"},
                         {Place::kScribeSecondary, "max_size"}}));
}

TEST(ReloadTest, AnAllowListIsReadAndABadOneRefused) {
  EXPECT_FALSE(Config().allow);
  const CollectorConfig config =
      Config("port=1463", "port=1463\ndatabus.collector.allow=10.0.0.0/8, ::1");
  ASSERT_TRUE(config.allow);
  EXPECT_EQ(config.allow->ToString(), "10.0.0.0/8,::1");
  for (const char* bad : {"", "10.0.0.1/8", "localhost", "10.0.0.0/8,"}) {
    const std::string text = std::string("databus.collector.allow=") + bad + "\n" + kConf;
    const auto refused = ParseScribeConf(text, "s.conf");
    EXPECT_THAT(refused.status().message(), HasSubstr("s.conf:1: databus.collector.allow: found '" +
                                                      std::string(bad) + "', expected addresses"));
  }
}

}  // namespace
}  // namespace databus
