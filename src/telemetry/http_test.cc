#include "telemetry/http.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>

namespace databus {
namespace {

using testing::HasSubstr;

struct Endpoint {
  std::optional<std::string> why_not;
  std::unique_ptr<HttpEndpoint> http;

  Endpoint() {
    auto started = HttpEndpoint::Start(0, {.metrics = [] { return "databus_x_total 1\n"; },
                                           .why_not_ready = [this] { return why_not; }});
    EXPECT_TRUE(started.ok()) << started.status().ToString();
    http = std::move(started).value();
  }
  httplib::Result Get(const char* path) {
    return httplib::Client("127.0.0.1", http->port()).Get(path);
  }
};

TEST(HttpTest, MetricsAreServed) {
  Endpoint endpoint;
  const auto reply = endpoint.Get("/metrics");
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->status, 200);
  EXPECT_EQ(reply->body, "databus_x_total 1\n");
}

TEST(HttpTest, AProcessThatIsNotReadyIsHealthyAndSaysWhatItWaitsFor) {
  Endpoint endpoint;
  endpoint.why_not = "waiting for the lease of dc1/local/3, held by worker-b";
  EXPECT_EQ(endpoint.Get("/healthz")->status, 200);
  EXPECT_EQ(endpoint.Get("/readyz")->status, 503);
  EXPECT_THAT(endpoint.Get("/readyz")->body, HasSubstr("held by worker-b"));
  endpoint.why_not.reset();
  EXPECT_EQ(endpoint.Get("/readyz")->status, 200);
}

TEST(HttpTest, AnotherPathIsNotFound) {
  Endpoint endpoint;
  EXPECT_EQ(endpoint.Get("/etc/passwd")->status, 404);
}

TEST(HttpTest, APortInUseIsRefusedAndNamed) {
  Endpoint endpoint;
  const auto second = HttpEndpoint::Start(endpoint.http->port(), {});
  EXPECT_EQ(second.code(), Code::kRefused);
  EXPECT_THAT(second.status().message(), HasSubstr(std::to_string(endpoint.http->port())));
  EXPECT_THAT(second.status().message(), HasSubstr("databus.http_port"));
}

}  // namespace
}  // namespace databus
