// What is read of pieces of segments: nothing damaged counts as whole, nothing sound is lost.
#include "collector/spool/piece.h"

#include <gmock/gmock.h>

#include <string>
#include <utility>
#include <vector>

#include "collector/spool/spool_test_world.h"
#include "net/batch_id.h"

namespace databus {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const std::string kSegment = "/var/spool/segment-1";
const std::string kPiece = "/piece";
using Texts = std::vector<std::string>;

// What a walk over bytes gives.
struct Walked {
  Texts whole;
  Texts suspect;
  PieceSummary summary;
};

class PieceTest : public testing::Test {
 protected:
  PieceTest() {
    world_.Open();
    incarnation_ = *ParseSender(world_.spool->identity().incarnation);
  }

  // Three records: two messages, one, and one of another stream with a rejected entry.
  std::string MakeSegment() {
    world_.Put(MakeBatch({"first", "second"}));
    world_.Put(MakeBatch({"third"}));
    EntryList list;
    list.Add("views", "fourth");
    Frame frame = Frame::Copy(list.bytes());
    const std::string_view entries = frame.bytes();
    world_.Put({std::move(frame), entries, 1, {}, {{"bad/name", "fifth", "no stream"}}});
    return world_.Content(kSegment);
  }

  Walked Walk(const std::string& bytes, const PiecePlace& place) {
    static_cast<void>(world_.disk.Remove(kPiece));  // there is none the first time
    const auto file = world_.disk.Create(kPiece);
    const std::string_view parts[] = {bytes};
    EXPECT_TRUE((*file)->Append(parts).ok());
    Walked walked;
    const Status status = WalkPiece(**file, place, incarnation_, [&](const PieceRecord& record) {
      const bool whole = record.state == PieceRecord::State::kWhole;
      for (const PieceMessage& message : record.messages) {
        (whole ? walked.whole : walked.suspect)
            .push_back(std::string(message.stream) + ":" + std::string(message.message));
      }
      EXPECT_LT(record.bytes.begin, record.bytes.end);
      walked.summary.Add(record);
    });
    EXPECT_TRUE(status.ok()) << status.ToString();
    return walked;
  }

  SpoolWorld world_;
  uint64_t incarnation_ = 0;
};

const Texts kAll{"clicks:first", "clicks:second", "clicks:third", "views:fourth"};

TEST(PieceName, SaysWhereThePieceLay) {
  EXPECT_EQ(PlaceFromName("segment-7"), (PiecePlace{7, 0}));
  EXPECT_EQ(PlaceFromName("copy-7"), (PiecePlace{7, 0}));
  EXPECT_EQ(PlaceFromName("segment-7-0"), (PiecePlace{7, 0}));
  EXPECT_EQ(PlaceFromName("segment-7-4096"), (PiecePlace{7, 4096}));
  for (const char* name :
       {"", "segment-", "segment-0", "segment-7-", "segment-7-x", "segment-7-01", "segment--7",
        "journal-1", "segment-7.tmp", "segment-7-1-1", "segment-7-99999999999999999999"}) {
    EXPECT_EQ(PlaceFromName(name), std::nullopt) << name;
  }
}

TEST_F(PieceTest, AWholeSegmentAndAnyPartOfItBetweenRecordsIsWhole) {
  const std::string bytes = MakeSegment();
  const Walked all = Walk(bytes, {1, 0});
  EXPECT_EQ(all.whole, kAll);
  EXPECT_THAT(all.suspect, IsEmpty());
  EXPECT_EQ(all.summary.rejected, 1u);
  const size_t second = bytes.find("DBR", kSegmentHeaderBytes + 1);
  EXPECT_THAT(Walk(bytes.substr(second), {1, second}).whole,
              ElementsAre("clicks:third", "views:fourth"));
}

TEST_F(PieceTest, AtAWrongPlaceOrOfAnotherSpoolNothingIsWhole) {
  const std::string bytes = MakeSegment();
  const std::string piece = bytes.substr(kSegmentHeaderBytes);
  EXPECT_THAT(Walk(piece, {1, kSegmentHeaderBytes + 1}).whole, IsEmpty());
  EXPECT_THAT(Walk(piece, {2, kSegmentHeaderBytes}).whole, IsEmpty());
  EXPECT_THAT(Walk(piece, {1, kOffsetMax - piece.size()}).whole, IsEmpty());
  ++incarnation_;
  const Walked foreign = Walk(piece, {1, kSegmentHeaderBytes});
  EXPECT_THAT(foreign.whole, IsEmpty());
  EXPECT_EQ(foreign.suspect, kAll) << "its entries can be recognised all the same";
}

TEST_F(PieceTest, OneThatCannotHaveLainThereIsRefused) {
  const auto file = world_.disk.Create(kPiece);
  const std::string_view parts[] = {"four"};
  ASSERT_TRUE((*file)->Append(parts).ok());
  EXPECT_EQ(SummarisePiece(**file, {1, kOffsetMax - 3}, incarnation_).code(), Code::kInvalid);
}

// A flipped bit costs its record and no other; of that one, all entries but the hit one are found.
TEST_F(PieceTest, AFlippedBitAnywhereNeverPassesForWhole) {
  const std::string bytes = MakeSegment();
  const size_t second = bytes.find("DBR", kSegmentHeaderBytes + 1);
  const size_t third = bytes.find("DBR", second + 1);
  for (size_t at = kSegmentHeaderBytes; at < bytes.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      SCOPED_TRACE(testing::Message() << at << " bit " << bit);
      std::string flipped = bytes;
      flipped[at] = static_cast<char>(flipped[at] ^ (1 << bit));
      Texts left = kAll;
      const auto hit = at < second ? 0 : at < third ? 2 : 3;
      left.erase(left.begin() + hit, left.begin() + hit + (hit == 0 ? 2 : 1));
      const Walked walked = Walk(flipped, {1, 0});
      ASSERT_EQ(walked.whole, left);
      ASSERT_EQ(walked.summary.suspect_records, 1u);
      ASSERT_LE(walked.suspect.size(), kAll.size() - left.size());
      const bool in_header = at - (hit == 0   ? kSegmentHeaderBytes
                                   : hit == 2 ? second
                                              : third) <
                             kRecordHeaderBytes;
      const size_t most = kAll.size() - left.size();
      ASSERT_GE(walked.suspect.size(), in_header ? most : most - 1);
    }
  }
}

