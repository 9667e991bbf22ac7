#include <gmock/gmock.h>

#include <algorithm>

#include "base/crc32c.h"
#include "collector/spool/files.h"
#include "collector/spool/format.h"
#include "collector/spool/journal.h"
#include "collector/spool/spool_test_world.h"

namespace databus {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const std::string kSegment = "/var/spool/segment-1";
const std::string kDamaged = "/var/spool/damaged";
const std::vector<std::string> kMessages{"first", "second", "third"};

// Where the records of segment 1 are.
std::vector<SpoolRange> RecordsOf(SpoolWorld& world) {
  std::vector<SpoolRange> records;
  const auto read =
      world.spool->Read(world.spool->UnsealedRanges().front().range, SpoolWorld::kOffsetMaxForTests,
                        [&](const SpoolRecord& record) { records.push_back(record.range); });
  EXPECT_TRUE(read.ok());
  return records;
}

// Another process begins another segment. "moved" was written last, so it is copied into one more.
void BeginSegment(SpoolWorld& world) {
  world.Put("moved");
  world.Open();
  world.Put("newer");
}

// Where the damaged segment stands at the next start.
enum class Place : uint8_t { kNewest, kOlder };

struct FlipCase {
  size_t at = 0;
  Place place = Place::kNewest;
};

void CheckFlip(const FlipCase& flip) {
  SpoolWorld world;
  world.Open();
  for (const std::string& message : kMessages) world.Put(message);
  const std::vector<SpoolRange> records = RecordsOf(world);
  if (flip.place == Place::kOlder) BeginSegment(world);
  world.spool.reset();
  std::string bytes = world.Content(kSegment);
  bytes[flip.at] ^= 0x10;
  world.SetContent(kSegment, bytes);

  std::vector<std::string> left;
  std::string damaged = bytes.substr(0, kSegmentHeaderBytes);
  std::string name = "segment-1-0";
  for (size_t i = 0; i < records.size(); ++i) {
    if (flip.at < records[i].begin || flip.at >= records[i].end) {
      left.push_back(kMessages[i]);
      continue;
    }
    damaged = bytes.substr(records[i].begin, records[i].end - records[i].begin);
    name = "segment-1-" + std::to_string(records[i].begin);
  }
  if (flip.place == Place::kOlder) left.insert(left.end(), {"moved", "newer"});
  world.Open();
  EXPECT_EQ(world.ReadAll(), left);
  ASSERT_THAT(world.Names(kDamaged), ElementsAre(name));
  EXPECT_EQ(world.Content(kDamaged + "/" + name), damaged);
  EXPECT_EQ(world.spool->Stats().damaged_files, 1u);
}

TEST(SpoolDamage, AFlippedBitAnywhereCostsOneRecordWhichIsSetAside) {
  size_t size = 0;
  {
    SpoolWorld world;
    world.Open();
    for (const std::string& message : kMessages) world.Put(message);
    size = world.Content(kSegment).size();
  }
  for (const Place place : {Place::kNewest, Place::kOlder}) {
    for (size_t at = 0; at < size; ++at) {
      SCOPED_TRACE(at);
      CheckFlip({at, place});
      if (::testing::Test::HasFailure()) return;
    }
  }
}

TEST(SpoolDamage, AFlippedBitAnywhereInTheJournalCostsNothing) {
  for (size_t at = 0;; ++at) {
    SCOPED_TRACE(at);
    SpoolWorld world;
    world.Open();
    world.Put("a");
    const auto range = world.spool->UnsealedRanges()[0].range;
    const auto cut =
        world.spool->AddCut({range}, {.intents = {{.stream = "clicks", .final_path = "f"}}});
    ASSERT_TRUE(cut.ok());
    const std::vector<std::string> streams{"clicks"};
    ASSERT_TRUE(world.spool->NextCounters(streams).ok());
    world.spool.reset();
    std::string bytes = world.Content("/var/spool/journal-1");
    if (at == bytes.size()) return;
    bytes[at] ^= 0x04;
    world.SetContent("/var/spool/journal-1", bytes);
    world.Open();
    ASSERT_THAT(world.spool->OpenCuts(), ElementsAre(*cut));
    ASSERT_GT((*world.spool->NextCounters(streams))[0], 1u);
  }
}

TEST(SpoolDamage, AJournalDamagedTwiceIsRefusedNamingTheFile) {
  SpoolWorld world;
  world.Open();
  const std::vector<std::string> streams{"clicks"};
  ASSERT_TRUE(world.spool->NextCounters(streams).ok());
  const size_t good = world.Content("/var/spool/journal-1").size();
  ASSERT_TRUE(world.spool->NextCounters(std::vector<std::string>{"orders"}).ok());
  world.spool.reset();
  std::string bytes = world.Content("/var/spool/journal-1");
  for (size_t at = good / 2; at < good; ++at) bytes[at] ^= 0x04;
  bytes[good / 2 - 1] ^= 0x04;
  world.SetContent("/var/spool/journal-1", bytes);
  const Status status = world.TryOpen().status();
  EXPECT_EQ(status.code(), Code::kCorrupt);
  EXPECT_THAT(status.message(), HasSubstr("/var/spool/journal-1"));
}

TEST(SpoolDamage, AFlippedBitAnywhereInTheIdentityIsAnErrorNeverAnotherIdentity) {
  for (size_t at = 0;; ++at) {
    SCOPED_TRACE(at);
    SpoolWorld world;
    world.Open();
    const std::string incarnation = world.spool->identity().incarnation;
    world.spool.reset();
    std::string bytes = world.Content("/var/spool/identity");
    if (at == bytes.size()) return;
    bytes[at] ^= 0x04;
    world.SetContent("/var/spool/identity", bytes);
    ASSERT_FALSE(world.TryOpen().ok());
  }
}

TEST(SpoolDamage, ALostIdentityOrJournalIsRefusedNotMadeAnew) {
  for (const std::string lost : {"/var/spool/identity", "/var/spool/journal-1"}) {
    SpoolWorld world;
    world.Open();
    world.Put("a");
    world.spool.reset();
    ASSERT_TRUE(world.disk.Remove(lost).ok());
    EXPECT_EQ(world.TryOpen().code(), Code::kCorrupt) << lost;
  }
}

// Scanning for the next record must not believe what stands inside a message.
TEST(SpoolDamage, ACopyOfARecordInsideAMessageIsNeverTakenForOne) {
  SpoolWorld world;
  world.Open();
  world.Put("a");
  const SpoolRange first = RecordsOf(world)[0];
  const std::string copy = world.Content(kSegment).substr(first.begin, first.end - first.begin);
  world.Put(copy + copy + copy);
  world.Put("c");
  const SpoolRange second = RecordsOf(world)[1];
  world.spool.reset();
  std::string bytes = world.Content(kSegment);
  bytes[second.begin] ^= 1;
  world.SetContent(kSegment, bytes);
  world.Open();
  EXPECT_THAT(world.ReadAll(), ElementsAre("a", "c"));
  EXPECT_THAT(world.Names(kDamaged), SizeIs(1));
}

TEST(SpoolDamage, AHalfWrittenRecordAtTheEndIsATornTailForEver) {
  for (const size_t missing : {1, 30, 70}) {
    SpoolWorld world;
    world.Open();
    world.Put("a");
    world.Put("b", BatchId{9, 1, 1});
    world.spool.reset();
    std::string bytes = world.Content(kSegment);
    bytes.resize(bytes.size() - missing);
    world.SetContent(kSegment, bytes);
    for (int restart = 0; restart < 2; ++restart) {
      world.Open();
      EXPECT_THAT(world.ReadAll(), ElementsAre("a"));
      EXPECT_EQ(world.spool->Stats().torn_tail_bytes > 0, restart == 0);
      EXPECT_EQ(world.spool->MarkOf(9), std::nullopt);
      EXPECT_THAT(world.Names(kDamaged), SizeIs(1));
    }
    EXPECT_EQ(world.Put("b", BatchId{9, 1, 1}), SpoolAnswer::kKept);
  }
}

// The repeat of a record that was written and never synced is answered OK: it must be durable then.
TEST(SpoolDamage, ARecordOfARunKilledBeforeItsSyncIsDurableOnceItIsRecovered) {
  SpoolWorld world;
  world.Open();
  EXPECT_EQ(world.Put("one", BatchId{77, 1, 1}), SpoolAnswer::kKept);
  world.plan.Add({.verb = Verb::kSync, .path_part = "segment-", .fault = Fault::CrashBefore()});
  EXPECT_THROW(world.Put("two", BatchId{77, 2, 2}), Crash);
  world.spool.reset();
  world.machine = &world.disk;
  world.Open();
  EXPECT_EQ(world.Put("two", BatchId{77, 2, 2}), SpoolAnswer::kRepeat);
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    world.spool.reset();
    world.disk.PowerCut(*SeededRandom(seed));
    world.Open();
    EXPECT_THAT(world.ReadAll(), ElementsAre("one", "two"));
  }
}

