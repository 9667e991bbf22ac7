#include "cli/own_heartbeats.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace databus {
namespace {

using std::chrono::seconds;
using testing::IsEmpty;
using testing::SizeIs;

Heartbeat Beat(const std::string& process, seconds written) {
  Heartbeat beat;
  beat.process = process;
  beat.written = WallTime(written);
  return beat;
}

std::vector<ClusterReport> Clusters() {
  std::vector<ClusterReport> clusters(2);
  clusters[0].name = "dc1";
  clusters[1].name = "dc2";
  return clusters;
}

TEST(OwnHeartbeats, ACollectorIsShownOnceWithItsNewestHeartbeat) {
  for (const seconds elsewhere : {seconds(4), seconds(6)}) {
    std::vector<ClusterReport> clusters = Clusters();
    clusters[0].processes = {Beat("collector-c1", seconds(5))};
    clusters[1].processes = {Beat("worker-dc2", seconds(1)), Beat("collector-c1@dc1", elsewhere)};
    SortByOwnCluster(clusters);
    ASSERT_THAT(clusters[0].processes, SizeIs(1));
    EXPECT_EQ(clusters[0].processes[0].process, "collector-c1");
    EXPECT_EQ(clusters[0].processes[0].written, WallTime(std::max(elsewhere, seconds(5))));
    ASSERT_THAT(clusters[1].processes, SizeIs(1));
    EXPECT_EQ(clusters[1].processes[0].process, "worker-dc2");
  }
}

TEST(OwnHeartbeats, WhileItsClusterIsAwayTheOthersTellOfIt) {
  std::vector<ClusterReport> clusters = Clusters();
  clusters[0].away = "unmounted";
  clusters[1].processes = {Beat("collector-c1@dc1", seconds(5))};
  SortByOwnCluster(clusters);
  EXPECT_THAT(clusters[0].processes, SizeIs(1));
  EXPECT_THAT(clusters[1].processes, IsEmpty());
}

TEST(OwnHeartbeats, OfAClusterThatNobodyKnowsItStaysWhereItWasFound) {
  std::vector<ClusterReport> clusters = Clusters();
  clusters[1].processes = {Beat("collector-c1@dc9", seconds(5))};
  SortByOwnCluster(clusters);
  ASSERT_THAT(clusters[1].processes, SizeIs(1));
  EXPECT_EQ(clusters[1].processes[0].process, "collector-c1@dc9");
}

}  // namespace
}  // namespace databus
