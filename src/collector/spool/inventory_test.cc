// What a spool's directory is said to hold.
#include "collector/spool/inventory.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/sync.h"
#include "collector/spool/files.h"
#include "collector/spool/journal.h"
#include "collector/spool/spool_test_world.h"

namespace databus {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

const std::string kDir = "/var/spool";
const std::string kSegment = "/var/spool/segment-1";

class InventoryTest : public testing::Test {
 protected:
  InventoryTest() { world_.Open(); }

  SpoolInventory Look(ReadDepth depth = ReadDepth::kBodies) {
    Result<SpoolInventory> inventory = ReadInventory(world_.disk, kDir, depth);
    EXPECT_TRUE(inventory.ok()) << inventory.status().ToString();
    return inventory.ok() ? *std::move(inventory) : SpoolInventory{};
  }
  std::vector<SpoolRange> Records() {
    std::vector<SpoolRange> records;
    for (const UnsealedRange& unsealed : world_.spool->UnsealedRanges()) {
      EXPECT_TRUE(world_.spool
                      ->Read(unsealed.range, SpoolWorld::kOffsetMaxForTests,
                             [&](const SpoolRecord& one) { records.push_back(one.range); })
                      .ok());
    }
    return records;
  }
  // All files below the spool.
  std::vector<std::pair<std::string, std::string>> Everything() {
    std::vector<std::pair<std::string, std::string>> files;
    for (const std::string& dir : {kDir, kDir + "/damaged", kDir + "/rejected"}) {
      for (const std::string& name : world_.Names(dir)) {
        const std::string path = dir + "/" + name;
        files.emplace_back(path, world_.disk.Open(path).ok() ? world_.Content(path) : "");
      }
    }
    return files;
  }

