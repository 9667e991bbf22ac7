// What a worker tells of the topology that it obeys, for alerts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "worker/test_installation.h"

namespace databus {
namespace {

using ::testing::HasSubstr;

std::string Exposed(std::shared_ptr<const ObeyedTopology> obeyed) {
  Installation world;
  WorkerConfig config;
  config.clusters = {"dc1"};
  const WorkerSeams seams{world.clock, *world.random,
                          [](const ClusterSpec&) -> Result<std::unique_ptr<Storage>> {
                            return Status(Code::kUnavailable, "away");
                          },
                          [](const ClusterSpec&) { return Status::Ok(); }};
  const auto worker = Worker::Create(seams, config, std::move(obeyed), {"host", 1}, AdoptTree::kNo);
  EXPECT_TRUE(worker.ok()) << worker.status().ToString();
  Metrics metrics;
  (*worker)->Expose(metrics);
  return metrics.Expose();
}

TEST(ExposeTest, AWorkerTellsItsEpochAndThatNothingIsFrozen) {
  const std::string text = Exposed(Obeyed(TestTopology()));
  EXPECT_THAT(text, HasSubstr("databus_worker_topology_epoch 1\n"));
  EXPECT_THAT(text, HasSubstr("databus_worker_topology_conflicts 0\n"));
  EXPECT_THAT(text, HasSubstr("databus_worker_frozen_streams 0\n"));
}

TEST(ExposeTest, AWorkerTellsConflictsAndFrozenStreams) {
  Topology topology = TestTopology();
  topology.streams[0].publication = Publication::kFrozen;
  ObeyedTopology obeyed = *Obeyed(topology);
  obeyed.conflicts = {"dc2 has stored another epoch 2"};
  const std::string text = Exposed(std::make_shared<const ObeyedTopology>(std::move(obeyed)));
  EXPECT_THAT(text, HasSubstr("databus_worker_topology_conflicts 1\n"));
  EXPECT_THAT(text, HasSubstr("databus_worker_frozen_streams 1\n"));
}

}  // namespace
}  // namespace databus
