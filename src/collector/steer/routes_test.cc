#include "collector/steer/routes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace databus {
namespace {

using testing::ElementsAre;

ConfigSnapshot Config(const std::string& primary) {
  auto config = ParseScribeConf(
      "port=1463\n<store>\ncategory=default\ntype=buffer\n<primary>\n" + primary +
          "</primary>\n<secondary>\ntype=file\nfile_path=/spool/c1\n</secondary>\n</store>\n"
          "<store>\ncategory=agent*\ntype=buffer\n<primary>\ntype=network\nremote_host=hub\n"
          "remote_port=1464\n</primary>\n<secondary>\ntype=file\nfile_path=/spool/c1\n"
          "</secondary>\n</store>\n",
      "scribe.conf");
  EXPECT_TRUE(config.ok()) << config.status().ToString();
  return std::make_shared<const CollectorConfig>(*std::move(config));
}
ConfigSnapshot IntoCluster() { return Config("type=file\nfile_path=/srv/dc1/data\n"); }
ConfigSnapshot IntoNetwork() { return Config("type=network\nremote_host=h2\nremote_port=1463\n"); }

Orders By(std::vector<ModeRule> modes, std::vector<std::string> conflicts = {}) {
  auto obeyed = std::make_shared<ObeyedTopology>();
  obeyed->epoch.stored.modes = std::move(modes);
  obeyed->conflicts = std::move(conflicts);
  return {obeyed, "dc1", {{"dc2", {{"h3", 1463}, {"h4", 1463}}}}};
}

TEST(RoutesTest, WithoutRulesAStreamGoesByItsStore) {
  const Routes routes(IntoCluster(), {});
  EXPECT_EQ(routes.Of("clicks"), Route{DeliveryMode::kDeliver});
  EXPECT_EQ(routes.Of("agent_log"), (Route{DeliveryMode::kRedirect, {{"hub", 1464}}}));
  EXPECT_FALSE(routes.only_redirects());
  EXPECT_TRUE(Routes(IntoNetwork(), {}).only_redirects());
}

TEST(RoutesTest, AStreamsOwnRuleGoesBeforeTheClustersAndBothBeforeTheStore) {
  const Routes routes(IntoCluster(), By({{"dc1", "", DeliveryMode::kRedirect, "dc2"},
                                         {"dc1", "clicks", DeliveryMode::kSpool},
                                         {"dc2", "orders", DeliveryMode::kSpool}}));
  EXPECT_EQ(routes.Of("clicks").mode, DeliveryMode::kSpool);
  EXPECT_EQ(routes.Of("orders"), (Route{DeliveryMode::kRedirect, {{"h3", 1463}, {"h4", 1463}}}));
  EXPECT_EQ(routes.Of("agent_log").receivers.size(), 2U) << "the stored topology beats scribe.conf";
  EXPECT_FALSE(routes.only_redirects());
}

TEST(RoutesTest, ReceiversThatARuleNamesAreTheOnlyOnes) {
  const Routes routes(IntoCluster(),
                      By({{"dc1", "", DeliveryMode::kRedirect, "dc2", {{"h9", 99}}}}));
  EXPECT_THAT(routes.Of("clicks").receivers, ElementsAre(Endpoint{"h9", 99}));
  EXPECT_TRUE(routes.only_redirects());
}

TEST(RoutesTest, ARedirectToAClusterWithoutLivingCollectorsHasNobodyToGoTo) {
  const Routes routes(IntoCluster(), By({{"dc1", "", DeliveryMode::kRedirect, "dc3"}}));
  EXPECT_EQ(routes.Of("clicks"), Route{DeliveryMode::kRedirect});
}

TEST(RoutesTest, NothingIsRedirectedWhileTheTopologyIsInConflict) {
  const Routes routes(IntoCluster(),
                      By({{"dc1", "", DeliveryMode::kRedirect, "dc2"}}, {"dc2 says otherwise"}));
  EXPECT_EQ(routes.Of("clicks"), Route{DeliveryMode::kSpool});
}

TEST(RoutesTest, RulesOfOtherClustersSteerNobodyHere) {
  Orders orders = By({{"dc2", "", DeliveryMode::kSpool}});
  EXPECT_FALSE(orders.Steer());
  EXPECT_EQ(Routes(IntoCluster(), orders).Of("clicks").mode, DeliveryMode::kDeliver);
  orders = By({{"dc1", "", DeliveryMode::kSpool}});
  orders.cluster.clear();  // we are not in the topology
  EXPECT_EQ(Routes(IntoCluster(), orders).Of("clicks").mode, DeliveryMode::kDeliver);
}

TEST(RoutesTest, ARuleToDeliverBeatsANetworkStore) {
  const Routes routes(IntoNetwork(), By({{"dc1", "clicks", DeliveryMode::kDeliver}}));
  EXPECT_EQ(routes.Of("clicks").mode, DeliveryMode::kDeliver);
  EXPECT_EQ(routes.Of("orders").mode, DeliveryMode::kRedirect);
  EXPECT_FALSE(routes.only_redirects());
}

}  // namespace
}  // namespace databus
