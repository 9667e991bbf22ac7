#include "collector/deliver/batches.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "collector/deliver/test_delivery_world.h"

namespace databus {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing_delivery::Entries;
using testing_delivery::Process;
using testing_delivery::World;

std::vector<std::vector<std::string>> MessagesOf(const std::vector<EntryList>& batches) {
  std::vector<std::vector<std::string>> messages;
  for (const EntryList& batch : batches) {
    messages.emplace_back();
    EXPECT_TRUE(ForEachEntry(batch.bytes(), [&](std::string_view, std::string_view message) {
                  messages.back().emplace_back(message);
                }).ok());
  }
  return messages;
}

class BatchesTest : public testing::Test {
 protected:
  BatchesTest() { process_.Start(); }

  // A cut of all that is in the spool, with the stream deferred; and the plan of its batches.
  void Plan(uint64_t bytes_max, const std::unordered_set<std::string_view>& streams = {"clicks"}) {
    std::vector<SpoolRange> ranges;
    std::vector<std::string> bytes;
    std::vector<RecordView> records;
    for (const UnsealedRange& unsealed : process_.spool->UnsealedRanges()) {
      ranges.push_back(unsealed.range);
      const auto read = process_.spool->Read(unsealed.range, 1 << 30, [&](const auto& record) {
        bytes.emplace_back(record.entries);
        records.push_back({record.range.segment, record.range.begin, {}});
      });
      ASSERT_TRUE(read.ok());
    }
    for (size_t i = 0; i < records.size(); ++i) records[i].entries = bytes[i];
    const BatchPlan plan = PlanBatches(records, streams, bytes_max);
    planned_ = plan.messages;
    note_.batches = plan.begins;
    for (const std::string_view stream : streams)
      note_.streams.push_back({std::string(stream), 1, {}});
    const auto cut = process_.spool->AddCut(ranges, {.deferred = note_.streams});
    ASSERT_TRUE(cut.ok());
    ranges_ = cut->ranges;
  }
  std::vector<std::vector<std::string>> Make(uint64_t from = 0) {
    const auto batches = MakeBatches(*process_.spool, ranges_, note_, from);
    EXPECT_TRUE(batches.ok()) << batches.status().ToString();
    return batches.ok() ? MessagesOf(*batches) : std::vector<std::vector<std::string>>();
  }

  World world_;
  Process process_{world_};
  HandOverNote note_;
  std::vector<SpoolRange> ranges_;
  uint64_t planned_ = 0;
};

TEST_F(BatchesTest, TheMessagesOfTheStreamsInTheOrderOfTheSpoolAndNoOthers) {
  process_.Log({{"clicks", "one"}, {"views", "no"}, {"clicks", "two"}});
  process_.Log({{"views", "no"}, {"orders", "three"}});
  Plan(1'000'000, {"clicks", "orders"});
  EXPECT_EQ(planned_, 3U);
  EXPECT_THAT(Make(), ElementsAre(ElementsAre("one", "two", "three")));
}

TEST_F(BatchesTest, ABatchHasItsSizeOrOneMessageAndMayBeginInTheMiddleOfARecord) {
  const std::string large(100, 'x');
  process_.Log({{"clicks", "a"}, {"clicks", "b"}, {"clicks", large}});
  process_.Log({{"clicks", "c"}, {"clicks", "d"}});
  Plan(60);
  EXPECT_THAT(Make(),
              ElementsAre(ElementsAre("a", "b"), ElementsAre(large), ElementsAre("c", "d")));
  EXPECT_THAT(Make(1), ElementsAre(ElementsAre(large), ElementsAre("c", "d")));
  EXPECT_THAT(Make(3), IsEmpty());
}

TEST_F(BatchesTest, TheyAreTheSameAfterARestart) {
  for (int i = 0; i < 20; ++i) {
    process_.Log({{"clicks", std::to_string(i)}, {"views", "no"}, {"clicks", "x"}});
  }
  Plan(70);
  const auto before = Make();
  EXPECT_GT(before.size(), 5U);
  process_.deliverer.reset();
  process_.spool.reset();
  process_.Start();
  EXPECT_EQ(Make(), before);
}

// What is set aside because the disk damaged it is missing; nothing moves to another batch.
TEST_F(BatchesTest, DamageBetweenTwoTimesMovesNoMessageToAnotherBatch) {
  for (int i = 0; i < 6; ++i) process_.Log({{"clicks", std::to_string(i)}, {"clicks", "x"}});
  Plan(50);
  const auto before = Make();
  process_.plan.Add({.verb = Verb::kRead,
                     .store_part = "disk",
                     .path_part = "data",
                     .fault = Fault::Flipped(note_.batches[1].offset + 40)});
  const auto after = Make();
  ASSERT_EQ(after.size(), before.size());
  for (size_t i = 0; i < after.size(); ++i) {
    if (!after[i].empty()) EXPECT_EQ(after[i], before[i]);
  }
}

TEST(HandOverNoteTest, ComesBackAsItWas) {
  const HandOverNote note{.receiver = {"::1", 1463},
                          .incarnation = "00000000000000ab",
                          .sender = 7,
                          .first = 3,
                          .acknowledged = 1,
                          .messages = 12,
                          .batches = {{1, 0, 0}, {1, 0, 4}, {2, 9, 0}},
                          .streams = {{"clicks", 5, WallTime(std::chrono::seconds(9))}}};
  EXPECT_EQ(*DecodeHandOverNote(EncodeHandOverNote(note)), note);
}

TEST(HandOverNoteTest, WhatIsNoneIsRefused) {
  const HandOverNote good{.receiver = {"h", 1}, .batches = {{1, 0, 0}}, .streams = {{"a", 1, {}}}};
  const std::string text = EncodeHandOverNote(good);
  ASSERT_TRUE(DecodeHandOverNote(text).ok());
  for (size_t cut = 0; cut < text.size(); ++cut) {
    EXPECT_EQ(DecodeHandOverNote(text.substr(0, cut)).code(), Code::kCorrupt) << cut;
  }
  EXPECT_EQ(DecodeHandOverNote(text + "x").code(), Code::kCorrupt);
  HandOverNote bad = good;
  bad.acknowledged = 2;
  EXPECT_EQ(DecodeHandOverNote(EncodeHandOverNote(bad)).code(), Code::kCorrupt);
  bad = good;
  bad.incarnation = "00000000000000ab";  // and no numbers
  EXPECT_EQ(DecodeHandOverNote(EncodeHandOverNote(bad)).code(), Code::kCorrupt);
  bad = good;
  bad.batches = {{2, 0, 0}, {1, 0, 0}};
  EXPECT_EQ(DecodeHandOverNote(EncodeHandOverNote(bad)).code(), Code::kCorrupt);
}

}  // namespace
}  // namespace databus
