#include "failover/journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/crc32c.h"
#include "control/purge_history.h"
#include "failover/journal_json.h"
#include "failover/test_model.h"

namespace databus::failover {
namespace {

using testing::HasSubstr;

Journal Example() {
  StoredTopology base = TestBase();
  base.modes = {{"dc3", "logs", DeliveryMode::kRedirect, "", {{"h1", 1463}}}};
  Journal journal;
  journal.kind = Kind::kFailback;
  journal.step = Step::kMirror;
  journal.started = kTestNow;
  journal.step_since = kTestNow + std::chrono::seconds(3);
  journal.driver = "h1:77";
  journal.token = "0123456789abcdef";
  journal.change = TakeAway(base, "dc1", "dc2", {{"::1", 99}});
  journal.id = JournalId(journal.started, journal.kind, journal.change);
  journal.revision = 7;
  journal.base_epoch = 4;
  journal.base_digest = "aa";
  journal.without = {"dc3/c1"};
  journal.expected = {{Step::kSpool, Milliseconds(5'000)}, {Step::kMirror, Milliseconds(42)}};
  journal.epochs = {{Step::kSpool, 5, "bb"}, {Step::kFreeze, 6, "cc"}};
  journal.cuts = {{"clicks", kTestMinute}, {"views", std::nullopt}};
  journal.swapped = kTestNow + std::chrono::seconds(9);
  journal.undoes = "another";
  journal.loss = {{"loss_id", "1"}};
  journal.report = {{"equal", true}};
  journal.Note(kTestNow, "what \"happened\" \xff");
  return journal;
}

TEST(JournalTest, WhatIsWrittenIsRead) {
  const Journal journal = Example();
  const auto read = Journal::Decode(journal.Encode(), "j");
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_EQ(read->change, journal.change);
  EXPECT_EQ(read->cuts, journal.cuts);
  EXPECT_EQ(read->expected, journal.expected);
  EXPECT_EQ(read->epochs, journal.epochs);
  EXPECT_EQ(read->swapped, journal.swapped);
  EXPECT_EQ(read->Encode(), journal.Encode());
  EXPECT_EQ(journal.id, "20310506T100405Z-failback-dc1-dc2");
}

TEST(JournalTest, EveryChangedByteIsNoticed) {
  const std::string text = Example().Encode();
  const Journal same = Example();
  for (size_t i = 0; i + 1 < text.size(); ++i) {
    std::string damaged = text;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x01);
    const auto read = Journal::Decode(damaged, "j");
    // A byte between the values may be another one; then they are the same.
    if (read.ok()) {
      EXPECT_EQ(read->Encode(), same.Encode()) << "byte " << i;
    }
  }
  for (size_t length = 0; length + 1 < text.size(); ++length) {
    EXPECT_EQ(Journal::Decode(text.substr(0, length), "j").code(), Code::kCorrupt) << length;
  }
}

// control/purge_history.h reads the little that it needs by itself.
TEST(JournalTest, WhoPurgesKnowsWhichHaveEnded) {
  Journal journal = Example();
  for (int i = 0; i <= static_cast<int>(Step::kAborted); ++i) {
    journal.step = static_cast<Step>(i);
    const auto ended = ReadEndedFailover(journal.Encode());
    ASSERT_EQ(ended.has_value(), journal.Ended()) << StepName(journal.step);
    if (!ended) continue;
    EXPECT_EQ(ended->done, journal.step == Step::kDone);
    EXPECT_EQ(ended->kind, "failback");
    EXPECT_EQ(ended->undoes, "another");
  }
  std::string damaged = journal.Encode();
  damaged[damaged.find("aborted")] = 'A';
  EXPECT_FALSE(IsEndedFailover(damaged));
}

TEST(JournalTest, ANewerVersionIsRefusedByName) {
  std::string text = Example().Encode();
  text.replace(text.find("\"version\": 1"), 12, "\"version\": 2");
  const auto read = Journal::Decode(text, "dc1: x.json");
  EXPECT_EQ(read.code(), Code::kInvalid);
  EXPECT_THAT(read.status().message(), HasSubstr("dc1: x.json: version 2"));
}

// With its checksum put right, so that it is the reader of the values who has to notice.
std::string Edited(const std::string& from, const std::string& to) {
  Json file = Json::parse(Example().Encode());
  std::string body = DumpJson(file["journal"]);
  const size_t at = body.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  body.replace(at, from.size(), to);
  file["journal"] = Json::parse(body);
  file["crc32c"] = fmt::format("{:08x}", Crc32c(DumpJson(file["journal"])));
  return file.dump();
}

TEST(JournalTest, ValuesThatMakeNoSenseAreNamed) {
  const std::pair<std::string, std::string> kEdits[] = {
      {"\"step\":\"mirror\"", "\"step\":\"dance\""},
      {"\"kind\":\"failback\"", "\"kind\":7"},
      {"\"revision\":7", "\"revision\":-7"},
      {"\"started\":\"2031-05-06T10:04:05.678Z\"", "\"started\":\"yesterday\""},
      {"\"role\":\"primary\"", "\"role\":\"mirror\""},
      {"\"hours\":24", "\"hours\":99999999999"},
      {"\"receivers\":[\"h1:1463\"]", "\"receivers\":[\"h1\"]"},
      {"\"cuts\":[", "\"cats\":["},
      {"\"ms\":42", "\"ms\":99999999999999999"},
      {"\"minute\":\"2031-05-06T10:04Z\"", "\"minute\":\"noon\""},
  };
  for (const auto& [from, to] : kEdits) {
    EXPECT_EQ(Journal::Decode(Edited(from, to), "j").code(), Code::kCorrupt) << to;
  }
}

TEST(JournalTest, OfAnEarlierVersionNothingIsExpected) {
  const auto read = Journal::Decode(Edited("\"expected\":[", "\"unknown\":["), "j");
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_TRUE(read->expected.empty());
}

TEST(JournalTest, WhatIsNestedTooDeepCostsNoStack) {
  const std::string deep(2'000'000, '[');
  const std::string text = "{\"version\":1,\"crc32c\":\"00000000\",\"journal\":" + deep +
                           std::string(deep.size(), ']') + "}";
  const auto read = Journal::Decode(text, "j");
  EXPECT_EQ(read.code(), Code::kCorrupt);
  EXPECT_THAT(read.status().message(), HasSubstr("nested too deep"));
}

TEST(JournalTest, OnlyTheLastEventsAreKept) {
  Journal journal = Example();
  for (size_t i = 0; i < 2 * kJournalEventsMax; ++i) journal.Note(kTestNow, std::to_string(i));
  EXPECT_EQ(journal.events.size(), kJournalEventsMax);
  EXPECT_EQ(journal.events.back().text, std::to_string(2 * kJournalEventsMax - 1));
}

}  // namespace
}  // namespace databus::failover