TEST(SpoolDamage, ASpoolWhoseLastFlushCannotBeCopiedIsNotOpened) {
  SpoolWorld world;
  world.Open();
  world.Put("one");
  world.spool.reset();
  world.plan.Add(
      {.verb = Verb::kSync, .path_part = "copy-", .fault = Fault::Refused(Code::kUnavailable)});
  EXPECT_EQ(world.TryOpen().code(), Code::kUnavailable);
  world.Open();
  EXPECT_THAT(world.ReadAll(), ElementsAre("one"));
}

TEST(SpoolDamage, ATailOfZeroesIsNoDamage) {
  SpoolWorld world;
  world.Open();
  world.Put("a");
  world.spool.reset();
  world.SetContent(kSegment, world.Content(kSegment) + std::string(5'000, '\0'));
  world.Open();
  EXPECT_THAT(world.ReadAll(), ElementsAre("a"));
  EXPECT_THAT(world.Names(kDamaged), IsEmpty());
}

TEST(SpoolDamage, ADamagedStretchLongerThanAReadIsSteppedOver) {
  SpoolWorld world;
  world.Open();
  world.Put("a");
  world.Put(std::string(3 * kReadBytes, 'x'));
  world.Put("c");
  const SpoolRange second = RecordsOf(world)[1];
  // As an older segment only its headers are scanned at the next start.
  world.Open();
  world.Put("d");
  world.spool.reset();
  std::string bytes;
  ASSERT_TRUE((*world.disk.Open(kSegment))->ReadAt(0, 4 * kReadBytes, bytes).ok());
  bytes[second.begin + 3] ^= 1;
  world.SetContent(kSegment, bytes);
  world.Open();
  EXPECT_THAT(world.ReadAll(), ElementsAre("a", "c", "d"));
}

TEST(SpoolDamage, ASegmentOfANewerVersionIsRefusedByName) {
  SpoolWorld world;
  world.Open();
  world.Put("a");
  world.spool.reset();
  std::string bytes = world.Content(kSegment);
  const uint64_t incarnation = 0;
  std::string header = EncodeSegmentHeader({incarnation, 1});
  // The same header, of version 9, with a right checksum.
  header = header.substr(0, kSegmentHeaderBytes - 4);
  header[4] = 9;
  PutU32(header, Crc32c(header));
  bytes.replace(0, kSegmentHeaderBytes, header);
  world.SetContent(kSegment, bytes);
  const Status status = world.TryOpen().status();
  EXPECT_EQ(status.code(), Code::kInvalid);
  EXPECT_THAT(status.message(), HasSubstr("segment-1 cannot be opened: segment of version 9"));
}

TEST(SpoolDamage, ASegmentThatIsMissingUnderAnOpenCutIsReportedAndAllElseIsDelivered) {
  SpoolWorld world;
  world.Open();
  world.Put("sealed");
  const SpoolRange range = world.spool->UnsealedRanges()[0].range;
  const auto cut =
      world.spool->AddCut({range}, {.intents = {{.stream = "clicks", .final_path = "f"}}});
  ASSERT_TRUE(cut.ok());
  world.Put("lost");
  BeginSegment(world);
  world.spool.reset();
  ASSERT_TRUE(world.disk.Remove(kSegment).ok());
  for (int restart = 0; restart < 2; ++restart) {
    world.Open();
    EXPECT_THAT(world.spool->Stats().missing_segments, ElementsAre(kSegment));
    EXPECT_THAT(world.ReadAll(), ElementsAre("moved", "newer"));
    EXPECT_THAT(world.spool->OpenCuts(), ElementsAre(*cut));
  }
  const uint64_t ids[] = {cut->intents[0].id};
  EXPECT_TRUE(world.spool->Settle(ids).ok());
  world.Open();
  // Of "lost" nobody can say that it was delivered.
  EXPECT_THAT(world.spool->Stats().missing_segments, ElementsAre(kSegment));
  EXPECT_EQ(world.Put("next"), SpoolAnswer::kKept);
  EXPECT_THAT(world.ReadAll(), ElementsAre("moved", "newer", "next"));
}

TEST(SpoolDamage, ASegmentThatIsMissingBetweenItsDeliveredPartsIsReported) {
  SpoolWorld world;
  world.Open();
  for (const std::string& message : kMessages) world.Put(message);
  ASSERT_TRUE(world.spool->AddCut({RecordsOf(world)[1]}, {}).ok());
  world.spool.reset();
  ASSERT_TRUE(world.disk.Remove(kSegment).ok());
  world.Open();
  EXPECT_THAT(world.spool->Stats().missing_segments, ElementsAre(kSegment));
}

// The record that proves the sender's last batch is damaged: the batch may come again, and the next
// one is taken as well, because the sender says that it has seen the damaged one acknowledged.
TEST(SpoolDamage, AfterDamageToTheNewestRecordItsSenderGoesOn) {
  for (const Place place : {Place::kNewest, Place::kOlder}) {
    for (const uint64_t next : {2, 3}) {
      SpoolWorld world;
      world.Open();
      for (const uint64_t number : {1, 2}) world.Put("m", BatchId{9, number, number});
      const SpoolRange last = RecordsOf(world)[1];
      if (place == Place::kOlder) BeginSegment(world);
      world.spool.reset();
      std::string bytes = world.Content(kSegment);
      bytes[last.begin] ^= 1;
      world.SetContent(kSegment, bytes);
      world.Open();
      EXPECT_EQ(world.spool->MarkOf(9), 1u);
      EXPECT_EQ(world.Put("next", BatchId{9, next, next}), SpoolAnswer::kKept);
      EXPECT_EQ(world.Put("next", BatchId{9, next, next}), SpoolAnswer::kRepeat);
      EXPECT_THAT(world.ReadAll(), ::testing::Contains("next"));
      EXPECT_THAT(world.Names(kDamaged), SizeIs(1));
    }
  }
}

// What a cut still needs of its ranges.
enum class Needs : uint8_t { kDeferred, kHandOver };

SpoolPlan PlanOf(Needs needs) {
  if (needs == Needs::kDeferred)
    return {.deferred = {{.stream = "clicks", .bytes = 6, .oldest = {}}}};
  return {.intents = {{.stream = {}, .note = "a hand-over"}}};
}

void Close(Spool& spool, const SpoolCut& cut) {
  if (!cut.deferred.empty()) {
    EXPECT_TRUE(spool.Resolve(cut.id, {}).ok());
    return;
  }
  const uint64_t ids[] = {cut.intents[0].id};
  EXPECT_TRUE(spool.Settle(ids).ok());
}

// The last that is not delivered of a segment is damaged, and is held back: the segment stays until
// whoever held it has seen the damage.
TEST(SpoolDamage, ASegmentThatAnOpenCutNamesStaysThoughNothingElseOfItIsReadable) {
  for (const Place place : {Place::kNewest, Place::kOlder}) {
    for (const Needs needs : {Needs::kDeferred, Needs::kHandOver}) {
      for (size_t held = 0; held < kMessages.size(); ++held) {
        SpoolWorld world;
        world.Open();
        for (const std::string& message : kMessages) world.Put(message);
        const std::vector<SpoolRange> records = RecordsOf(world);
        if (place == Place::kOlder) BeginSegment(world);
        const SpoolCut cut = *world.spool->AddCut({records[held]}, PlanOf(needs));
        for (size_t i = 0; i < records.size(); ++i) {
          if (i == held) continue;
          ASSERT_TRUE(world.spool->AddCut({records[i]}, {}).ok());
        }
        world.spool.reset();
        std::string bytes = world.Content(kSegment);
        bytes[records[held].begin] ^= 1;
        world.SetContent(kSegment, bytes);
        for (int restart = 0; restart < 2; ++restart) {
          world.Open();
          ASSERT_THAT(world.spool->OpenCuts(), ElementsAre(cut));
          EXPECT_GT(world.spool->BytesBefore(world.spool->End()), 0u) << "gates see it";
          const auto nothing = [](const SpoolRecord&) { ADD_FAILURE() << "it is damaged"; };
          ASSERT_TRUE(world.spool->ReadAgain(records[held], nothing).ok());
          EXPECT_THAT(world.Names(kDamaged),
                      ElementsAre("segment-1-" + std::to_string(records[held].begin)));
        }
        Close(*world.spool, cut);
        EXPECT_FALSE(world.disk.Open(kSegment).ok());
        world.Open();
        EXPECT_THAT(world.spool->Stats().missing_segments, IsEmpty());
      }
    }
  }
}

// Earlier versions took damage out of a cut's ranges, too.
TEST(SpoolDamage, AVoidUnderAnOpenCutDoesNotFreeItsSegment) {
  SpoolWorld world;
  world.Open();
  for (const std::string& message : kMessages) world.Put(message);
  const std::vector<SpoolRange> records = RecordsOf(world);
  const SpoolCut cut = *world.spool->AddCut({records[1]}, PlanOf(Needs::kDeferred));
  for (const size_t i : {0, 2}) ASSERT_TRUE(world.spool->AddCut({records[i]}, {}).ok());
  const uint64_t incarnation = *ParseSender(world.spool->identity().incarnation);
  world.spool.reset();
  {
    const auto journal = Journal::Open(world.disk, {world.options.dir, incarnation});
    ASSERT_TRUE(journal.ok()) << journal.status().ToString();
    SpoolChange change;
    change.voids.push_back(records[1]);
    ASSERT_TRUE((*journal)->Commit(change).ok());
  }
  world.Open();
  size_t found = 0;
  const auto count = [&](const SpoolRecord&) { ++found; };
  ASSERT_TRUE(world.spool->ReadAgain(records[1], count).ok());
  EXPECT_EQ(found, 1u);
  Close(*world.spool, cut);
  EXPECT_FALSE(world.disk.Open(kSegment).ok());
}

// What is delivered is whole, whatever becomes of its bytes here: nobody needs to look at them.
TEST(SpoolDamage, DamageToWhatIsDeliveredOrSealedIsNoDamage) {
  for (const bool settled : {false, true}) {
    for (size_t at = kSegmentHeaderBytes; at < kSegmentHeaderBytes + 60; ++at) {
      SpoolWorld world;
      world.Open();
      for (const std::string& message : kMessages) world.Put(message);
      const std::vector<SpoolRange> records = RecordsOf(world);
      const SpoolCut cut = *world.spool->AddCut(
          {records[0]}, {.intents = {{.stream = "clicks", .final_path = "f"}}});
      if (settled) Close(*world.spool, cut);
      world.spool.reset();
      std::string bytes = world.Content(kSegment);
      bytes[at] ^= 1;
      world.SetContent(kSegment, bytes);
      world.Open();
      EXPECT_THAT(world.ReadAll(), ElementsAre("second", "third"));
      EXPECT_THAT(world.Names(kDamaged), IsEmpty());
    }
  }
}

// One stretch of damage, of which a part is delivered.
TEST(SpoolDamage, OfADamagedStretchOnlyWhatIsNotCutIsSetAside) {
  SpoolWorld world;
  world.Open();
  for (const std::string& message : kMessages) world.Put(message);
  const std::vector<SpoolRange> records = RecordsOf(world);
  ASSERT_TRUE(world.spool->AddCut({records[0]}, {}).ok());
  world.spool.reset();
  std::string bytes = world.Content(kSegment);
  for (const size_t record : {0, 1}) bytes[records[record].begin] ^= 1;
  world.SetContent(kSegment, bytes);
  world.Open();
  EXPECT_THAT(world.ReadAll(), ElementsAre("third"));
  const std::string name = "segment-1-" + std::to_string(records[1].begin);
  EXPECT_THAT(world.Names(kDamaged), ElementsAre(name));
  EXPECT_EQ(world.Content(kDamaged + "/" + name).size(), records[1].end - records[1].begin);
}

// Behind what is cut, and damaged, a write that never came to its end.
TEST(SpoolDamage, ATailOfZeroesBehindDamageUnderACutIsNoDamage) {
  SpoolWorld world;
  world.Open();
  world.Put("a");
  const SpoolRange only = RecordsOf(world)[0];
  ASSERT_TRUE(world.spool->AddCut({only}, PlanOf(Needs::kDeferred)).ok());
  world.spool.reset();
  std::string bytes = world.Content(kSegment) + std::string(5'000, '\0');
  bytes[only.begin] ^= 1;
  world.SetContent(kSegment, bytes);
  world.Open();
  EXPECT_THAT(world.spool->UnsealedRanges(), IsEmpty());
  EXPECT_THAT(world.Names(kDamaged), IsEmpty());
}

// A disk that gives back zeroes for what was synced has lost it: that is told.
TEST(SpoolDamage, ZeroesInTheMiddleAreDamage) {
  for (const Place place : {Place::kNewest, Place::kOlder}) {
    SpoolWorld world;
    world.Open();
    for (const std::string& message : kMessages) world.Put(message);
    const SpoolRange second = RecordsOf(world)[1];
    if (place == Place::kOlder) BeginSegment(world);
    world.spool.reset();
    std::string bytes = world.Content(kSegment);
    std::fill(bytes.begin() + second.begin, bytes.begin() + second.end, '\0');
    world.SetContent(kSegment, bytes);
    world.Open();
    EXPECT_THAT(world.ReadAll(), ::testing::Not(::testing::Contains("second")));
    EXPECT_THAT(world.Names(kDamaged), ElementsAre("segment-1-" + std::to_string(second.begin)));
  }
}

// A file that has lost its end: what was cut of it says how long it was.
TEST(SpoolDamage, WhatIsMissingAtTheEndOfASegmentIsDamage) {
  for (const Place place : {Place::kNewest, Place::kOlder}) {
    for (const Needs needs : {Needs::kDeferred, Needs::kHandOver}) {
      SpoolWorld world;
      world.Open();
      for (const std::string& message : kMessages) world.Put(message);
      const std::vector<SpoolRange> records = RecordsOf(world);
      if (place == Place::kOlder) BeginSegment(world);
      const SpoolCut cut = *world.spool->AddCut({records[2]}, PlanOf(needs));
      world.spool.reset();
      world.SetContent(kSegment, world.Content(kSegment).substr(0, records[1].begin));
      world.Open();
      EXPECT_THAT(world.ReadAll(), ::testing::Not(::testing::Contains("second")));
      const auto nothing = [](const SpoolRecord&) { ADD_FAILURE() << "it is not there"; };
      ASSERT_TRUE(world.spool->ReadAgain(records[2], nothing).ok());
      EXPECT_EQ(world.spool->Stats().damaged_files, 2u);
      Close(*world.spool, cut);
      EXPECT_THAT(world.spool->OpenCuts(), IsEmpty());
    }
  }
}

// The way out when a segment is gone for good, with what was held back in it.
TEST(SpoolDamage, AnEmptyFileInAMissingSegmentsPlaceEndsTheWaitForIt) {
  for (const Needs needs : {Needs::kDeferred, Needs::kHandOver}) {
    SpoolWorld world;
    world.Open();
    for (const std::string& message : kMessages) world.Put(message);
    const std::vector<SpoolRange> records = RecordsOf(world);
    const SpoolCut cut = *world.spool->AddCut({records[1]}, PlanOf(needs));
    world.spool.reset();
    ASSERT_TRUE(world.disk.Remove(kSegment).ok());
    world.Open();
    EXPECT_THAT(world.spool->Stats().missing_segments, ElementsAre(kSegment));
    EXPECT_FALSE(world.spool->ReadAgain(records[1], [](const SpoolRecord&) {}).ok());
    world.spool.reset();
    ASSERT_TRUE(world.disk.Create(kSegment).ok());
    world.Open();
    EXPECT_THAT(world.spool->Stats().missing_segments, IsEmpty());
    EXPECT_THAT(world.ReadAll(), IsEmpty());
    ASSERT_TRUE(world.spool->ReadAgain(records[1], [](const SpoolRecord&) {}).ok());
    EXPECT_GT(world.spool->Stats().damaged_files, 0u) << "told";
    Close(*world.spool, cut);
    for (const UnsealedRange& left : world.spool->UnsealedRanges()) {
      ASSERT_TRUE(world.spool->AddCut({left.range}, {}).ok());
    }
    world.Open();
    EXPECT_THAT(world.spool->Stats().missing_segments, IsEmpty());
    EXPECT_FALSE(world.disk.Open(kSegment).ok()) << "all of it is done with";
  }
}

// What was delivered of a segment must be known for as long as it may be put back.
TEST(SpoolDamage, AMissingSegmentThatComesBackIsNotDeliveredTwice) {
  SpoolWorld world;
  world.options.journal_bytes = 1;  // written anew at each change
  world.Open();
  for (const std::string& message : kMessages) world.Put(message);
  ASSERT_TRUE(world.spool->AddCut({RecordsOf(world)[1]}, {}).ok());
  world.spool.reset();
  const std::string bytes = world.Content(kSegment);
  ASSERT_TRUE(world.disk.Remove(kSegment).ok());
  for (int restart = 0; restart < 2; ++restart) {
    world.Open();
    EXPECT_THAT(world.spool->Stats().missing_segments, ElementsAre(kSegment));
    for (const std::string& stream : kMessages) {
      ASSERT_TRUE(world.spool->NextCounters(std::vector<std::string>{stream}).ok());
    }
  }
  world.spool.reset();
  const auto back = world.disk.Create(kSegment);
  const std::string_view parts[] = {bytes};
  ASSERT_TRUE((*back)->Append(parts).ok());
  world.Open();
  EXPECT_THAT(world.ReadAll(), ElementsAre("first", "third"));
}

// P22: that a batch is here does not depend on its bytes once it is cut.
TEST(SpoolDamage, ARepeatOfABatchThatIsCutIsKnownThoughItsRecordIsDamaged) {
  for (const Place place : {Place::kNewest, Place::kOlder}) {
    SpoolWorld world;
    world.Open();
    for (const uint64_t number : {1, 2, 3}) world.Put("m", BatchId{9, number, number});
    const std::vector<SpoolRange> records = RecordsOf(world);
    if (place == Place::kOlder) BeginSegment(world);
    ASSERT_TRUE(world.spool->AddCut({records[2]}, {.marks = {{9, 3, world.clock.Wall()}}}).ok());
    ASSERT_TRUE(world.spool->AddCut({records[1]}, {.marks = {{9, 2, world.clock.Wall()}}}).ok());
    world.spool.reset();
    std::string bytes = world.Content(kSegment);
    for (const size_t record : {1, 2}) bytes[records[record].begin] ^= 1;
    world.SetContent(kSegment, bytes);
    for (int restart = 0; restart < 2; ++restart) {
      world.Open();
      EXPECT_EQ(world.spool->MarkOf(9), 3u);
      EXPECT_EQ(world.Put("m", BatchId{9, 3, 3}), SpoolAnswer::kRepeat);
    }
  }
}

}  // namespace
}  // namespace databus
