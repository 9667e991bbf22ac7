#include "cluster/names.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "cluster/test_generators.h"

namespace databus {
namespace {

Minute At(std::string_view iso) { return *Minute::ParseIso(iso); }

TEST(Names, AcceptOneToHundredBytesOfLettersDigitsDotUnderscoreDash) {
  for (const std::string& name : {std::string("a"), std::string("_a-B.9"), std::string("-"),
                                  std::string(kNameBytesMax, 'x')}) {
    EXPECT_TRUE(ValidateStreamName(name).ok()) << name;
    EXPECT_TRUE(ValidateCollectorName(name).ok()) << name;
    EXPECT_TRUE(ValidateClusterName(name).ok()) << name;
  }
}

TEST(Names, HostileOnesAreRefusedWithTheRule) {
  const std::string_view alphabet = "only letters, digits, '.', '_' and '-' are allowed";
  const std::vector<std::pair<std::string, std::string>> hostile = {
      {"", "stream name '': is empty"},
      {".", "stream name '.': begins with '.'"},
      {"..", "stream name '..': begins with '.'"},
      {"a/b", "stream name 'a/b': " + std::string(alphabet)},
      {"a b", "stream name 'a%20b': " + std::string(alphabet)},
      {"a\nb", "stream name 'a%0Ab': " + std::string(alphabet)},
      {std::string("a\0b", 3), "stream name 'a%00b': " + std::string(alphabet)},
      {"caf\xc3\xa9", "stream name 'caf%C3%A9': " + std::string(alphabet)},
      {"\xff", "stream name '%FF': " + std::string(alphabet)}};
  for (const auto& [name, message] : hostile) {
    const Status status = ValidateStreamName(name);
    EXPECT_EQ(status.code(), Code::kInvalid);
    EXPECT_EQ(status.message(), message);
  }
  const std::string message = ValidateClusterName(std::string(101, 'x')).message();
  EXPECT_EQ(message, "cluster name '" + std::string(101, 'x') +
                         "': is 101 bytes long, at most 100 are allowed");
  EXPECT_EQ(ValidateCollectorName("").message(), "collector name '': is empty");
}

TEST(DataFileName, IsWrittenAsScribeWroteIt) {
  const DataFileName name{"my-stream", At("2031-05-06T10:04Z"), 7, false};
  EXPECT_EQ(name.ToString(), "my-stream-2031-05-06-10-04_00007");
}

TEST(DataFileName, SequenceMayHaveAnyNumberOfDigits) {
  EXPECT_EQ(DataFileName::Parse("s", "s-2031-05-06-10-04_1")->sequence, 1u);
  EXPECT_EQ(DataFileName::Parse("s", "s-2031-05-06-10-04_123456.gz")->sequence, 123456u);
  EXPECT_EQ((DataFileName{"s", At("2031-05-06T10:04Z"), 123456, true}).ToString(),
            "s-2031-05-06-10-04_123456.gz");
}

TEST(DataFileName, ItsStreamIsKnownByThePatternFromTheRight) {
  EXPECT_EQ(DataFileName::ParseAny("s-2031-05-06-10-04_1")->stream, "s");
  EXPECT_EQ(DataFileName::ParseAny("s-2031-05-06-10-04_1-2031-05-06-10-04_2.gz")->stream,
            "s-2031-05-06-10-04_1");
  for (const std::string_view text :
       {"", "_1", "2031-05-06-10-04_1", "-2031-05-06-10-04_1", "s-2031-05-06-10-04_x", "s_1"}) {
    EXPECT_EQ(DataFileName::ParseAny(text), std::nullopt) << text;
  }
}

TEST(DataFileName, AnythingElseIsNotOne) {
  for (const std::string_view text :
       {"", "s", "s-", "s_current", "t-2031-05-06-10-04_00001", "s2031-05-06-10-04_00001",
        "s-2031-05-06-10-04_", "s-2031-05-06-10-04", "s-2031-05-06-10-04-00001",
        "s-2031-13-06-10-04_00001", "s-2031-05-06-10-04_00001.bz2", "s-2031-05-06-10-04_0x1",
        "s-2031-05-06-10-04_-1", "s-2031-05-06-10-04_00001.gz.gz", "s-2031-05-06-10-04_ 1",
        "s-2031-05-06-10-04_99999999999999999999", "../s-2031-05-06-10-04_00001"}) {
    EXPECT_FALSE(DataFileName::Parse("s", text)) << text;
  }
  EXPECT_FALSE(DataFileName::Parse("", "-2031-05-06-10-04_00001"));
}

RC_GTEST_PROP(DataFileName, ComesBackFromItsText, ()) {
  const DataFileName name{*NameGen(), *MinuteGen(), *rc::gen::arbitrary<uint64_t>(),
                          *rc::gen::arbitrary<bool>()};
  const auto parsed = DataFileName::Parse(name.stream, name.ToString());
  RC_ASSERT(parsed.has_value());
  RC_ASSERT(*parsed == name);
}

TEST(PublishedFileName, IsFoundByItsStreamWhateverDashesItHolds) {
  const auto name = PublishedFileName::Parse("a-b", "web-a-b-01-a-b-2031-05-06-10-04_00012.gz");
  ASSERT_TRUE(name);
  EXPECT_EQ(name->collector, "web-a-b-01");
  EXPECT_EQ(name->data, (DataFileName{"a-b", At("2031-05-06T10:04Z"), 12, true}));
}

TEST(PublishedFileName, NeedsCollectorStreamAndGzip) {
  for (const std::string_view text :
       {"s-2031-05-06-10-04_00001.gz", "-s-2031-05-06-10-04_00001.gz", "c-s-2031-05-06-10-04_00001",
        "c-t-2031-05-06-10-04_00001.gz", "a/c-s-2031-05-06-10-04_00001.gz",
        "..-s-2031-05-06-10-04_00001.gz", "c s-s-2031-05-06-10-04_00001.gz",
        "c_s-2031-05-06-10-04_00001.gz", "", "_"}) {
    EXPECT_FALSE(PublishedFileName::Parse("s", text)) << text;
  }
}

RC_GTEST_PROP(PublishedFileName, ComesBackFromItsText, ()) {
  PublishedFileName name;
  name.collector = *NameGen();
  name.data = {*NameGen(), *MinuteGen(), *rc::gen::arbitrary<uint64_t>(), true};
  const auto parsed = PublishedFileName::Parse(name.data.stream, name.ToString());
  RC_ASSERT(parsed.has_value());
  RC_ASSERT(*parsed == name);
}

RC_GTEST_PROP(PublishedFileName, AnyBytesAreParsedOrRefused, ()) {
  const auto stream = *rc::gen::arbitrary<std::string>();
  const auto text = *rc::gen::arbitrary<std::string>();
  const auto parsed = PublishedFileName::Parse(stream, text);
  if (parsed) RC_ASSERT(parsed->data.stream == stream);
}

TEST(IgnoredDataName, IsWhatScribeAndWritersLeaveBesideTheData) {
  for (const std::string_view name :
       {"clicks_current", "scribe_stats", "Scribe_STATS", ".tmp", "_tmp"}) {
    EXPECT_TRUE(IsIgnoredDataName(name)) << name;
  }
  for (const std::string_view name : {"", "current", "scribe_stats2", "a.tmp", "clicks_current2"}) {
    EXPECT_FALSE(IsIgnoredDataName(name)) << name;
  }
}

TEST(WorkerProcessName, TellsTheOneThatLeadsFromThoseOfOneProcess) {
  EXPECT_EQ(WorkerProcessName("dc1", WorkerPart::kLeads, "h2", 812), "worker-dc1");
  EXPECT_EQ(WorkerProcessName("dc1", WorkerPart::kShares, "h2", 812), "worker-dc1-share-h2-812");
  EXPECT_EQ(WorkerProcessName("dc1", WorkerPart::kStandsBy, "h2", 812),
            "worker-dc1-standby-h2-812");
  EXPECT_TRUE(IsOfOneWorkerProcess("dc1", "worker-dc1-share-h2-812.json"));
  EXPECT_TRUE(IsOfOneWorkerProcess("dc1", "worker-dc1-standby-h2-812"));
  for (const std::string_view other : {"worker-dc1", "worker-dc1-x", "worker-dc2-share-h2-8", ""}) {
    EXPECT_FALSE(IsOfOneWorkerProcess("dc1", other)) << other;
  }
}

TEST(EscapeWord, MakesOnePrintableWord) {
  EXPECT_EQ(EscapeWord("a-Z_0.9/:+=@,"), "a-Z_0.9/:+=@,");
  EXPECT_EQ(EscapeWord(std::string_view("a b%\n\0\xff", 7)), "a%20b%25%0A%00%FF");
}

RC_GTEST_PROP(EscapeWord, ComesBackFromItsText, (const std::string& bytes)) {
  const std::string word = EscapeWord(bytes);
  RC_ASSERT(word.find_first_of(" \n\r\t") == std::string::npos);
  RC_ASSERT(UnescapeWord(word) == bytes);
}

TEST(UnescapeWord, AcceptsOneSpellingOnly) {
  for (const std::string_view word : {"%", "%2", "%0g", "%ff", "%41", "a b", "\xff", "a%"}) {
    EXPECT_FALSE(UnescapeWord(word)) << word;
  }
  EXPECT_EQ(UnescapeWord(""), "");
}

}  // namespace
}  // namespace databus
