#include "failover/loss.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "commit/minute_tree.h"
#include "failover/test_model.h"

namespace databus::failover {
namespace {

using testing::HasSubstr;
using What = LossLine::What;

class LossTest : public testing::Test {
 protected:
  LossTest() {
    seen_.mirrors[{"clicks", "dc2"}].newest = kTestMinute + (-5);
    seen_.mirrors[{"clicks", "dc3"}].newest = kTestMinute + (-3);
    seen_.mirrors[{"views", "dc2"}].newest = kTestMinute + (-5);
    seen_.mirrors[{"views", "dc3"}].newest = kTestMinute + (-5);
  }
  LossStatement State() const { return StateLoss(change_, "digest", seen_); }
  const LossLine& LineOf(const LossStatement& statement, What what,
                         const std::string& stream) const {
    return *std::ranges::find_if(statement.lines, [&](const LossLine& line) {
      return line.what == what && line.stream == stream;
    });
  }

  TestModel model_;
  Observation seen_ = model_.See();
  RoleChange change_ = TakeAway(TestBase(), "dc1", "dc2", {});
};

TEST_F(LossTest, TheCutIsTheNewestMinuteThatAnyClusterInReachHas) {
  const Cuts cuts = CutsOf(change_, seen_);
  EXPECT_EQ(cuts.at("clicks"), kTestMinute + (-3)) << "dc3 has more than the new primary";
  EXPECT_EQ(cuts.at("views"), kTestMinute + (-5));
  seen_.mirrors[{"clicks", "dc3"}].newest.reset();
  seen_.mirrors[{"clicks", "dc2"}].newest.reset();
  EXPECT_EQ(CutsOf(change_, seen_).at("clicks"), kFirstMinute.Next()) << "all of it is divergent";
}

TEST_F(LossTest, EveryStreamAndEveryCollectorOfTheLostClusterHasItsLines) {
  SeenCollector& collector = seen_.collectors.front();
  ASSERT_EQ(collector.cluster, "dc1");
  collector.spool_bytes = 4096;
  collector.lag = std::chrono::seconds(7);
  const LossStatement statement = State();
  ASSERT_EQ(statement.lines.size(), 8U);
  const LossLine& stays = LineOf(statement, What::kLocal, "orders");
  EXPECT_EQ(stays.holder, "dc2") << "its primary stays, but dc1 was a source";
  EXPECT_THAT(DescribeLoss(stays), HasSubstr("not merged at dc2 in time"));
  const LossLine& minutes = LineOf(statement, What::kMinutes, "clicks");
  EXPECT_EQ(minutes.after, kTestMinute + (-3));
  EXPECT_EQ(minutes.holder, "dc3");
  EXPECT_EQ(minutes.age, seen_.now - (kTestMinute + (-3)).End());
  EXPECT_EQ(LineOf(statement, What::kMinutes, "views").holder, "dc2") << "it wins a tie";
  EXPECT_EQ(LineOf(statement, What::kLocal, "views").after, kTestMinute + (-5));
  const LossLine& spool = statement.lines[6];
  EXPECT_EQ(spool.collector, "dc1/c1");
  EXPECT_EQ(spool.spool_bytes, 4096U);
  EXPECT_THAT(DescribeLoss(spool), HasSubstr("4096 bytes in its spool"));
  EXPECT_EQ(statement.lines.back().collector, "dc1/*") << "who delivers is heard of there only";
  EXPECT_THAT(DescribeLoss(statement.lines.back()),
              HasSubstr("what any that is not named here keeps in its spool is not known"));
}

TEST_F(LossTest, WhatOthersHadQueuedForItIsNotAtRisk) {
  seen_.trees["dc2"].flow["clicks"].to_merge = {{"dc1", 3}, {"dc3", 9}};
  seen_.trees["dc3"].flow["views"].to_merge = {{"dc1", 2}};
  seen_.trees["dc1"].flow["clicks"].to_merge = {{"dc1", 100}};
  EXPECT_EQ(State().merged_anew, 5U);
}

TEST_F(LossTest, TheIdStaysWhileNothingMoreIsCopiedAndChangesWhenItIs) {
  const std::string id = State().id;
  seen_.now += std::chrono::minutes(3);
  EXPECT_EQ(State().id, id);
  seen_.mirrors[{"views", "dc3"}].newest = kTestMinute;
  EXPECT_NE(State().id, id);
  EXPECT_NE(StateLoss(change_, "another topology", seen_).id, id);
}

TEST_F(LossTest, WhatIsWrittenIsRead) {
  const LossStatement statement = State();
  const auto json = LossToJson(statement);
  const auto read = LossFromJson(nlohmann::ordered_json::parse(json.dump()));
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_EQ(LossToJson(*read), json);
  EXPECT_EQ(LossFromJson(nullptr).code(), Code::kCorrupt);
  EXPECT_EQ(LossFromJson({{"lines", {{{"what", "gossip"}}}}}).code(), Code::kCorrupt);
}

}  // namespace
}  // namespace databus::failover
