#include "commit/record.h"

#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "commit/manifest.h"

namespace databus {
namespace {

rc::Gen<RecordedMove> AnyMove() {
  const auto any = rc::gen::build<RecordedMove>(
      rc::gen::set(&RecordedMove::kind,
                   rc::gen::element(MoveKind::kMinuteDir, MoveKind::kFile, MoveKind::kManifest,
                                    MoveKind::kQueueEntry, MoveKind::kTrash)),
      rc::gen::set(&RecordedMove::staged), rc::gen::set(&RecordedMove::to),
      rc::gen::set(&RecordedMove::length), rc::gen::set(&RecordedMove::crc32c));
  return rc::gen::map(any, [](RecordedMove move) {
    if (move.kind == MoveKind::kTrash) move.copy_number = std::exchange(move.length, 0);
    return move;
  });
}

rc::Gen<CleanUp> AnyCleanUp() {
  return rc::gen::build<CleanUp>(rc::gen::set(&CleanUp::cluster), rc::gen::set(&CleanUp::remove),
                                 rc::gen::set(&CleanUp::trash));
}

RC_GTEST_PROP(RecordTest, AnyRecordComesBack, ()) {
  const auto record = *rc::gen::build<Record>(
      rc::gen::set(&Record::number), rc::gen::set(&Record::amendment),
      rc::gen::set(&Record::moves, rc::gen::container<std::vector<RecordedMove>>(AnyMove())),
      rc::gen::set(&Record::clean_ups, rc::gen::container<std::vector<CleanUp>>(AnyCleanUp())));
  const auto read = Record::Decode(record.Encode(), "here");
  RC_ASSERT(read.ok());
  RC_ASSERT(*read == record);
}

template <typename Decode, typename Same>
void DamageEveryByte(const std::string& text, const Decode& decode, const Same& same) {
  for (size_t i = 0; i < text.size(); ++i) {
    for (const int flip : {1, 2, 0x20, 0x80, 0xFF}) {
      std::string damaged = text;
      damaged[i] = static_cast<char>(damaged[i] ^ flip);
      const auto read = decode(damaged);
      EXPECT_TRUE(!read.ok() || same(*read)) << "byte " << i << " flipped by " << flip;
    }
    EXPECT_FALSE(decode(text.substr(0, i)).ok()) << "cut to " << i;
  }
}

TEST(RecordTest, DamagedAtAnyByteIsNeverTakenForAnotherRecord) {
  const Record record{7,
                      1,
                      {{MoveKind::kMinuteDir, "d1", "streams_local/clicks/2031/05/06/10/58", 0, 0},
                       {MoveKind::kFile, "c2~c1~x.gz", "streams_local/clicks/x.gz", 9, 0xABCDEF}},
                      {{"dc2", "system/consumers/dc1/x", ""}}};
  DamageEveryByte(
      record.Encode(), [](const std::string& text) { return Record::Decode(text, "here"); },
      [&](const Record& read) { return read == record; });
}

// As earlier versions wrote it, and read it.
TEST(RecordTest, TheNumberOfACopyIsWrittenInThePlaceOfTheLength) {
  Record record;
  record.moves = {{.kind = MoveKind::kTrash, .staged = "c2", .to = "t", .copy_number = 7},
                  {MoveKind::kFile, "f7", "x.gz", 9, 0xAB}};
  const std::string text = record.Encode();
  EXPECT_THAT(text, testing::HasSubstr("\ntrash c2 t 7 00000000\n"));
  EXPECT_THAT(text, testing::HasSubstr("\nfile f7 x.gz 9 000000ab\n"));
  EXPECT_EQ(*Record::Decode(text, "here"), record);
}

TEST(RecordTest, UnknownLinesAreRefused) {
  EXPECT_EQ(Record::Decode("databus-record 1\nend 00000000\n", "here").code(), Code::kCorrupt);
  EXPECT_EQ(Record::Decode("", "here").code(), Code::kCorrupt);
}

RC_GTEST_PROP(StagedNameTest, AnyClaimComesBack, (uint64_t number)) {
  const auto part =
      rc::gen::container<std::string>(rc::gen::elementOf(std::string("abcXYZ019._-")));
  const std::string collector = *part;
  const std::string data_name = *part;
  const auto name = staged::Parse(staged::ClaimName(number, collector, data_name));
  RC_ASSERT(name.kind == staged::Kind::kClaim);
  RC_ASSERT(name.number == number);
  RC_ASSERT(name.collector == collector);
  RC_ASSERT(name.data_name == data_name);
}

TEST(StagedNameTest, EveryKindComesBackAndNothingElseIsTakenForOne) {
  using staged::Kind;
  EXPECT_EQ(staged::Parse(staged::FileName(5)).kind, Kind::kFile);
  EXPECT_EQ(staged::Parse(staged::MinuteDirName(5)).kind, Kind::kMinuteDir);
  EXPECT_EQ(staged::Parse(staged::PurgedName(5)).kind, Kind::kPurged);
  EXPECT_EQ(staged::Parse(staged::PendingName(5)).kind, Kind::kPending);
  const auto record = staged::Parse(staged::RecordName(5, 2));
  EXPECT_EQ(record.kind, Kind::kRecord);
  EXPECT_EQ(record.number, 5U);
  EXPECT_EQ(record.amendment, 2U);
  for (const char* name : {"", "f", "f5x", "fx", "record-5", "record-.1", "record-5.", "pending-",
                           "c5", "c5~a", "d-1", "x 1", "r7", "foreign-3", "record-5.0.tmp", "5"}) {
    EXPECT_EQ(staged::Parse(name).kind, Kind::kUnknown) << name;
  }
}

rc::Gen<ManifestFile> AnyFile() {
  const auto identity = rc::gen::build<FileIdentity>(rc::gen::set(&FileIdentity::cluster),
                                                     rc::gen::set(&FileIdentity::incarnation),
                                                     rc::gen::set(&FileIdentity::counter));
  const auto maybe = rc::gen::oneOf(
      rc::gen::just(std::optional<FileIdentity>()),
      rc::gen::map(identity, [](FileIdentity one) { return std::optional(std::move(one)); }));
  return rc::gen::build<ManifestFile>(
      rc::gen::set(&ManifestFile::length), rc::gen::set(&ManifestFile::crc32c),
      rc::gen::set(&ManifestFile::messages), rc::gen::set(&ManifestFile::identity, maybe));
}

RC_GTEST_PROP(ManifestTest, AnyManifestComesBack, ()) {
  Manifest manifest;
  manifest.view = *rc::gen::element(View::kLocal, View::kMerged);
  manifest.group = *rc::gen::inRange<Group>(0, 1000);
  manifest.minute = Minute(*rc::gen::inRange<int64_t>(0, 4'000'000'000));
  manifest.primary = *rc::gen::arbitrary<std::string>();
  manifest.streams = *rc::gen::container<std::map<std::string, MinuteFiles>>(
      rc::gen::arbitrary<std::string>(),
      rc::gen::container<MinuteFiles>(rc::gen::arbitrary<std::string>(), AnyFile()));
  const auto read = Manifest::Decode(manifest.Encode(), "here");
  RC_ASSERT(read.ok());
  RC_ASSERT(read->minute == manifest.minute);
  RC_ASSERT(read->view == manifest.view);
  RC_ASSERT(read->group == manifest.group);
  RC_ASSERT(read->primary == manifest.primary);
  RC_ASSERT(read->streams == manifest.streams);
}

TEST(ManifestTest, DamagedAtAnyByteIsNeverTakenForAnotherOne) {
  Manifest manifest;
  manifest.minute = Minute(1'000'000);
  manifest.streams["clicks"]["a.gz"] = {10, 0x1234, 3, FileIdentity{"dc1", "0011", 5}};
  manifest.streams["clicks"]["b.gz"] = {11, 0xABCDEF01, 0, std::nullopt};
  manifest.streams["orders"];
  const std::string text = manifest.Encode();
  DamageEveryByte(
      text, [](const std::string& damaged) { return Manifest::Decode(damaged, "here"); },
      [&](const Manifest& read) { return read.Encode() == text; });
}

TEST(ManifestTest, TheDigestTellsNamesLengthsAndChecksumsApart) {
  const MinuteFiles files = {{"a.gz", {10, 7, 3, FileIdentity{"dc1", "x", 1}}}};
  EXPECT_EQ(Digest(files), Digest({{"a.gz", {10, 7, 0, std::nullopt}}}));
  EXPECT_NE(Digest(files), Digest({{"b.gz", {10, 7, 3, std::nullopt}}}));
  EXPECT_NE(Digest(files), Digest({{"a.gz", {11, 7, 3, std::nullopt}}}));
  EXPECT_NE(Digest(files), Digest({{"a.gz", {10, 8, 3, std::nullopt}}}));
  EXPECT_NE(Digest(files), Digest({}));
}

}  // namespace
}  // namespace databus
