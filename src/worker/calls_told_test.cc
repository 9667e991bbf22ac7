// What a worker has asked of name nodes, as its heartbeat and its metrics tell it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "telemetry/heartbeat.h"
#include "worker/test_installation.h"

namespace databus {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

class CallsToldTest : public ::testing::Test {
 protected:
  void SetUp() override {
    WorkerConfig config;
    config.clusters = {"dc1"};
    config.copy_threads = 1;
    worker_ = *Worker::Create({world_.clock,
                               *world_.random,
                               [&](const ClusterSpec& spec) -> Result<std::unique_ptr<Storage>> {
                                 return std::unique_ptr<Storage>(
                                     std::make_unique<FaultStorage>(world_.at(spec.name), plan_));
                               },
                               [](const ClusterSpec&) { return Status::Ok(); },
                               {},
                               &calls_},
                              config, Obeyed(TestTopology()), {"host", 1}, AdoptTree::kNo);
    ASSERT_TRUE(dc1().Prepare().ok());
    dc1().LeaseStep();
  }
  ClusterWorker& dc1() { return *worker_->clusters()[0]; }
  // Runs once, which asks for so much, and says so.
  void Run(uint64_t asked) {
    dc1().LocalStep();
    dc1().StreamsStep();
    for (uint64_t i = 0; i < asked; ++i) calls_.Add("hdfs://nn1/dc1", "getListing");
    dc1().BeatStep();
  }
  nlohmann::ordered_json Told() {
    const std::string path = paths::StatusFile("worker-dc1");
    const auto beat = DecodeHeartbeat(*world_.at("dc1").ReadFile(path), path);
    return beat->facts.contains("storage_calls") ? beat->facts["storage_calls"]
                                                 : nlohmann::ordered_json();
  }

  Installation world_;
  FaultPlan plan_;
  StorageCalls calls_;
  std::unique_ptr<Worker> worker_;
};

TEST_F(CallsToldTest, NothingIsToldWhereNothingIsCounted) {
  Run(0);
  EXPECT_TRUE(Told().is_null());
}

TEST_F(CallsToldTest, ByKindAndForARunThatPublishesNothingAndForAFile) {
  Run(10);
  EXPECT_EQ(Told()["by_tree"]["hdfs://nn1/dc1"]["getListing"], 10);
  EXPECT_FALSE(Told().contains("per_idle_run")) << "one look tells nothing";
  for (int i = 0; i < 3; ++i) Run(8);
  EXPECT_EQ(Told()["per_idle_run"], 8.0);
  EXPECT_FALSE(Told().contains("per_file"));
  world_.Deliver("dc1", "clicks", "c1");
  Run(8 + 2 * 5);  // published in the local view, and merged
  EXPECT_EQ(Told()["per_file"], 5.0);
  EXPECT_EQ(Told()["per_idle_run"], 8.0);
  EXPECT_EQ(Told()["by_tree"]["hdfs://nn1/dc1"]["getListing"], 52);
}

TEST_F(CallsToldTest, TheMetricCountsUp) {
  Metrics metrics;
  worker_->Expose(metrics);
  EXPECT_THAT(metrics.Expose(), Not(HasSubstr("hdfs://nn1/dc1")));
  for (const int i : {1, 2}) {
    Run(3);
    worker_->Expose(metrics);
    EXPECT_THAT(metrics.Expose(),
                ContainsRegex("storage_calls_total\\{[^}]*hdfs://nn1/dc1[^}]*\\} " +
                              std::to_string(3 * i)));
  }
}

}  // namespace
}  // namespace databus