TEST_F(PieceTest, TruncationAnywhereNeverPassesForWhole) {
  const std::string bytes = MakeSegment();
  for (size_t size = 0; size <= bytes.size(); ++size) {
    for (size_t begin = 0; begin <= size; begin += begin == 0 ? 1 : 7) {
      const Walked walked = Walk(bytes.substr(begin, size - begin), {1, begin});
      auto at = kAll.begin();
      for (const std::string& message : walked.whole) {
        at = std::find(at, kAll.end(), message);
        ASSERT_NE(at, kAll.end()) << message << " at " << begin << " to " << size;
        ++at;
      }
    }
  }
}

// As a lost sector does: what stands behind it in the same record is found again.
TEST_F(PieceTest, BehindBlankedBytesEntriesAreFoundAgain) {
  Texts messages;
  for (int i = 0; i < 100; ++i) messages.push_back("message-" + std::to_string(i));
  world_.Put(MakeBatch(messages));
  std::string bytes = world_.Content(kSegment);
  const size_t blank = bytes.find("message-30");
  bytes.replace(blank, 64, 64, '\0');
  const Walked walked = Walk(bytes, {1, 0});
  EXPECT_THAT(walked.whole, IsEmpty());
  ASSERT_GE(walked.suspect.size(), 96u);
  EXPECT_EQ(walked.suspect.front(), "clicks:message-0");
  EXPECT_EQ(walked.suspect.back(), "clicks:message-99");
  EXPECT_EQ(walked.summary.unrecognised, 100 - walked.suspect.size());
}

TEST_F(PieceTest, AnEntryInsideOfAMessageIsNotOneOfItsOwn) {
  EntryList inner;
  inner.Add("clicks", "inner");
  world_.Put(MakeBatch({"before" + std::string(inner.bytes()) + "behind", "other"}));
  std::string bytes = world_.Content(kSegment);
  bytes[kSegmentHeaderBytes + 1] ^= 1;
  const Walked walked = Walk(bytes, {1, 0});
  EXPECT_THAT(walked.suspect,
              ElementsAre("clicks:before" + std::string(inner.bytes()) + "behind", "clicks:other"));
}

}  // namespace
}  // namespace databus
