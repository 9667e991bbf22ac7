#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "cli/demo/hop_watch.h"
#include "cli/demo/input.h"
#include "cli/demo/sequence_check.h"
#include "cli/test_world.h"
#include "storage/test_directory.h"

namespace databus {
namespace {

using testing::HasSubstr;

const Minute kMinute = *Minute::ParseIso("2031-05-06T10:04Z");
const DemoSource kSource{"clicks", "c1"};

DemoInput MakeInput() {
  const TestDirectory directory;
  const std::string file = paths::Join(directory.path(), "input");
  std::ofstream(file) << "alpha\n\nbeta gamma\r\n";
  return *DemoInput::Open(file);
}

class SequenceCheckTest : public testing::Test {
 protected:
  void Publish(const std::string& cluster, View view, std::vector<uint64_t> numbers,
               const std::string& more = "") {
    std::string text;
    for (const uint64_t number : numbers) text += input_.Message(kSource, number) + "\n";
    ++counter_;
    const Status put = world_.Put(cluster, TestWorld::PathIn(view, kMinute, cluster, counter_),
                                  TestWorld::Sealed(cluster, counter_, text + more));
    ASSERT_TRUE(put.ok()) << put.ToString();
  }

  // The results of the local, the merged and the mirrored stream.
  std::vector<SequenceResult> Check(uint64_t sent, uint64_t acknowledged) {
    Seams seams = world_.MakeSeams();
    auto results = CheckSequences(*ParseTopology(kTestTopology, "databus.xml"), input_,
                                  {{kSource, sent, acknowledged, 0, 0}}, seams);
    EXPECT_TRUE(results.ok()) << results.status().ToString();
    return *results;
  }

  TestWorld world_;
  const DemoInput input_ = MakeInput();
  uint64_t counter_ = 0;
};

TEST_F(SequenceCheckTest, ALocalStreamIsThatOfAllClustersTogether) {
  Publish("dc1", View::kLocal, {1, 2});
  Publish("dc2", View::kLocal, {3});
  const SequenceResult local = Check(3, 3)[0];
  EXPECT_TRUE(local.Clean()) << local.example;
  EXPECT_EQ(local.seen, 3u);
}

TEST_F(SequenceCheckTest, AMissingNumberIsLost) {
  Publish("dc1", View::kMerged, {1, 3});
  const SequenceResult merged = Check(3, 3)[1];
  EXPECT_EQ(merged.lost, 1u);
  EXPECT_THAT(merged.example, HasSubstr("number 2"));
  EXPECT_EQ(Check(3, 3)[2].lost, 3u) << "nothing was mirrored";
}

TEST_F(SequenceCheckTest, ACopyInAnotherFileIsDoubled) {
  Publish("dc1", View::kMerged, {1, 2});
  Publish("dc1", View::kMerged, {2, 3, 2});
  const SequenceResult merged = Check(3, 3)[1];
  EXPECT_EQ(merged.doubled, 2u);
  EXPECT_EQ(merged.lost, 0u);
  EXPECT_FALSE(merged.Clean());
}

TEST_F(SequenceCheckTest, ALineThatNobodySentIsStrange) {
  Publish("dc1", View::kMerged, {1, 2}, "clicks c1 3 other text\nclicks c1 99 alpha\ntorn");
  const SequenceResult merged = Check(2, 2)[1];
  EXPECT_EQ(merged.strange, 3u);
  EXPECT_FALSE(merged.Clean());
}

TEST_F(SequenceCheckTest, WhatWasNotAcknowledgedMayBeThereOnceOrNot) {
  Publish("dc1", View::kMerged, {1, 2});
  EXPECT_TRUE(Check(3, 2)[1].Clean());
  Publish("dc1", View::kMerged, {3});
  EXPECT_TRUE(Check(3, 2)[1].Clean());
  Publish("dc1", View::kMerged, {3});
  EXPECT_EQ(Check(3, 2)[1].doubled, 1u);
}

TEST_F(SequenceCheckTest, AHopCountsAFileOnceHoweverOftenItIsLookedAt) {
  Seams seams = world_.MakeSeams();
  const Topology topology = *ParseTopology(kTestTopology, "databus.xml");
  HopWatch watch(topology, seams);
  Publish("dc1", View::kMerged, {1, 2});
  watch.Look();
  Publish("dc1", View::kMerged, {3});
  watch.Look();
  watch.Look();
  EXPECT_EQ(watch.Count("clicks", Hop::kMerged).messages, 3u);
  EXPECT_EQ(watch.Count("clicks", Hop::kMirror).messages, 0u);
  EXPECT_EQ(watch.Count("clicks", Hop::kMerged).lags_ms.size(), 2u);
}

TEST(LagTest, AShareOfLagsIsTheLagThatThatShareStaysWithin) {
  EXPECT_EQ(LagAt({}, 0.5), 0);
  EXPECT_EQ(LagAt({30, 10, 20}, 0.5), 20);
  EXPECT_EQ(LagAt({30, 10, 20}, 1), 30);
}

}  // namespace
}  // namespace databus
