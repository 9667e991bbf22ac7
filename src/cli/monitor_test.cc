#include "cli/monitor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>

#include "base/random.h"
#include "cli/demo/free_ports.h"
#include "net/network.h"

namespace databus {
namespace {

using testing::HasSubstr;

constexpr MetricSpec kRuns{.name = "databus_test_runs_total", .doc = "Runs of a test."};

TEST(MonitorTest, AServiceThatTakesAnothersPlaceCountsFromNothing) {
  Monitor monitor;
  const int port = *FreePorts(TcpNetwork(), SystemRandom()).Next();
  ASSERT_TRUE(monitor.Open(port).ok());
  const auto metrics = [port] {
    const auto got = httplib::Client("127.0.0.1", port).Get("/metrics");
    return got ? got->body : "";
  };
  monitor.Serve([](Metrics& served) { served.CountUpTo(kRuns, {}, 100); }, {});
  EXPECT_THAT(metrics(), HasSubstr("databus_test_runs_total 100\n"));
  monitor.Serve({}, {});
  EXPECT_THAT(metrics(), HasSubstr("databus_test_runs_total 100\n")) << "between the two";
  monitor.Serve([](Metrics& served) { served.CountUpTo(kRuns, {}, 2); }, {});
  EXPECT_THAT(metrics(), HasSubstr("databus_test_runs_total 2\n"));
}

}  // namespace
}  // namespace databus
