// Files of segments that somebody else has removed, cut short or put there.
#include <gmock/gmock.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "base/crc32c.h"
#include "base/sync.h"
#include "collector/spool/files.h"
#include "collector/spool/format.h"
#include "collector/spool/journal.h"
#include "collector/spool/spool_test_world.h"
#include "net/batch_id.h"

namespace databus {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;
using ::testing::UnorderedElementsAreArray;

const std::string kSegment = "/var/spool/segment-1";
const std::vector<std::string> kMessages{"first", "second", "third"};

enum class End : uint8_t { kKilled, kStopped };

class SpoolMissing : public testing::Test {
 protected:
  SpoolMissing() { Renew(); }
  void Renew() {
    world_ = std::make_unique<SpoolWorld>();
    world_->options.journal_bytes = 1;  // written anew at each change: nothing old helps
    world_->Open();
  }
  void PutAll() {
    for (const std::string& message : kMessages) {
      ASSERT_EQ(world_->Put(message), SpoolAnswer::kKept);
    }
  }
  std::vector<SpoolRange> Records() {
    std::vector<SpoolRange> records;
    for (const UnsealedRange& unsealed : world_->spool->UnsealedRanges()) {
      EXPECT_TRUE(world_->spool
                      ->Read(unsealed.range, SpoolWorld::kOffsetMaxForTests,
                             [&](const SpoolRecord& one) { records.push_back(one.range); })
                      .ok());
    }
    return records;
  }
  void Deliver(const SpoolRange& range) { ASSERT_TRUE(world_->spool->AddCut({range}, {}).ok()); }
  void End(End how) {
    if (how == End::kStopped) world_->spool->Stop();
    world_->spool.reset();
  }
  std::string TakeAway(const std::string& path) {
    const std::string bytes = world_->Content(path);
    EXPECT_TRUE(world_->disk.Remove(path).ok());
    EXPECT_TRUE(world_->disk.SyncDir(world_->options.dir).ok());
    return bytes;
  }
  void PutBack(const std::string& path, const std::string& bytes) {
    const auto file = world_->disk.Create(path);
    ASSERT_TRUE(file.ok()) << path << " is there: was its number used again?";
    const std::string_view parts[] = {bytes};
    ASSERT_TRUE((*file)->Append(parts).ok());
  }
  std::vector<std::string> Missing() { return world_->spool->Stats().missing_segments; }