  SpoolWorld world_;
};

TEST_F(InventoryTest, EachRecordHasTheFateThatTheJournalGivesIt) {
  for (const char* message : {"gone", "sealed", "waits", "new"}) {
    world_.Put(message);
    world_.clock.Advance(Milliseconds(1000));
  }
  const std::vector<SpoolRange> records = Records();
  ASSERT_TRUE(world_.spool->AddCut({records[0]}, {}).ok());
  ASSERT_TRUE(
      world_.spool->AddCut({records[1]}, {.intents = {{.stream = "clicks", .staged_path = "s"}}})
          .ok());
  const WallTime oldest = world_.clock.Wall();
  ASSERT_TRUE(world_.spool->AddCut({records[2]}, {.deferred = {{"clicks", 5, oldest}}}).ok());
  const auto before = Everything();
  // The collector runs, and holds the lock.
  for (const ReadDepth depth : {ReadDepth::kBodies, ReadDepth::kHeaders}) {
    const SpoolInventory inventory = Look(depth);
    EXPECT_THAT(inventory.problems, IsEmpty());
    EXPECT_EQ(inventory.identity->collector, "c1");
    ASSERT_THAT(inventory.segments, SizeIs(1));
    const SegmentInventory& segment = inventory.segments[0];
    EXPECT_EQ(segment.presence, SegmentPresence::kPresent);
    EXPECT_EQ(segment.bytes, records[3].end);
    for (const RecordFate fate : {RecordFate::kDelivered, RecordFate::kSealed,
                                  RecordFate::kHeldBack, RecordFate::kUnsealed}) {
      EXPECT_EQ(segment.Of(fate).records, 1u);
      EXPECT_EQ(segment.Of(fate).messages, 1u);
    }
    EXPECT_EQ(segment.Of(RecordFate::kHeldBack).bytes, records[2].end - records[2].begin);
    EXPECT_THAT(segment.waiting, ElementsAre("clicks"));
    EXPECT_EQ(*segment.newest - *segment.oldest, Milliseconds(3000));
    EXPECT_EQ(segment.damaged_bytes + segment.tail_bytes + segment.missing_bytes, 0u);
    if (depth == ReadDepth::kBodies) {
      EXPECT_THAT(segment.streams, ElementsAre(Pair("clicks", 4)));
    } else {
      EXPECT_THAT(segment.streams, IsEmpty());
    }
    EXPECT_EQ(inventory.deliveries, 1u);
    EXPECT_EQ(inventory.held_back.at("clicks").bytes, 5u);
    EXPECT_EQ(inventory.held_back.at("clicks").oldest, oldest);
  }
  EXPECT_EQ(Everything(), before) << "nothing is written";
}

TEST_F(InventoryTest, WhatIsSetAsideIsShownAndNotCountedAgain) {
  for (const char* message : {"first", "second", "third"}) world_.Put(message);
  const std::vector<SpoolRange> records = Records();
  world_.spool.reset();
  std::string bytes = world_.Content(kSegment);
  bytes[records[1].end - 2] ^= 1;  // in its text
  world_.SetContent(kSegment, bytes);
  const SpoolInventory before = Look();
  EXPECT_EQ(before.segments.at(0).damaged_bytes, records[1].end - records[1].begin);
  EXPECT_THAT(before.pieces, IsEmpty());

  world_.Open();
  const SpoolInventory after = Look();
  EXPECT_THAT(after.problems, IsEmpty());
  EXPECT_EQ(after.segments.at(0).damaged_bytes, 0u);
  ASSERT_THAT(after.pieces, SizeIs(1));
  const PieceInventory& piece = after.pieces[0];
  EXPECT_EQ(piece.place, (PiecePlace{1, records[1].begin}));
  EXPECT_FALSE(piece.may_have_been_cut);
  EXPECT_EQ(piece.summary->suspect_records, 1u);
  EXPECT_EQ(piece.summary->streams.at("clicks").suspect, 1u);
  EXPECT_EQ(piece.summary->whole_messages(), 0u);
}

TEST_F(InventoryTest, APieceOfACutMayHaveBeenDeliveredInPart) {
  world_.Put("first");
  const std::vector<SpoolRange> records = Records();
  const auto cut =
      world_.spool->AddCut(records, {.deferred = {{"clicks", 5, world_.clock.Wall()}}});
  ASSERT_TRUE(cut.ok());
  std::string bytes = world_.Content(kSegment);
  bytes[records[0].end - 2] ^= 1;
  world_.SetContent(kSegment, bytes);
  ASSERT_TRUE(world_.spool->ReadAgain(records[0], [](const SpoolRecord&) {}).ok());
  const SpoolInventory inventory = Look();
  ASSERT_THAT(inventory.pieces, SizeIs(1));
  EXPECT_TRUE(inventory.pieces[0].may_have_been_cut);
}

// Nothing of it is left in any file; the journal knows how far it went, until the segment is done.
TEST_F(InventoryTest, OfAPieceWithoutAByteItIsToldHowMuchIsMissing) {
  for (const char* message : {"first", "second", "third", "fourth"}) world_.Put(message);
  const std::vector<SpoolRange> records = Records();
  world_.spool->Stop();  // notes where the segment ends
  world_.Open();
  ASSERT_TRUE(world_.spool->AddCut({records[3]}, {}).ok());
  const SpoolRange held{1, records[1].begin, records[2].end};
  world_.SetContent(kSegment, world_.Content(kSegment).substr(0, held.begin));
  const SpoolRange rest{1, records[0].begin, held.end};
  ASSERT_TRUE(world_.spool->Read(rest, SpoolWorld::kOffsetMaxForTests, [](const auto&) {}).ok());
  const auto look = [&] {
    const SpoolInventory inventory = Look();
    EXPECT_THAT(inventory.problems, IsEmpty());
    EXPECT_THAT(inventory.pieces, SizeIs(1));
    const PieceInventory piece = inventory.pieces.at(0);
    EXPECT_EQ(piece.place, (PiecePlace{1, held.begin}));
    EXPECT_EQ(piece.summary->bytes, 0u);
    EXPECT_TRUE(piece.may_have_been_cut);
    return piece.missing_bytes;
  };
  EXPECT_EQ(look(), records[3].end - held.begin) << "to where the segment ends";
  const auto cut =
      world_.spool->AddCut({rest}, {.deferred = {{.stream = "clicks", .bytes = 5, .oldest = {}}}});
  ASSERT_TRUE(cut.ok());
  EXPECT_EQ(look(), held.end - held.begin) << "to where the cut ends";
  ASSERT_TRUE(world_.spool->Resolve(cut->id, {}).ok());
  EXPECT_EQ(look(), std::nullopt) << "the segment is delivered and forgotten";
}

TEST_F(InventoryTest, WhatIsMissingOfAPieceGoesNoFurtherThanToTheNext) {
  for (const char* message : {"first", "second", "third"}) world_.Put(message);
  const std::vector<SpoolRange> records = Records();
  world_.spool->Stop();
  world_.Open();
  world_.SetContent(kSegment, "");
  for (const size_t i : {0, 2}) {
    ASSERT_TRUE(
        world_.spool->Read(records[i], SpoolWorld::kOffsetMaxForTests, [](const auto&) {}).ok());
  }
  const SpoolInventory inventory = Look();
  ASSERT_THAT(inventory.pieces, SizeIs(2));
  EXPECT_EQ(inventory.pieces[0].missing_bytes, records[2].begin - records[0].begin);
  EXPECT_EQ(inventory.pieces[1].missing_bytes, records[2].end - records[2].begin);
}

TEST_F(InventoryTest, SegmentsThatAreGoneOrThereAgainAreTold) {
  world_.options.segment_bytes = 1;  // one for each flush
  world_.Open();
  for (const char* message : {"first", "second", "third"}) world_.Put(message);
  const std::vector<SpoolRange> records = Records();
  const std::string first = SegmentPath(kDir, records[0].segment);
  const std::string second = SegmentPath(kDir, records[1].segment);
  const std::string bytes = world_.Content(first);
  ASSERT_TRUE(world_.spool->AddCut({records[0]}, {}).ok());
  ASSERT_FALSE(world_.disk.Open(first).ok());
  world_.Open();
  world_.spool.reset();
  EXPECT_THAT(Look().segments, SizeIs(2)) << "one that is delivered and removed is not missed";
  ASSERT_TRUE(world_.disk.Remove(second).ok());
  const auto file = world_.disk.Create(first);
  const std::string_view parts[] = {bytes};
  ASSERT_TRUE((*file)->Append(parts).ok());

  const SpoolInventory inventory = Look();
  ASSERT_THAT(inventory.segments, SizeIs(3));
  EXPECT_EQ(inventory.segments[0].presence, SegmentPresence::kStray);
  EXPECT_EQ(inventory.segments[0].Of(RecordFate::kUnknown).messages, 1u);
  EXPECT_EQ(inventory.segments[1].presence, SegmentPresence::kGone);
  EXPECT_EQ(inventory.segments[1].path, second);
  EXPECT_EQ(inventory.segments[1].missing_bytes, records[1].end - records[1].begin);
}

// A collector at work: each message, which has a stream of its own, is sealed when the next one has
// come, and delivered two later. Segments are begun and removed, the journal is written anew.
class AtWork {
 public:
  explicit AtWork(SpoolWorld& world) : world_(world) {}

