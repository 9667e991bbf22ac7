#include "cluster/route.h"

#include <gtest/gtest.h>

namespace databus {
namespace {

TEST(Route, EndpointsAreNamesOrAddressesWithAPort) {
  for (const std::string_view good : {"h1:1463", "10.0.0.1:1", "[::1]:65535", "a-b.example:80"}) {
    const auto endpoint = Endpoint::Parse(good);
    ASSERT_TRUE(endpoint.has_value()) << good;
    EXPECT_EQ(endpoint->ToString(), good);
  }
  EXPECT_EQ(Endpoint::Parse("[::1]:7")->host, "::1");
  for (const std::string_view bad :
       {"", "h1", "h1:", ":1463", "h1:0", "h1:65536", "::1:7", "h 1:7", "h1:7x", "[]:7"}) {
    EXPECT_FALSE(Endpoint::Parse(bad).has_value()) << bad;
  }
}

TEST(Route, ModesHaveOneNameEach) {
  for (const DeliveryMode mode :
       {DeliveryMode::kDeliver, DeliveryMode::kSpool, DeliveryMode::kRedirect}) {
    EXPECT_EQ(ParseDeliveryMode(DeliveryModeName(mode)), mode);
  }
  EXPECT_FALSE(ParseDeliveryMode("Deliver").has_value());
}

}  // namespace
}  // namespace databus