  std::unique_ptr<SpoolWorld> world_;
};

// How much of it is delivered does not matter, nor that nothing else in the journal names it.
TEST_F(SpoolMissing, TheNewestIsMissedItsNumberIsNotUsedAgainAndItMayComeBack) {
  for (const enum End how : {End::kKilled, End::kStopped}) {
    for (const size_t delivered : {0, 1, 2}) {
      SCOPED_TRACE(delivered);
      Renew();
      PutAll();
      const std::vector<SpoolRange> records = Records();
      for (size_t i = 0; i < delivered; ++i) Deliver(records[i]);
      End(how);
      const std::string bytes = TakeAway(kSegment);
      for (int restart = 0; restart < 2; ++restart) {
        world_->Open();
        EXPECT_THAT(Missing(), ElementsAre(kSegment));
        ASSERT_TRUE(world_->spool->NextCounters(std::vector<std::string>{"clicks"}).ok());
      }
      EXPECT_EQ(world_->Put("later"), SpoolAnswer::kKept);
      world_->spool.reset();
      PutBack(kSegment, bytes);
      world_->Open();
      EXPECT_THAT(Missing(), IsEmpty());
      std::vector<std::string> left(kMessages.begin() + static_cast<ptrdiff_t>(delivered),
                                    kMessages.end());
      left.emplace_back("later");
      EXPECT_THAT(world_->ReadAll(), UnorderedElementsAreArray(left));
    }
  }
}

// As of the newest, a write may not have come to its end when its run was killed.
TEST_F(SpoolMissing, OfOneThatWasBeingWrittenTheTailIsNoDamageWhenItComesBack) {
  PutAll();
  End(End::kKilled);
  const std::string bytes = TakeAway(kSegment);
  world_->Open();
  world_->Put("later");
  world_->spool.reset();
  PutBack(kSegment, bytes + std::string(5'000, '\0'));
  world_->Open();
  EXPECT_THAT(world_->ReadAll(), UnorderedElementsAre("first", "second", "third", "later"));
  EXPECT_EQ(world_->spool->Stats().damaged_files, 0u);
}

// What was synced before the next segment was begun, or before the collector stopped, is known.
TEST_F(SpoolMissing, ASegmentThatIsCutShortIsDamagedThoughNothingOfItIsCut) {
  for (const bool older : {false, true}) {
    SCOPED_TRACE(older);
    Renew();
    if (older) world_->options.segment_bytes = 1;  // one for each flush
    world_->Open();
    PutAll();
    const uint64_t begin = Records()[older ? 0 : 1].begin;
    End(older ? End::kKilled : End::kStopped);
    world_->SetContent(kSegment, world_->Content(kSegment).substr(0, begin));
    world_->Open();
    EXPECT_THAT(world_->ReadAll(), SizeIs(older ? 2 : 1));
    EXPECT_EQ(world_->spool->Stats().damaged_files, 1u);
  }
}

TEST_F(SpoolMissing, ASegmentThatWasRemovedWithAllDeliveredIsNotReadWhenSomebodyPutsItBack) {
  PutAll();
  End(End::kStopped);
  const std::string bytes = world_->Content(kSegment);
  world_->Open();
  for (const SpoolRange& record : Records()) Deliver(record);
  ASSERT_FALSE(world_->disk.Open(kSegment).ok()) << "all of it is delivered";
  for (int restart = 0; restart < 2; ++restart) {
    world_->Open();
    EXPECT_THAT(Missing(), IsEmpty());
    world_->Put("other");
  }
  world_->spool.reset();
  PutBack(kSegment, bytes);
  for (int restart = 0; restart < 2; ++restart) {
    world_->Open();
    EXPECT_THAT(world_->spool->Stats().stray_segments, ElementsAre(kSegment));
    EXPECT_THAT(world_->ReadAll(), ElementsAre("other", "other"));
    EXPECT_EQ(world_->Content(kSegment), bytes) << "it is somebody's evidence";
  }
  TakeAway(kSegment);
  world_->Open();
  EXPECT_THAT(world_->spool->Stats().stray_segments, IsEmpty());
  EXPECT_THAT(Missing(), IsEmpty());
}

TEST_F(SpoolMissing, OneThatWasGivenUpIsNotReadWhenItIsFoundAfterAll) {
  PutAll();
  Deliver(Records()[0]);
  End(End::kKilled);
  const std::string bytes = TakeAway(kSegment);
  world_->Open();
  ASSERT_THAT(Missing(), ElementsAre(kSegment));
  world_->spool.reset();
  PutBack(kSegment, "");
  world_->Open();
  EXPECT_THAT(Missing(), IsEmpty());
  world_->Open();
  world_->spool.reset();
  PutBack(kSegment, bytes);
  world_->Open();
  EXPECT_THAT(world_->ReadAll(), IsEmpty());
  EXPECT_THAT(world_->spool->Stats().stray_segments, ElementsAre(kSegment));
}

// Given up while it runs, or before a start: what is found later may be the only copy.
TEST_F(SpoolMissing, OneThatWasGivenUpAndReadAsDamageIsNotRemovedWhenItIsFound) {
  for (const uint64_t journal_bytes : {uint64_t{1}, SpoolOptions().journal_bytes}) {
    for (const enum End how : {End::kKilled, End::kStopped}) {
      Renew();
      world_->options.journal_bytes = journal_bytes;
      world_->Open();
      PutAll();
      world_->spool->Stop();  // its end is known
      world_->spool.reset();
      const std::string bytes = TakeAway(kSegment);
      PutBack(kSegment, "");
      world_->Open();
      EXPECT_THAT(world_->ReadAll(), IsEmpty());
      for (const UnsealedRange& one : world_->spool->UnsealedRanges()) Deliver(one.range);
      ASSERT_FALSE(world_->disk.Open(kSegment).ok());
      End(how);
      PutBack(kSegment, bytes);
      for (int restart = 0; restart < 2; ++restart) {
        world_->Open();
        EXPECT_THAT(world_->spool->Stats().stray_segments, ElementsAre(kSegment));
        EXPECT_EQ(world_->Content(kSegment), bytes);
      }
    }
  }
}

// What is answered afterwards must not go to a file that has no name any more.
TEST_F(SpoolMissing, OneThatVanishesUnderARunningCollectorIsToldAndNotWrittenTo) {
  PutAll();
  const std::string bytes = TakeAway(kSegment);
  world_->spool->LookAtFiles();
  EXPECT_THAT(Missing(), ElementsAre(kSegment));
  EXPECT_EQ(world_->Put("later"), SpoolAnswer::kKept);
  EXPECT_TRUE(world_->disk.Open("/var/spool/segment-2").ok());
  const auto read = world_->spool->Read(world_->spool->UnsealedRanges().front().range,
                                        SpoolWorld::kOffsetMaxForTests, [](const SpoolRecord&) {});
  EXPECT_THAT(read.status().message(), HasSubstr(kSegment + " is gone"));
  world_->spool->LookAtFiles();
  EXPECT_THAT(Missing(), ElementsAre(kSegment));
  PutBack(kSegment, bytes);
  world_->spool->LookAtFiles();
  EXPECT_THAT(Missing(), IsEmpty());
  EXPECT_THAT(world_->ReadAll(), ElementsAre("first", "second", "third", "later"));
}

// What is sealed of it is delivered from the cluster's staging: then nothing of it is missed.
TEST_F(SpoolMissing, OneThatIsMissedAtTheStartIsMissedNoLongerWhenAllOfItIsSettled) {
  PutAll();
  const SpoolPlan plan{.intents = {{.stream = "clicks", .final_path = "f"}}};
  const Result<SpoolCut> cut = world_->spool->AddCut(Records(), plan);
  ASSERT_TRUE(cut.ok());
  End(End::kStopped);
  TakeAway(kSegment);
  world_->Open();
  EXPECT_THAT(Missing(), ElementsAre(kSegment));
  const std::vector<SpoolCut> open = world_->spool->OpenCuts();
  ASSERT_THAT(open, SizeIs(1));
  ASSERT_TRUE(world_->spool->Settle(std::vector<uint64_t>{open[0].intents[0].id}).ok());
  world_->spool->LookAtFiles();
  EXPECT_THAT(Missing(), IsEmpty());
}

// The flushing thread begins segments, the delivering one removes them, a third looks.
TEST_F(SpoolMissing, NoneIsMissedThatIsRemovedWhileOthersAreBegunAndLookedFor) {
  constexpr int kSegments = 1'000;
  world_->options.segment_bytes = 1;  // one for each flush
  world_->machine = &world_->disk;
  world_->Open();
  std::atomic<bool> ended = false;
  Thread deliverer("deliverer", [&] {
    while (!ended || !world_->spool->UnsealedRanges().empty()) {
      for (const UnsealedRange& one : world_->spool->UnsealedRanges()) {
        EXPECT_TRUE(world_->spool->AddCut({one.range}, {}).ok());
      }
    }
  });
  Thread watcher("watcher", [&] {
    while (!ended) {
      world_->spool->LookAtFiles();
      EXPECT_THAT(Missing(), IsEmpty());
      EXPECT_THAT(world_->spool->Stats().stray_segments, IsEmpty());
    }
  });
  for (int i = 0; i < kSegments; ++i) world_->Put("message");
  ended = true;
  deliverer.Join();
  watcher.Join();
  world_->Open();
  EXPECT_THAT(Missing(), IsEmpty());
}

// The copy lacks nothing then, and what is acknowledged later must not go to the file that is gone.
TEST_F(SpoolMissing, NothingIsAcknowledgedInAFileThatWasRemovedAndReplaced) {
  PutAll();
  PutBack(kSegment, TakeAway(kSegment));
  EXPECT_EQ(world_->Put("into the old file"), SpoolAnswer::kTryLater);
  EXPECT_EQ(world_->Put("later"), SpoolAnswer::kKept);
  EXPECT_THAT(world_->ReadAll(), ElementsAre("first", "second", "third", "later"));
}

// It still has a name, but none under which anybody looks for it.
TEST_F(SpoolMissing, OneThatWasMovedAwayIsNotWrittenToAgainAlsoWhenItIsBack) {
  PutAll();
  ASSERT_TRUE(world_->disk.Rename(kSegment, "/var/spool/away").ok());
  world_->spool->LookAtFiles();
  EXPECT_THAT(Missing(), ElementsAre(kSegment));
  const std::string bytes = world_->Content("/var/spool/away");
  PutBack(kSegment, bytes);
  world_->spool->LookAtFiles();
  EXPECT_THAT(Missing(), IsEmpty());
  EXPECT_EQ(world_->Put("later"), SpoolAnswer::kKept);
  EXPECT_EQ(world_->Content(kSegment), bytes);
  EXPECT_THAT(world_->ReadAll(), ElementsAre("first", "second", "third", "later"));
}

TEST_F(SpoolMissing, WhatIsPutThereOrTakenAwayWhileItRunsIsSeenAtTheNextLook) {
  PutAll();
  End(End::kStopped);
  const std::string bytes = TakeAway(kSegment);
  world_->Open();
  PutBack(kSegment, bytes);
  world_->spool->LookAtFiles();
  EXPECT_THAT(Missing(), IsEmpty());
  EXPECT_THAT(world_->spool->Stats().returned_segments, ElementsAre(kSegment));
  world_->Open();
  EXPECT_THAT(world_->spool->Stats().returned_segments, IsEmpty());
  for (const SpoolRange& record : Records()) Deliver(record);
  PutBack(kSegment, bytes);
  PutBack("/var/spool/damaged/segment-9-32", "piece");
  world_->spool->LookAtFiles();
  EXPECT_THAT(world_->spool->Stats().stray_segments, ElementsAre(kSegment));
  EXPECT_EQ(world_->spool->Stats().damaged_files, 1u);
  TakeAway(kSegment);
  TakeAway("/var/spool/damaged/segment-9-32");
  world_->spool->LookAtFiles();
  EXPECT_THAT(world_->spool->Stats().stray_segments, IsEmpty());
  EXPECT_EQ(world_->spool->Stats().damaged_files, 0u);
}

TEST_F(SpoolMissing, ASegmentThatTheSpoolItselfRemovesIsNotMissed) {
  PutAll();
  world_->Open();
  for (const SpoolRange& record : Records()) Deliver(record);
  world_->spool->LookAtFiles();
  EXPECT_THAT(Missing(), IsEmpty());
}

// The journal as version 2 wrote it: it does not say which segments there are, nor where they end.
void WriteAsVersionTwo(SpoolWorld& world, uint64_t incarnation) {
  SpoolChange change;
  {
    const auto journal = Journal::Open(world.disk, {world.options.dir, incarnation});
    ASSERT_TRUE(journal.ok()) << journal.status().ToString();
    change = (*journal)->Look([](const SpoolState& state) { return state.Snapshot(); });
  }
  change.begun.clear();
  std::erase_if(change.voids, [](const SpoolRange& range) { return range.end == kOffsetMax; });
  const std::string body = EncodeAsVersionTwo(change);
  uint64_t number = 0;
  for (const std::string& name : world.Names(world.options.dir)) {
    if (!name.starts_with("journal-")) continue;
    number = 1 + *NumberInName(name, "journal-");
    ASSERT_TRUE(world.disk.Remove(world.options.dir + "/" + name).ok());
  }
  std::string seed;
  PutU64(seed, incarnation);
  PutU64(seed, number);
  std::string file;
  for (int copy = 0; copy < 2; ++copy) {
    std::string header;
    PutU32(header, 0x4c4a4244);
    PutU32(header, 2);
    PutU64(header, 1);
    PutU64(header, file.size());
    PutU32(header, static_cast<uint32_t>(body.size()));
    PutU32(header, Crc32c(body));
    PutU32(header, 0);
    PutU32(header, Crc32c(header, Crc32c(seed)));
    file += header + body;
  }
  const auto made = world.disk.Create(JournalPath(world.options.dir, number));
  const std::string_view parts[] = {file};
  ASSERT_TRUE((*made)->Append(parts).ok());
  ASSERT_TRUE((*made)->Sync().ok());
  ASSERT_TRUE(world.disk.SyncDir(world.options.dir).ok());
}

TEST_F(SpoolMissing, ASpoolOfTheVersionBeforeIsOpenedAndItsSegmentsAreMissedFromThenOn) {
  world_->options.segment_bytes = 1;  // one for each flush
  world_->Open();
  PutAll();
  const uint64_t incarnation = *ParseSender(world_->spool->identity().incarnation);
  Deliver(Records()[1]);
  world_->spool.reset();
  WriteAsVersionTwo(*world_, incarnation);
  world_->Open();
  EXPECT_THAT(Missing(), IsEmpty()) << "the second was removed, all of it delivered";
  EXPECT_THAT(world_->spool->Stats().stray_segments, IsEmpty());
  EXPECT_THAT(world_->ReadAll(), UnorderedElementsAre("first", "third"));
  world_->spool.reset();
  TakeAway(kSegment);
  world_->Open();
  EXPECT_THAT(Missing(), ElementsAre(kSegment));
}

// As that version did: what is freed of it has a gap.
TEST_F(SpoolMissing, ASegmentThatTheVersionBeforeWouldMissIsMissed) {
  PutAll();
  const uint64_t incarnation = *ParseSender(world_->spool->identity().incarnation);
  Deliver(Records()[1]);
  world_->spool.reset();
  WriteAsVersionTwo(*world_, incarnation);
  const std::string bytes = TakeAway(kSegment);
  for (int restart = 0; restart < 2; ++restart) {
    world_->Open();
    EXPECT_THAT(Missing(), ElementsAre(kSegment));
  }
  world_->spool.reset();
  PutBack(kSegment, bytes);
  world_->Open();
  EXPECT_THAT(world_->ReadAll(), UnorderedElementsAre("first", "third"));
}

// As an operator leaves it who has nothing to put back.
TEST_F(SpoolMissing, OfWhatIsSetAsideItIsToldHowMuchIsMissing) {
  for (const std::string& message : kMessages) {
    world_->Put(message);
    world_->Open();  // each has a segment of its own, or two
  }
  const std::vector<SpoolRange> records = Records();
  ASSERT_THAT(records, SizeIs(3));
  const auto path = [&](size_t i) { return SegmentPath(world_->options.dir, records[i].segment); };
  world_->SetContent(path(0), "");
  const std::string bytes = world_->Content(path(1));
  world_->SetContent(path(1), bytes.substr(0, records[1].begin + 10));
  for (int restart = 0; restart < 2; ++restart) {
    if (restart > 0) world_->Open();
    EXPECT_THAT(world_->ReadAll(), ElementsAre("third"));
    EXPECT_EQ(world_->spool->Stats().damaged_files, 2u);
    const uint64_t all = records[0].end - records[0].begin + records[1].end - records[1].begin;
    EXPECT_EQ(world_->spool->Stats().damaged_missing_bytes, all - 10);
    world_->spool->LookAtFiles();
    EXPECT_EQ(world_->spool->Stats().damaged_missing_bytes, all - 10);
  }
  ASSERT_TRUE(world_->disk
                  .Remove(world_->options.dir + "/damaged/segment-" +
                          std::to_string(records[0].segment) + "-" +
                          std::to_string(records[0].begin))
                  .ok());
  world_->spool->LookAtFiles();
  EXPECT_EQ(world_->spool->Stats().damaged_missing_bytes, records[1].end - records[1].begin - 10);
}

TEST_F(SpoolMissing, WhatIsSetAsideIsNotReplacedByLess) {
  const std::string dir = world_->options.dir;
  PutBack(dir + "/whole", "evidence");
  PutBack(dir + "/less", "evid");
  for (const char* name : {"/whole", "/less"}) {
    const auto from = world_->disk.Open(dir + name);
    ASSERT_TRUE(SetAside(world_->disk, **from, {0, 8}, Blank::kDamage, {dir, "aside"}).ok());
    EXPECT_EQ(world_->Content(dir + "/aside"), "evidence");
  }
}

}  // namespace
}  // namespace databus
