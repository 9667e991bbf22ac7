// ls, cat and produce.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/test_world.h"

namespace databus {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

const Minute kMinute = *Minute::ParseIso("2031-05-06T10:04Z");

std::vector<std::string> On(const std::string& command, std::vector<std::string> more) {
  std::vector<std::string> args = {command,       "clicks",    "--topology",
                                   "databus.xml", "--cluster", "dc1"};
  args.insert(args.end(), more.begin(), more.end());
  return args;
}

TEST(StreamCommandsTest, LsListsTheFilesOfTheRangeWithTheirMessages) {
  TestWorld world;
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(world.Publish("dc1", View::kMerged, kMinute + i, "dc1", 7 + i).ok());
  }
  const Ran all = world.Run(On("ls", {"--messages"}));
  EXPECT_EQ(all.code, 0);
  EXPECT_THAT(all.out, HasSubstr("2031-05-06T10:04Z"));
  EXPECT_THAT(all.out, HasSubstr(" 2  streams/clicks/2031/05/06/10/04/"
                                 "dc1-c1-clicks-2031-05-06-10-04_00007.gz\n"));
  const Ran one = world.Run(On("ls", {"--from", "2031-05-06T10:05Z", "--to", "2031-05-06T10:05Z"}));
  EXPECT_THAT(one.out, HasSubstr("_00008.gz"));
  EXPECT_THAT(one.out, Not(HasSubstr("_00007.gz")));
  EXPECT_THAT(one.out, Not(HasSubstr("_00009.gz")));
}

TEST(StreamCommandsTest, LsShowsWhatReadersSee) {
  TestWorld world;
  const std::string dir = paths::MinuteDir(View::kMerged, "clicks", kMinute);
  ASSERT_TRUE(world.Put("dc1", paths::Join(dir, "_SUCCESS"), "").ok());
  const Ran ran = world.Run(On("ls", {}));
  EXPECT_EQ(ran.code, 0);
  EXPECT_EQ(ran.out, "2031-05-06T10:04Z  (empty minute)\n");
}

TEST(StreamCommandsTest, AnEmptyRangeIsNothingToDoAndAWrongNameIsExplained) {
  TestWorld world;
  ASSERT_TRUE(world.Publish("dc1", View::kMerged, kMinute, "dc1", 1).ok());
  EXPECT_EQ(world.Run(On("ls", {"--from", "2032-01-01T00:00Z"})).code, 3);
  const Ran local = world.Run(On("ls", {"--view", "local"}));
  EXPECT_EQ(local.code, 1);
  EXPECT_THAT(local.err, HasSubstr("there is no stream clicks in streams_local"));
  const Ran cluster = world.Run(On("ls", {"--cluster", "dc9"}));
  EXPECT_EQ(cluster.code, 2);
  EXPECT_EQ(world.Run(On("ls", {"--from", "yesterday"})).code, 2);
  const Ran backwards =
      world.Run(On("ls", {"--from", "2031-05-06T10:05Z", "--to", "2031-05-06T10:04Z"}));
  EXPECT_EQ(backwards.code, 2);
  EXPECT_THAT(backwards.err, HasSubstr("is after --to"));
}

TEST(StreamCommandsTest, CatPrintsTheBytesInTheOrderOfMinutes) {
  TestWorld world;
  ASSERT_TRUE(world
                  .Put("dc1", TestWorld::PathIn(View::kMerged, kMinute + 1, "dc1", 2),
                       TestWorld::Sealed("dc1", 2, std::string("later\0bytes\n", 12)))
                  .ok());
  ASSERT_TRUE(world.Publish("dc1", View::kMerged, kMinute, "dc1", 1).ok());
  const Ran ran = world.Run(On("cat", {}));
  EXPECT_EQ(ran.code, 0);
  EXPECT_EQ(ran.out, std::string("one\ntwo\nlater\0bytes\n", 20));
}

TEST(StreamCommandsTest, CatNamesADamagedFileAndPrintsTheOthers) {
  TestWorld world;
  const std::string path = TestWorld::PathIn(View::kMerged, kMinute, "dc1", 1);
  ASSERT_TRUE(world.Put("dc1", path, "no gzip at all").ok());
  ASSERT_TRUE(world.Publish("dc1", View::kMerged, kMinute + 1, "dc1", 2).ok());
  const Ran ran = world.Run(On("cat", {}));
  EXPECT_EQ(ran.code, 1);
  EXPECT_EQ(ran.out, "one\ntwo\n");
  EXPECT_THAT(ran.err, HasSubstr(path));
}

TEST(ProduceTest, EveryLineIsAMessageAndIsCounted) {
  TestWorld world;
  const Ran ran =
      world.Run({"produce", "--to", "h:1463", "clicks", "--batch", "2", "--json"}, "a\n\nc");
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(world.network.messages, ElementsAre("a", "", "c"));
  EXPECT_THAT(ran.out, HasSubstr("\"acknowledged\": 3"));
  EXPECT_THAT(ran.out, HasSubstr("\"unconfirmed\": 0"));
}

TEST(ProduceTest, WhatIsNotAcknowledgedIsAFailureAndNotSentIsNotUnanswered) {
  TestWorld world;
  const std::vector<std::string> args = {"produce", "--to", "h:1", "clicks", "--timeout", "1"};
  const Ran ran = world.Run(args, "a\nb\n");
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.out, HasSubstr("0 acknowledged, 2 not sent, 0 sent without an answer"));
  EXPECT_THAT(ran.err, HasSubstr("2 messages not sent, or refused each time"));
  EXPECT_THAT(ran.err, Not(HasSubstr("may or may not have arrived")));
}

TEST(ProduceTest, TroubleIsToldWhenItHappensOnceAndThatItIsOverToo) {
  TestWorld world;
  world.network.refusals = 3;
  const Ran ran = world.Run({"produce", "--to", "h:1463", "clicks"}, "a\nb\n");
  EXPECT_EQ(ran.code, 0);
  EXPECT_THAT(ran.err, AllOf(StartsWith("databus: h:1463: connection: "),
                             EndsWith("connection refused (unavailable); trying again\n"
                                      "databus: connected to h:1463 again, messages are taken\n")));
}

TEST(ProduceTest, NothingToSendIsNothingToDo) {
  EXPECT_EQ(TestWorld().Run({"produce", "--to", "h:1463", "clicks"}, "").code, 3);
}

TEST(ProduceTest, WrongArgumentsAreUsageErrors) {
  TestWorld world;
  EXPECT_EQ(world.Run({"produce", "--to", "h", "clicks"}, "a\n").code, 2);
  EXPECT_EQ(world.Run({"produce", "--to", "h:0", "clicks"}, "a\n").code, 2);
  EXPECT_EQ(world.Run({"produce", "--to", "h:1463", "../clicks"}, "a\n").code, 2);
  EXPECT_EQ(world.Run({"produce", "--to", "[::1]:1463", "clicks"}, "a\n").code, 0);
}

}  // namespace
}  // namespace databus