  // Messages below it were acknowledged.
  int acknowledged() const { return acknowledged_; }
  // Messages from it on are not delivered.
  int delivered() const { return delivered_; }
  bool done() const { return done_; }
  static std::string StreamOf(int message) { return "stream-" + std::to_string(message); }

  void Run(int messages) {
    for (int i = 0; i < messages; ++i) {
      Put(i);
      if (i >= 1) Seal(i - 1);
      if (i >= 3) Deliver(i - 3);
    }
    Seal(messages - 1);
    for (int i = std::max(messages - 3, 0); i < messages; ++i) Deliver(i);
    done_ = true;
  }

 private:
  void Put(int message) {
    EntryList list;
    list.Add(StreamOf(message), std::string(static_cast<size_t>(message % 50), 'x'));
    Frame frame = Frame::Copy(list.bytes());
    const std::string_view entries = frame.bytes();
    EXPECT_EQ(world_.Put({std::move(frame), entries, 1, {}, {}}).answer, SpoolAnswer::kKept);
    acknowledged_ = message + 1;
  }
  // In turn: by an intent, held back, not at all.
  void Seal(int message) {
    if (message % 3 == 2) return;
    SpoolPlan plan;
    if (message % 3 == 0) plan.intents = {{.stream = StreamOf(message)}};
    if (message % 3 == 1) plan.deferred = {{StreamOf(message), 1, world_.clock.Wall()}};
    Cut(message, std::move(plan));
  }
  void Cut(int message, SpoolPlan plan) {
    std::vector<SpoolRange> ranges;
    for (const UnsealedRange& unsealed : world_.spool->UnsealedRanges()) {
      const auto read = world_.spool->Read(
          unsealed.range, SpoolWorld::kOffsetMaxForTests, [&](const SpoolRecord& record) {
            EXPECT_TRUE(ForEachEntry(record.entries, [&](std::string_view stream, auto) {
                          if (stream == StreamOf(message)) ranges.push_back(record.range);
                        }).ok());
          });
      EXPECT_TRUE(read.ok()) << read.status().ToString();
    }
    ASSERT_THAT(ranges, SizeIs(1));
    const auto cut = world_.spool->AddCut(ranges, std::move(plan));
    ASSERT_TRUE(cut.ok()) << cut.status().ToString();
    cuts_[message] = *cut;
  }
  void Deliver(int message) {
    delivered_ = message + 1;
    if (message % 3 == 2) return Cut(message, {});
    const SpoolCut cut = cuts_[message];
    if (!cut.deferred.empty()) {
      EXPECT_TRUE(world_.spool->Resolve(cut.id, {}).ok());
    }
    for (const SpoolIntent& intent : cut.intents) {
      const uint64_t ids[] = {intent.id};
      EXPECT_TRUE(world_.spool->Settle(ids).ok());
    }
  }

