#include <gmock/gmock.h>

#include "collector/spool/format.h"
#include "collector/spool/spool_test_world.h"

namespace databus {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr uint64_t kAll = SpoolWorld::kOffsetMaxForTests;
constexpr auto kIgnore = [](const SpoolRecord&) {};

// Reads and cuts everything, with one intent a range, and settles it.
void DeliverAll(Spool& spool) {
  for (const UnsealedRange& unsealed : spool.UnsealedRanges()) {
    ASSERT_TRUE(spool.Read(unsealed.range, kAll, kIgnore).ok());
    const auto cut = spool.AddCut({unsealed.range}, {.intents = {{.stream = "clicks"}}});
    ASSERT_TRUE(cut.ok()) << cut.status().ToString();
    const uint64_t ids[] = {cut->intents[0].id};
    ASSERT_TRUE(spool.Settle(ids).ok());
  }
}

TEST(Spool, WhatIsKeptIsReadBackInOrderAlsoAfterARestart) {
  SpoolWorld world;
  world.Open();
  EXPECT_EQ(world.Put("a"), SpoolAnswer::kKept);
  EXPECT_EQ(world.Put("b"), SpoolAnswer::kKept);
  EXPECT_THAT(world.ReadAll(), ElementsAre("a", "b"));
  world.Open();
  EXPECT_EQ(world.Put("c"), SpoolAnswer::kKept);
  EXPECT_THAT(world.ReadAll(), ElementsAre("a", "b", "c"));
  const auto unsealed = world.spool->UnsealedRanges();
  ASSERT_THAT(unsealed, SizeIs(3));  // what was written last was copied
  EXPECT_EQ(unsealed[0].age, SpoolAge::kBacklog);
  EXPECT_EQ(unsealed[1].age, SpoolAge::kBacklog);
  EXPECT_EQ(unsealed[2].age, SpoolAge::kLive);
}

TEST(Spool, WhatCameBeforeAPositionCountsUntilItIsFreedAndWhatCameAfterDoesNot) {
  SpoolWorld world;
  world.Open();
  EXPECT_EQ(world.spool->BytesBefore(world.spool->End()), 0U);
  EXPECT_EQ(world.Put("before"), SpoolAnswer::kKept);
  const SpoolEnd end = world.spool->End();
  const uint64_t held = world.spool->Stats().unsealed_bytes;
  EXPECT_EQ(world.spool->BytesBefore(end), held);
  EXPECT_EQ(world.Put("after"), SpoolAnswer::kKept);
  EXPECT_EQ(world.spool->BytesBefore(end), held);
  // One cut holds both: the bytes of a cut go together.
  const SpoolRange whole = world.spool->UnsealedRanges()[0].range;
  ASSERT_TRUE(world.spool->Read(whole, kAll, kIgnore).ok());
  const auto cut = world.spool->AddCut({whole}, {.intents = {{.stream = "clicks"}}});
  ASSERT_TRUE(cut.ok()) << cut.status().ToString();
  EXPECT_GE(world.spool->BytesBefore(end), held);
  const uint64_t ids[] = {cut->intents[0].id};
  ASSERT_TRUE(world.spool->Settle(ids).ok());
  EXPECT_EQ(world.spool->BytesBefore(end), 0U);
  EXPECT_EQ(world.Put("later"), SpoolAnswer::kKept);
  EXPECT_EQ(world.spool->BytesBefore(end), 0U);
  world.Open();
  EXPECT_EQ(world.spool->BytesBefore(world.spool->End()), world.spool->Stats().unsealed_bytes);
}

TEST(Spool, GroupsThatWaitTogetherShareOneSyncAndAreAnsweredInOrder) {
  SpoolWorld world;
  Spool& spool = world.Open();
  EXPECT_EQ(world.Put("first"), SpoolAnswer::kKept);
  std::vector<int> answered;
  for (int i = 0; i < 5; ++i) {
    std::vector<SpoolBatch> batches;
    batches.push_back(MakeBatch({"x"}));
    batches.push_back(MakeBatch({"y"}));
    spool.Append(std::move(batches), [&answered, i](std::span<const SpoolOutcome> outcomes) {
      EXPECT_EQ(outcomes.size(), 2u);
      answered.push_back(i);
    });
  }
  const size_t before = world.plan.trace().size();
  EXPECT_TRUE(spool.FlushOnce());
  EXPECT_FALSE(spool.FlushOnce());
  EXPECT_THAT(answered, ElementsAre(0, 1, 2, 3, 4));
  const std::vector<Call> trace = world.plan.trace();
  int syncs = 0;
  for (size_t i = before; i < trace.size(); ++i) syncs += trace[i].verb == Verb::kSync ? 1 : 0;
  EXPECT_EQ(syncs, 1);
}

// Small ones are copied behind their headers, large ones and rejected entries are written from
// where they lie.
TEST(Spool, CallsOfAllSizesInOneFlushAreReadBackInOrder) {
  SpoolWorld world;
  Spool& spool = world.Open();
  std::vector<std::string> sent;
  std::vector<SpoolBatch> batches;
  for (const size_t size : {1, 10'000, 20'000, 300, 4000, 300, 4096, 5000, 0}) {
    sent.emplace_back(size, static_cast<char>('a' + sent.size()));
    batches.push_back(MakeBatch({sent.back()}));
    if (sent.size() % 3 == 0) batches.back().rejected.push_back({"no/stream", "bad", "why"});
  }
  spool.Append(std::move(batches), [](std::span<const SpoolOutcome> outcomes) {
    for (const SpoolOutcome& outcome : outcomes) EXPECT_EQ(outcome.answer, SpoolAnswer::kKept);
  });
  EXPECT_TRUE(spool.FlushOnce());
  EXPECT_EQ(world.ReadAll(), sent);
  world.Open();
  EXPECT_EQ(world.ReadAll(), sent);
}

TEST(Spool, AFlushTakesNoMoreThanItsBound) {
  SpoolWorld world;
  world.options.flush_bytes_max = 1;
  Spool& spool = world.Open();
  for (int i = 0; i < 3; ++i) {
    std::vector<SpoolBatch> batches;
    batches.push_back(MakeBatch({"x"}));
    spool.Append(std::move(batches), [](std::span<const SpoolOutcome>) {});
  }
  EXPECT_TRUE(spool.FlushOnce());
  EXPECT_TRUE(spool.FlushOnce());
  EXPECT_TRUE(spool.FlushOnce());
  EXPECT_FALSE(spool.FlushOnce());
}

TEST(Spool, TheFlushingThreadAnswersAndStopFlushesTheRest) {
  SpoolWorld world;
  Spool& spool = world.Open();
  spool.Start();
  int kept = 0;
  for (int i = 0; i < 100; ++i) {
    std::vector<SpoolBatch> batches;
    batches.push_back(MakeBatch({std::to_string(i)}));
    spool.Append(std::move(batches), [&kept](std::span<const SpoolOutcome> outcomes) {
      kept += outcomes.front().answer == SpoolAnswer::kKept ? 1 : 0;
    });
  }
  spool.Stop();
  EXPECT_EQ(kept, 100);
  EXPECT_THAT(world.ReadAll(), SizeIs(100));
  EXPECT_EQ(world.Put("late"), SpoolAnswer::kTryLater);
}

TEST(Spool, ARepeatIsAnsweredAsSuchAcrossRestartsAndRemovedSegments) {
  SpoolWorld world;
  Spool& spool = world.Open();
  EXPECT_EQ(world.Put("a", BatchId{9, 1, 1}), SpoolAnswer::kKept);
  EXPECT_EQ(world.Put("a", BatchId{9, 1, 1}), SpoolAnswer::kRepeat);
  EXPECT_EQ(world.Put("c", BatchId{9, 3, 1}), SpoolAnswer::kTryLater);
  EXPECT_EQ(world.Put("b", BatchId{9, 2, 1}), SpoolAnswer::kKept);
  world.Open();
  EXPECT_EQ(world.Put("b", BatchId{9, 2, 1}), SpoolAnswer::kRepeat);
  DeliverAll(*world.spool);
  EXPECT_EQ(world.spool->Stats().segments, 0u);
  world.Open();
  EXPECT_EQ(world.Put("b", BatchId{9, 2, 1}), SpoolAnswer::kRepeat);
  EXPECT_EQ(world.spool->MarkOf(9), 2u);
  EXPECT_EQ(world.Put("c", BatchId{9, 3, 3}), SpoolAnswer::kKept);
  EXPECT_THAT(world.ReadAll(), ElementsAre("c"));
  (void)spool;
}

TEST(Spool, AReceiverWithoutMemoryGoesOnAtTheSendersBase) {
  SpoolWorld world;
  world.Open();
  EXPECT_EQ(world.Put("f", BatchId{9, 6, 5}), SpoolAnswer::kTryLater);
  EXPECT_EQ(world.Put("e", BatchId{9, 5, 5}), SpoolAnswer::kKept);
  EXPECT_EQ(world.Put("f", BatchId{9, 6, 5}), SpoolAnswer::kKept);
}

TEST(Spool, ARepeatInTheSameFlushSharesTheFateOfTheFirst) {
  SpoolWorld world;
  Spool& spool = world.Open();
  const auto put_twice = [&] {
    std::vector<SpoolAnswer> answers;
    std::vector<SpoolBatch> batches;
    batches.push_back(MakeBatch({"a"}, BatchId{9, 1, 1}));
    batches.push_back(MakeBatch({"a"}, BatchId{9, 1, 1}));
    spool.Append(std::move(batches), [&](std::span<const SpoolOutcome> outcomes) {
      for (const SpoolOutcome& outcome : outcomes) answers.push_back(outcome.answer);
    });
    spool.FlushOnce();
    return answers;
  };
  world.plan.Add({.verb = Verb::kAppend, .path_part = "segment-", .fault = Fault::Full()});
  EXPECT_THAT(put_twice(), ElementsAre(SpoolAnswer::kTryLater, SpoolAnswer::kTryLater));
  EXPECT_THAT(put_twice(), ElementsAre(SpoolAnswer::kKept, SpoolAnswer::kRepeat));
  EXPECT_THAT(world.ReadAll(), ElementsAre("a"));
}

// P21: the bytes of the failed flush are in the file, undamaged, and must stay dead.
TEST(Spool, AFlushWhoseSyncFailedNeverComesBack) {
  SpoolWorld world;
  world.Open();
  EXPECT_EQ(world.Put("kept"), SpoolAnswer::kKept);
  world.plan.Add({.verb = Verb::kSync, .path_part = "segment-", .fault = Fault::AnswerLost()});
  EXPECT_EQ(world.Put("refused", BatchId{9, 1, 1}), SpoolAnswer::kTryLater);
  EXPECT_EQ(world.spool->MarkOf(9), std::nullopt);
  EXPECT_EQ(world.Put("after"), SpoolAnswer::kKept);
  EXPECT_THAT(world.ReadAll(), ElementsAre("kept", "after"));
  world.Open();
  EXPECT_THAT(world.ReadAll(), ElementsAre("kept", "after"));
  EXPECT_EQ(world.spool->MarkOf(9), std::nullopt);
  EXPECT_THAT(world.Names("/var/spool/damaged"), IsEmpty());
}

TEST(Spool, WhenTheEndCannotBeRecordedTheConnectionIsClosedAndTheDiskRetired) {
  SpoolWorld world;
  world.Open();
  EXPECT_EQ(world.Put("kept", BatchId{9, 1, 1}), SpoolAnswer::kKept);
  world.plan.Add({.verb = Verb::kSync, .times = FaultRule::kAlways, .fault = Fault::RequestLost()});
  EXPECT_EQ(world.Put("unknown"), SpoolAnswer::kClose);
  world.plan.Clear();
  EXPECT_EQ(world.Put("later"), SpoolAnswer::kTryLater);
  EXPECT_EQ(world.Put("kept", BatchId{9, 1, 1}), SpoolAnswer::kRepeat);
  EXPECT_THAT(world.spool->Stats().retired, HasSubstr("sync"));
  EXPECT_EQ(world.spool->AddCut({world.spool->UnsealedRanges()[0].range}, {}).code(),
            Code::kUnavailable);
}

TEST(Spool, AFullDiskIsTryLaterAndPassesWhenThereIsRoom) {
  SpoolWorld world;
  world.options.disk_reserve_bytes = 1u << 20;
  world.disk.SetCapacity(2u << 20);
  world.Open();
  EXPECT_EQ(world.Put(std::string(900'000, 'x')), SpoolAnswer::kKept);
  EXPECT_EQ(world.Put(std::string(900'000, 'y'), BatchId{9, 1, 1}), SpoolAnswer::kTryLater);
  EXPECT_EQ(world.spool->Stats().refusing, "the disk's reserve is reached");
  DeliverAll(*world.spool);  // the reserve is enough for the journal
  world.disk.SetCapacity(1u << 20);
  world.spool->LookForRoom();
  EXPECT_EQ(world.spool->Stats().refusing, "the disk's reserve is reached") << "there is none yet";
  world.disk.SetCapacity(4u << 20);
  world.spool->LookForRoom();
  EXPECT_EQ(world.spool->Stats().refusing, "") << "also when nobody sends";
  EXPECT_EQ(world.Put(std::string(900'000, 'y'), BatchId{9, 1, 1}), SpoolAnswer::kKept);
  EXPECT_EQ(world.spool->Stats().refusing, "");
}

TEST(Spool, ADiskFullOfWhatIsDeliveredIsEmptiedByItself) {
  SpoolWorld world;
  world.options.disk_reserve_bytes = 1u << 20;
  world.disk.SetCapacity(2u << 20);
  world.Open();
  EXPECT_EQ(world.Put(std::string(900'000, 'x')), SpoolAnswer::kKept);
  DeliverAll(*world.spool);  // of the segment that is still open
  EXPECT_EQ(world.Put(std::string(900'000, 'y')), SpoolAnswer::kKept);
  EXPECT_EQ(world.Put(std::string(900'000, 'z')), SpoolAnswer::kTryLater);
  DeliverAll(*world.spool);
  EXPECT_EQ(world.Put(std::string(900'000, 'z')), SpoolAnswer::kKept);
  world.Open();
  EXPECT_THAT(world.spool->Stats().missing_segments, ::testing::IsEmpty());
}

TEST(Spool, TooMuchInTheQueueIsTryLater) {
  SpoolWorld world;
  world.options.queued_bytes_max = 10'000;
  Spool& spool = world.Open();
  std::vector<SpoolAnswer> answers;
  for (int i = 0; i < 3; ++i) {
    std::vector<SpoolBatch> batches;
    batches.push_back(MakeBatch({std::string(4'000, 'x')}));
    spool.Append(std::move(batches), [&](std::span<const SpoolOutcome> outcomes) {
      answers.push_back(outcomes.front().answer);
    });
  }
  while (spool.FlushOnce()) {
  }
  EXPECT_THAT(answers, ElementsAre(SpoolAnswer::kKept, SpoolAnswer::kKept, SpoolAnswer::kTryLater));
  EXPECT_EQ(spool.Stats().queued_bytes, 0u);
}

TEST(Spool, AnotherCollectorsSpoolIsRefusedNamingBoth) {
  SpoolWorld world;
  world.Open();
  world.spool.reset();
  world.options.collector = "c2";
  const Status status = world.TryOpen().status();
  EXPECT_EQ(status.code(), Code::kInvalid);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("c1"), HasSubstr("c2")));
}

TEST(Spool, ASecondOpenerIsRefused) {
  SpoolWorld world;
  world.Open();
  EXPECT_EQ(world.TryOpen().code(), Code::kRefused);
}

TEST(Spool, TheClusterIsRememberedOnceAndForAll) {
  SpoolWorld world;
  Spool& spool = world.Open();
  EXPECT_EQ(spool.identity().cluster_id, "");
  EXPECT_TRUE(spool.RememberCluster("abc").ok());
  const std::string incarnation = spool.identity().incarnation;
  world.Open();
  EXPECT_EQ(world.spool->identity().cluster_id, "abc");
  EXPECT_EQ(world.spool->identity().incarnation, incarnation);
  EXPECT_EQ(world.spool->RememberCluster("def").code(), Code::kRefused);
}

TEST(Spool, CountersNeverGiveANumberTwice) {
  SpoolWorld world;
  std::set<uint64_t> seen;
  for (int run = 0; run < 3; ++run) {
    world.Open();
    const std::vector<std::string> streams(100, "clicks");
    const auto numbers = world.spool->NextCounters(streams);
    ASSERT_TRUE(numbers.ok());
    for (const uint64_t number : *numbers) EXPECT_TRUE(seen.insert(number).second) << number;
  }
  EXPECT_EQ(*seen.begin(), 1u);
  const std::vector<std::string> other{"orders"};
  EXPECT_THAT(*world.spool->NextCounters(other), ElementsAre(1));
}

TEST(Spool, ACutIsFoundAgainAsItWasAndItsRangesAreNotCutAgain) {
  SpoolWorld world;
  world.Open();
  world.Put("a");
  world.Put("b");
  const SpoolRange all = world.spool->UnsealedRanges()[0].range;
  const auto first = world.spool->Read(all, 1, kIgnore);
  ASSERT_TRUE(first.ok());
  EXPECT_LT(first->end, all.end);
  const auto cut = world.spool->AddCut(
      {*first},
      {.intents = {{.stream = "clicks", .staged_path = "s1", .final_path = "f1", .note = "n"},
                   {.stream = "orders", .staged_path = "s2", .final_path = "f2", .note = ""}}});
  ASSERT_TRUE(cut.ok());
  EXPECT_EQ(world.spool->AddCut({*first}, {}).code(), Code::kInvalid);
  EXPECT_EQ(world.spool->AddCut({all}, {}).code(), Code::kInvalid);
  EXPECT_THAT(world.ReadAll(), ElementsAre("b"));

  world.Open();
  EXPECT_THAT(world.spool->OpenCuts(), ElementsAre(*cut));
  EXPECT_THAT(world.ReadAll(), ElementsAre("b"));
  SpoolIntent amended = cut->intents[1];
  amended.final_path = "f3";
  EXPECT_TRUE(world.spool->Amend(amended).ok());
  const uint64_t ids[] = {cut->intents[0].id};
  EXPECT_TRUE(world.spool->Settle(ids).ok());

  world.Open();
  ASSERT_THAT(world.spool->OpenCuts(), SizeIs(1));
  EXPECT_THAT(world.spool->OpenCuts()[0].intents, ElementsAre(amended));
  EXPECT_EQ(world.spool->Amend(cut->intents[0]).code(), Code::kNotFound);
}

const SpoolDeferral kHeld{"views", 7, WallTime(Milliseconds(5))};
const SpoolDeferral kHeldToo{"orders", 9, WallTime(Milliseconds(3))};

TEST(Spool, ADeferredStreamKeepsItsRangeUntilItIsResolvedAlsoOverRestarts) {
  SpoolWorld world;
  world.options.segment_bytes = 1;
  world.Open();
  world.Put("a");
  world.Put("b");
  const SpoolRange range = world.spool->UnsealedRanges()[0].range;
  const auto cut = world.spool->AddCut(
      {range}, {.intents = {{.stream = "clicks"}}, .deferred = {kHeld, kHeldToo}});
  ASSERT_TRUE(cut.ok());
  const uint64_t first[] = {cut->intents[0].id};
  EXPECT_TRUE(world.spool->Settle(first).ok());
  EXPECT_EQ(world.spool->Stats().deferred_bytes, 16u);
  EXPECT_EQ(world.spool->Stats().oldest_deferred, kHeldToo.oldest);

  world.Open();
  EXPECT_EQ(world.spool->Stats().segments, 2u);
  EXPECT_THAT(world.ReadAll(), ElementsAre("b"));
  ASSERT_THAT(world.spool->OpenCuts(), SizeIs(1));
  EXPECT_THAT(world.spool->OpenCuts()[0].deferred, ElementsAre(kHeld, kHeldToo));
  std::vector<std::string> again;
  EXPECT_TRUE(world.spool
                  ->ReadAgain(range,
                              [&](const SpoolRecord& record) {
                                for (auto& one : MessagesOf(record.entries)) again.push_back(one);
                              })
                  .ok());
  EXPECT_THAT(again, ElementsAre("a"));
  const auto resolved =
      world.spool->Resolve(cut->id, {.intents = {{.stream = "views"}}, .deferred = {kHeldToo}});
  ASSERT_TRUE(resolved.ok());
  EXPECT_GT(resolved->intents[0].id, cut->intents[0].id);

  world.Open();
  const uint64_t second[] = {resolved->intents[0].id};
  EXPECT_TRUE(world.spool->Settle(second).ok());
  EXPECT_EQ(world.spool->Stats().segments, 2u);
  EXPECT_TRUE(world.spool->Resolve(cut->id, {}).ok());
  EXPECT_EQ(world.spool->Stats().segments, 1u);
  EXPECT_EQ(world.spool->Resolve(cut->id, {}).code(), Code::kNotFound);
}

TEST(Spool, AnIntentThatIsReturnedIsDeferredAgain) {
  SpoolWorld world;
  world.Open();
  world.Put("a");
  const auto cut = world.spool->AddCut({world.spool->UnsealedRanges()[0].range},
                                       {.intents = {{.stream = "clicks"}, {.stream = "views"}}});
  ASSERT_TRUE(cut.ok());
  EXPECT_EQ(world.spool->Return(cut->id, 99, {kHeld}).code(), Code::kNotFound);
  EXPECT_TRUE(world.spool->Return(cut->id, cut->intents[1].id, {kHeld}).ok());
  world.Open();
  ASSERT_THAT(world.spool->OpenCuts(), SizeIs(1));
  EXPECT_THAT(world.spool->OpenCuts()[0].intents, ElementsAre(cut->intents[0]));
  EXPECT_THAT(world.spool->OpenCuts()[0].deferred, ElementsAre(kHeld));
}

TEST(Spool, ASegmentGoesWhenAllOfItIsFreedAndNotBefore) {
  SpoolWorld world;
  world.options.segment_bytes = 1;
  world.Open();
  world.Put("a");
  world.Put("b");
  world.Put("c");
  EXPECT_EQ(world.spool->Stats().segments, 3u);
  const auto unsealed = world.spool->UnsealedRanges();
  const auto cut = world.spool->AddCut({unsealed[0].range, unsealed[1].range},
                                       {.intents = {{.stream = "a"}, {.stream = "b"}}});
  ASSERT_TRUE(cut.ok());
  const uint64_t first[] = {cut->intents[0].id};
  const uint64_t second[] = {cut->intents[1].id};
  EXPECT_TRUE(world.spool->Settle(first).ok());
  EXPECT_EQ(world.spool->Stats().segments, 3u);
  EXPECT_TRUE(world.spool->Settle(second).ok());
  EXPECT_EQ(world.spool->Stats().segments, 1u);
  EXPECT_THAT(world.ReadAll(), ElementsAre("c"));
}

TEST(Spool, RejectedEntriesAreKeptWithTheCallAndWrittenOutWithTheReason) {
  SpoolWorld world;
  world.Open();
  SpoolBatch batch = MakeBatch({"good"});
  batch.rejected.push_back({"../etc", "bad \"\n\x1b message", "impossible name"});
  EXPECT_EQ(world.Put(std::move(batch)).answer, SpoolAnswer::kKept);
  world.Open();
  EXPECT_THAT(world.ReadAll(), ElementsAre("good"));
  EXPECT_THAT(world.ReadAll(), ElementsAre("good"));
  const auto names = world.Names("/var/spool/rejected");
  ASSERT_THAT(names, SizeIs(1));
  EXPECT_THAT(world.Content("/var/spool/rejected/" + names[0]),
              HasSubstr("Z \"impossible name\" \"../etc\" \"bad \\\"\\n\\x1B message\"\n"));
}

// Everything that needs room on the disk, refused, from now on.
void FillDisk(SpoolWorld& world) {
  world.plan.SetCallback([](const Call& call) {
    const bool needs_room = call.verb == Verb::kAppend || call.verb == Verb::kCreate;
    return needs_room ? Fault::Full() : Fault{};
  });
}

TEST(Spool, AFullDiskIsOverWhenThereIsRoomAgainWithoutARestart) {
  SpoolWorld world;
  world.Open();
  EXPECT_EQ(world.Put("one", BatchId{7, 1, 1}), SpoolAnswer::kKept);
  const std::vector<std::string> streams{"clicks"};
  FillDisk(world);
  EXPECT_EQ(world.spool->NextCounters(streams).code(), Code::kNoSpace);
  EXPECT_EQ(world.Put("two", BatchId{7, 2, 2}), SpoolAnswer::kClose);
  EXPECT_EQ(world.Put("two", BatchId{7, 2, 2}), SpoolAnswer::kTryLater);
  EXPECT_EQ(world.spool->MakeCertain().code(), Code::kNoSpace);
  EXPECT_EQ(world.spool->Stats().retired, "");
  world.plan.SetCallback({});
  EXPECT_TRUE(world.spool->MakeCertain().ok());
  EXPECT_TRUE(world.spool->NextCounters(streams).ok());
  EXPECT_EQ(world.Put("two", BatchId{7, 2, 2}), SpoolAnswer::kKept);
  EXPECT_THAT(world.ReadAll(), ElementsAre("one", "two"));
  world.Open();
  EXPECT_THAT(world.ReadAll(), ElementsAre("one", "two"));
}

// The sync fails, its record is whole, and there is no room to say that it is dead.
TEST(Spool, ARecordWhoseEndCouldNotBeRecordedIsNeverThereTwice) {
  SpoolWorld world;
  world.Open();
  EXPECT_EQ(world.Put("one", BatchId{7, 1, 1}), SpoolAnswer::kKept);
  world.plan.SetCallback([](const Call& call) {
    if (call.verb == Verb::kSync) return Fault::RequestLost();
    return call.path.find("journal-") != call.path.npos ? Fault::Full() : Fault{};
  });
  EXPECT_EQ(world.Put("two", BatchId{7, 2, 2}), SpoolAnswer::kClose);
  world.plan.SetCallback({});
  EXPECT_EQ(world.Put("two", BatchId{7, 2, 2}), SpoolAnswer::kKept);
  EXPECT_THAT(world.ReadAll(), ElementsAre("one", "two"));
  world.Open();
  EXPECT_THAT(world.ReadAll(), ElementsAre("one", "two"));
}

TEST(Spool, TheAgeOfTheOldestUnsealedMessageIsKnownAfterARestart) {
  SpoolWorld world;
  world.Open();
  const WallTime start = world.clock.Wall();
  world.Put("old");
  world.clock.Advance(std::chrono::minutes(5));
  world.Open();
  world.Put("new");
  EXPECT_EQ(world.spool->Stats().oldest_unsealed, start);
  DeliverAll(*world.spool);
  EXPECT_EQ(world.spool->Stats().oldest_unsealed, std::nullopt);
}

TEST(Spool, ASilentSenderIsForgottenAfterAWeekABusyOneIsNot) {
  SpoolWorld world;
  world.Open();
  world.Put("a", BatchId{1, 1, 1});
  world.Put("a", BatchId{2, 1, 1});
  world.clock.Advance(std::chrono::hours(24 * 6));
  world.Put("b", BatchId{2, 2, 2});
  world.clock.Advance(std::chrono::hours(24 * 2));
  world.Put("x");
  EXPECT_EQ(world.spool->MarkOf(1), std::nullopt);
  EXPECT_EQ(world.spool->MarkOf(2), 2u);
}

}  // namespace
}  // namespace databus
