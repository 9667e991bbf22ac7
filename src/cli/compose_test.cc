#include "cli/compose.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/test_world.h"
#include "telemetry/http.h"

namespace databus {
namespace {

using testing::HasSubstr;

constexpr const char* kConfig =
    "com.inmobi.databus.clusters=dc1\n"
    "com.inmobi.databus.cfg=databus.xml\n"
    "com.inmobi.databus.enablezk=false\n";

TEST(ComposeTest, AWorkerThatIsToldToStopEndsCleanly) {
  TestWorld world;
  StopFlag stop;
  stop.Stop();
  Seams seams = world.MakeSeams();
  const Status run = RunWorker(seams, {"databus.cfg", kConfig}, {}, stop);
  EXPECT_TRUE(run.ok()) << run.ToString();
}

TEST(ComposeTest, APortInUseIsSaidBeforeAnythingStarts) {
  TestWorld world;
  const auto taken = HttpEndpoint::Start(
      0, {.metrics = [] { return std::string(); }, .why_not_ready = [] { return std::nullopt; }});
  ASSERT_TRUE(taken.ok());
  StopFlag stop;
  stop.Stop();
  Seams seams = world.MakeSeams();
  const std::string config =
      kConfig + std::string("databus.http_port=") + std::to_string((*taken)->port()) + "\n";
  const Status run = RunWorker(seams, {"databus.cfg", config}, {}, stop);
  EXPECT_EQ(run.code(), Code::kRefused);
  EXPECT_THAT(run.message(), HasSubstr("databus.http_port"));
}

TEST(ComposeTest, ARefusedConfigurationTouchesNothing) {
  TestWorld world;
  StopFlag stop;
  Seams seams = world.MakeSeams();
  EXPECT_EQ(RunWorker(seams, {"databus.cfg", "x=1\n"}, {}, stop).code(), Code::kInvalid);
  ReloadFlag reload;
  EXPECT_EQ(RunCollector(seams, {"scribe.conf", "port=x\n"}, stop, reload).code(), Code::kInvalid);
}

}  // namespace
}  // namespace databus