  SpoolWorld& world_;
  std::map<int, SpoolCut> cuts_;
  std::atomic<int> acknowledged_ = 0;
  std::atomic<int> delivered_ = 0;
  std::atomic<bool> done_ = false;
};

// What was acknowledged before the look and is not delivered after it is listed, once.
void CheckLook(Disk& disk, const std::string& dir, ReadDepth depth, const AtWork& collector) {
  const int acknowledged = collector.acknowledged();
  const Result<SpoolInventory> inventory = ReadInventory(disk, dir, depth);
  const int delivered = collector.delivered();
  ASSERT_TRUE(inventory.ok()) << inventory.status().ToString();
  EXPECT_THAT(inventory->problems, IsEmpty());
  std::map<std::string, uint64_t, std::less<>> listed;
  uint64_t waiting = 0;
  for (const SegmentInventory& segment : inventory->segments) {
    EXPECT_EQ(segment.presence, SegmentPresence::kPresent) << segment.path;
    EXPECT_EQ(segment.damaged_bytes + segment.missing_bytes, 0u) << segment.path;
    EXPECT_EQ(segment.Of(RecordFate::kUnknown).records, 0u) << segment.path;
    for (const RecordFate fate :
         {RecordFate::kUnsealed, RecordFate::kSealed, RecordFate::kHeldBack}) {
      waiting += segment.Of(fate).messages;
    }
    for (const auto& [stream, messages] : segment.streams) listed[stream] += messages;
  }
  EXPECT_GE(waiting + static_cast<uint64_t>(delivered), static_cast<uint64_t>(acknowledged));
  if (depth == ReadDepth::kHeaders) return;
  for (int i = delivered; i < acknowledged; ++i) {
    EXPECT_EQ(listed[AtWork::StreamOf(i)], 1u) << AtWork::StreamOf(i);
  }
}

void LookBesideOneThatWorks(SpoolWorld& world, int messages) {
  world.options.journal_bytes = 1;
  for (const uint64_t segment_bytes : {1, 600}) {
    world.options.segment_bytes = segment_bytes;
    world.Open();
    AtWork collector(world);
    Thread working("collector", [&] { collector.Run(messages); });
    while (!collector.done() && !testing::Test::HasFailure()) {
      for (const ReadDepth depth : {ReadDepth::kBodies, ReadDepth::kHeaders}) {
        CheckLook(*world.machine, world.options.dir, depth, collector);
      }
    }
    working.Join();
  }
}

TEST_F(InventoryTest, BesideACollectorThatWorksNothingThatWaitsIsMissed) {
  world_.machine = &world_.disk;
  LookBesideOneThatWorks(world_, 300);
}

TEST_F(InventoryTest, BesideACollectorThatWorksOnTheMachinesOwnDiskTheSame) {
  const std::filesystem::path dir = std::filesystem::path(testing::TempDir()) / "inventory_test";
  std::filesystem::remove_all(dir);
  world_.machine = &LocalDisk();
  world_.options.dir = dir.string();
  LookBesideOneThatWorks(world_, 60);
  world_.spool.reset();
  std::filesystem::remove_all(dir);
}

TEST_F(InventoryTest, ASegmentThatIsCutShortMissesItsEnd) {
  world_.Put("first");
  world_.Put("second");
  const std::vector<SpoolRange> records = Records();
  world_.spool->Stop();
  world_.spool.reset();
  world_.SetContent(kSegment, world_.Content(kSegment).substr(0, records[1].begin));
  EXPECT_EQ(Look().segments.at(0).missing_bytes, records[1].end - records[1].begin);
}

TEST_F(InventoryTest, WhatIsBeingWrittenIsNotDamage) {
  world_.Put("first");
  world_.Put("second");
  const std::string bytes = world_.Content(kSegment);
  const uint64_t begin = Records()[1].begin;
  for (size_t size = begin + 1; size < bytes.size(); ++size) {
    world_.SetContent(kSegment, bytes.substr(0, size));
    const SpoolInventory inventory = Look();
    EXPECT_EQ(inventory.segments.at(0).damaged_bytes, 0u);
    EXPECT_EQ(inventory.segments.at(0).tail_bytes, size - begin);
    EXPECT_EQ(inventory.segments.at(0).Of(RecordFate::kUnsealed).messages, 1u);
  }
}

TEST_F(InventoryTest, WithoutIdentityOrJournalTheRestIsShown) {
  world_.Put("first");
  world_.spool.reset();
  const std::string journal = JournalPath(kDir, 1);
  world_.SetContent(journal, "no journal");
  const SpoolInventory damaged = Look();
  EXPECT_THAT(damaged.problems, Contains(HasSubstr(journal + ": damaged")));
  EXPECT_FALSE(damaged.has_journal);
  EXPECT_EQ(damaged.segments.at(0).Of(RecordFate::kUnknown).messages, 1u);

  ASSERT_TRUE(world_.disk.Remove(journal).ok());
  ASSERT_TRUE(world_.disk.Remove(kDir + "/identity").ok());
  const SpoolInventory alone = Look();
  EXPECT_THAT(alone.problems, Contains(HasSubstr("there is no journal")));
  EXPECT_THAT(alone.problems, Contains(HasSubstr("identity")));
  EXPECT_EQ(alone.segments.at(0).Of(RecordFate::kUnknown).messages, 1u)
      << "the segment says whose it is";
}

TEST_F(InventoryTest, WhatDoesNotBelongThereIsNamed) {
  for (const char* path : {"/var/spool/notes", "/var/spool/damaged/old"}) {
    ASSERT_TRUE(world_.disk.Create(path).ok());
  }
  EXPECT_THAT(Look().problems, ElementsAre(HasSubstr("/var/spool/notes: nothing of a spool"),
                                           HasSubstr("/var/spool/damaged/old: not a piece")));
  EXPECT_EQ(ReadInventory(world_.disk, "/var", ReadDepth::kBodies).code(), Code::kNotFound);
  EXPECT_EQ(ReadInventory(world_.disk, "/no", ReadDepth::kBodies).code(), Code::kNotFound);
}

TEST_F(InventoryTest, RejectedEntriesAreCounted) {
  SpoolBatch batch = MakeBatch({"good"});
  batch.rejected = {{"bad/name", "one", "no stream"}, {"bad/name", "two", "no stream"}};
  world_.Put(std::move(batch));
  ASSERT_THAT(Records(), SizeIs(1));
  const SpoolInventory inventory = Look();
  ASSERT_THAT(inventory.rejected, SizeIs(1));
  EXPECT_EQ(inventory.rejected[0].entries, 2u);
}

TEST_F(InventoryTest, AnotherSpoolsSegmentIsNotRead) {
  world_.Put("first");
  world_.spool.reset();
  world_.SetContent("/var/spool/identity", world_.Content("/var/spool/identity"));
  world_.SetContent(kSegment, EncodeSegmentHeader({.incarnation = 5, .segment = 1}));
  EXPECT_THAT(Look().problems, ElementsAre(HasSubstr("belongs to another spool")));
}

}  // namespace
}  // namespace databus
