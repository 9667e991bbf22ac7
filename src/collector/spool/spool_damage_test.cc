#include <gmock/gmock.h>

#include "base/crc32c.h"
#include "collector/spool/files.h"
#include "collector/spool/format.h"
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
  EXPECT_THAT(status.message(), HasSubstr("segment-1: segment of version 9"));
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

}  // namespace
}  // namespace databus
