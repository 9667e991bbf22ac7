#include "cluster/paths.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "cluster/names.h"
#include "cluster/test_generators.h"

namespace databus {
namespace {

Minute At(std::string_view iso) { return *Minute::ParseIso(iso); }

TEST(Paths, AreThoseOfTheOriginalSystem) {
  const Minute minute = At("2031-05-06T10:04Z");
  EXPECT_EQ(paths::DataFile("clicks", "web1", "f"), "data/clicks/web1/f");
  EXPECT_EQ(paths::Hour(View::kLocal, "clicks", minute), "streams_local/clicks/2031/05/06/10");
  EXPECT_EQ(paths::MinuteFile(View::kMerged, "clicks", minute, "f"),
            "streams/clicks/2031/05/06/10/04/f");
  EXPECT_EQ(paths::Consumers("dc1"), "system/consumers/dc1");
  EXPECT_EQ(paths::Mirrors("dc2"), "system/mirrors/dc2");
  EXPECT_EQ(paths::TrashHour(minute.Start()), "system/trash/2031-05-06/10");
}

TEST(Paths, OfOurOwnAreBelowSystem) {
  const Minute minute = At("2031-05-06T10:04Z");
  EXPECT_EQ(paths::ClusterId(), "system/cluster-id");
  EXPECT_EQ(paths::EpochStaging(View::kLocal, 3, 12), "system/tmp/local/3/12");
  EXPECT_EQ(paths::FencedStaging(View::kMerged, 3, 12), "system/tmp/streams/3/12.fenced");
  EXPECT_EQ(paths::CollectorStaging("web1"), "system/tmp/data/web1");
  EXPECT_EQ(paths::Sealed("web1"), "system/sealed/web1");
  EXPECT_EQ(paths::Quarantine(View::kLocal, "clicks"), "system/quarantine/local/clicks");
  EXPECT_EQ(paths::StatusFile("worker-1"), "system/status/worker-1.json");
  EXPECT_EQ(paths::Leases(), "system/leases");
  EXPECT_EQ(paths::Manifest(View::kLocal, 3, minute, ""),
            "system/manifests/local/3/2031/05/06/10/04");
  EXPECT_EQ(paths::Manifest(View::kMerged, 3, minute, "dc1"),
            "system/manifests/streams/3/2031/05/06/10/04-dc1");
}

TEST(Paths, SplitWhatJoinJoins) {
  EXPECT_EQ(paths::Join("a/b", "c"), "a/b/c");
  EXPECT_EQ(paths::Join("", "c"), "c");
  EXPECT_EQ(paths::Join("a", ""), "a");
  EXPECT_EQ(paths::Parent("a/b/c"), "a/b");
  EXPECT_EQ(paths::Parent("a"), "");
  EXPECT_EQ(paths::BaseName("a/b/c"), "c");
  EXPECT_EQ(paths::BaseName("a"), "a");
}

TEST(View, HasTwoNames) {
  EXPECT_EQ(ParseViewName("local"), View::kLocal);
  EXPECT_EQ(ParseViewName("streams"), View::kMerged);
  EXPECT_EQ(ParseViewName("streams_local"), std::nullopt);
}

// Groups are agreed on by every process of an installation, for ever.
TEST(Group, IsCrc32cOfTheNameModGroups) {
  EXPECT_EQ(GroupOf("123456789", 16), 0xE3069283u % 16);
  EXPECT_EQ(GroupOf("123456789", 1), 0u);
}

rc::Gen<paths::MinutePath> MinutePathGen() {
  return rc::gen::build<paths::MinutePath>(
      rc::gen::set(&paths::MinutePath::view, rc::gen::element(View::kLocal, View::kMerged)),
      rc::gen::set(&paths::MinutePath::stream, NameGen()),
      rc::gen::set(&paths::MinutePath::minute, MinuteGen()),
      rc::gen::set(&paths::MinutePath::file,
                   rc::gen::oneOf(rc::gen::just(std::string()), NameGen())));
}

std::string TextOf(const paths::MinutePath& path) {
  return paths::MinuteFile(path.view, path.stream, path.minute, path.file);
}

RC_GTEST_PROP(MinutePath, ComesBackFromItsText, ()) {
  const auto path = *MinutePathGen().as("path");
  RC_PRE(ValidateStreamName(path.stream).ok());
  RC_ASSERT(paths::ParseMinutePath(TextOf(path)) == path);
}

RC_GTEST_PROP(QueueLine, IsUnderstoodBehindAnyRoot, ()) {
  const auto path = *MinutePathGen().as("path");
  const auto root = *rc::gen::element<std::string>(
      "", "hdfs://nn:8020/databus/", "file:///streams/databus/", "file:///a//b/streams_local/x/",
      "hdfs://nn/streams_local/streams/2031/05/06/10/", "/");
  RC_ASSERT(paths::ParseQueueLine(root + TextOf(path)) == path);
}

TEST(QueueLine, SlashesMayBeDoubledOrTrail) {
  const paths::MinutePath directory{View::kMerged, "clicks", At("2031-05-06T10:04Z"), ""};
  EXPECT_EQ(paths::ParseQueueLine("file:///d//streams//clicks/2031/05/06//10/04//"), directory);
  paths::MinutePath file = directory;
  file.file = "c-clicks-2031-05-06-10-04_00001.gz";
  EXPECT_EQ(paths::ParseQueueLine("hdfs://nn:8020//databus/streams/clicks//2031/05/06/10/04/"
                                  "c-clicks-2031-05-06-10-04_00001.gz"),
            file);
}

TEST(QueueLine, WithoutMinutePathIsNothing) {
  for (const std::string_view line :
       {"", "/", "streams", "streams/clicks", "streams/clicks/2031/05/06/10", "clicks/2031/05/06",
        "streams/clicks/2031/05/06/10/60", "streams/clicks/2031/05/06/10/04x",
        "streams/clicks/2031/05/06/10/04/a/b", "streams/../2031/05/06/10/04",
        "streams/clicks/2031/05/06/10/04/..", "streams/clicks/2031/05/06/10/04/a\r",
        "mystreams/clicks/2031/05/06/10/04", "data/clicks/2031/05/06/10/04"}) {
    EXPECT_FALSE(paths::ParseQueueLine(line)) << line;
  }
  EXPECT_FALSE(paths::ParseQueueLine(std::string_view("streams/s/2031/05/06/10/04/a\0b", 30)));
}

// Half of the lines are a correct one with some bytes replaced, so that some are nearly right.
RC_GTEST_PROP(QueueLine, AnyBytesAreParsedOrRefused, ()) {
  std::string line =
      *rc::gen::oneOf(rc::gen::arbitrary<std::string>(), rc::gen::map(MinutePathGen(), TextOf));
  for (const auto& [at, byte] :
       *rc::gen::resize(3, rc::gen::arbitrary<std::vector<std::pair<size_t, char>>>())) {
    if (!line.empty()) line[at % line.size()] = byte;
  }
  const auto parsed = paths::ParseQueueLine(line);
  if (parsed) RC_ASSERT(paths::ParseMinutePath(TextOf(*parsed)) == parsed);
}

RC_GTEST_PROP(QueueEntryName, ComesBackFromItsText, (Group group, uint64_t epoch, uint64_t n)) {
  const paths::QueueEntryName name{group, epoch, n};
  RC_ASSERT(paths::QueueEntryName::Parse(name.ToString()) == name);
}

TEST(JoinedEntryName, HoldsTheNameOfTheYoungestWhateverItIs) {
  for (const std::string last : {"3.17.42", "src_uj1_via_ua2_mirrorto_uh1_clicks_1346828530000",
                                 "yet_to_be_moved_1346828530000", "a~b", "a~3-x"}) {
    const paths::JoinedEntryName name{last, 11, "0123456789abcdef"};
    EXPECT_EQ(name.ToString(), last + "~11-0123456789abcdef");
    EXPECT_EQ(paths::JoinedEntryName::Parse(name.ToString()), name);
    EXPECT_FALSE(paths::QueueEntryName::Parse(name.ToString())) << "it is no entry of a commit";
  }
  for (const char* name :
       {"3.17.42", "~3-0123456789abcdef", "a~-0123456789abcdef", "a~03-0123456789abcdef",
        "a~3-0123456789abcde", "a~3-0123456789abcdeF", "a~3", "a~3-0123456789abcdef0", ""}) {
    EXPECT_FALSE(paths::JoinedEntryName::Parse(name)) << name;
  }
}

TEST(QueueEntryName, ForeignEntriesAreNotOurs) {
  for (const std::string_view name :
       {"", "1", "1.2", "1.2.3.4", "1..3", "01.2.3", "1.2.x", "1.2.-3", "1.2.3 ", "+1.2.3",
        "databus-2031-05-06-10-04", "4294967296.2.3", "1.2.18446744073709551616"}) {
    EXPECT_FALSE(paths::QueueEntryName::Parse(name)) << name;
  }
  EXPECT_TRUE(paths::QueueEntryName::Parse("0.0.0"));
}

RC_GTEST_PROP(AnnouncementName, ComesBackFromItsText, (Group group, uint64_t number)) {
  const paths::AnnouncementName name{group, number};
  RC_ASSERT(paths::AnnouncementName::Parse(name.ToString()) == name);
}

TEST(AnnouncementName, AnythingElseIsNotOne) {
  for (const std::string_view name : {"", "1", "1.2.3", "1.02", "1.x", "1.2.tmp"}) {
    EXPECT_FALSE(paths::AnnouncementName::Parse(name)) << name;
  }
}

RC_GTEST_PROP(TrashName, RoundTrips, (uint64_t epoch, uint64_t number, uint64_t bytes)) {
  const paths::TrashName name{"a-b", "clicks-2031-05-06-10-57_00000", epoch, number, bytes};
  RC_ASSERT(paths::TrashName::Parse(name.ToString()) == name);
}

TEST(TrashName, FitsIntoADirectoryEntryForTheLongestNames) {
  const std::string longest(kNameBytesMax, 'a');
  const std::string data_name = DataFileName{longest, Minute(30'000'000), 99'999, true}.ToString();
  const paths::TrashName name{longest, data_name, 9'999, 999'999, 999'999'999};
  EXPECT_LE(name.ToString().size(), 255u);
}

TEST(TrashName, NamesOfTheOriginalAreNone) {
  for (const std::string_view name :
       {"", "c1-clicks-2031-05-06-10-57_00000", "a~b~1~2", "a~b~1-2", "a~b~1-2~x", "a~b~1-2~3~4"}) {
    EXPECT_FALSE(paths::TrashName::Parse(name)) << name;
  }
}

TEST(FailoverJournalName, IsAnIdAndARevision) {
  using paths::FailoverJournalName;
  const FailoverJournalName name{"20310506T100405Z-planned-dc.1-dc2", 12};
  EXPECT_EQ(name.ToString(), "20310506T100405Z-planned-dc.1-dc2.12.json");
  EXPECT_EQ(FailoverJournalName::Parse(name.ToString()), name);
  for (const char* other :
       {"", ".json", "x.json", "x.0.json", "x.07.json", ".1.json", "..1.json", ".x.1.json", "x.1",
        "x.1.json.tmp", "x.-1.json", "x.18446744073709551616.json"}) {
    EXPECT_FALSE(FailoverJournalName::Parse(other)) << other;
  }
}

TEST(StagingName, IsAnEpochOrAFencedEpoch) {
  const auto open = paths::ParseStagingName("12");
  ASSERT_TRUE(open);
  EXPECT_EQ(open->epoch, 12u);
  EXPECT_FALSE(open->fenced);
  const auto fenced = paths::ParseStagingName("12.fenced");
  ASSERT_TRUE(fenced);
  EXPECT_EQ(fenced->epoch, 12u);
  EXPECT_TRUE(fenced->fenced);
  for (const std::string_view name : {"", ".fenced", "012", "12.fenced.fenced", "12.", "new-1"}) {
    EXPECT_FALSE(paths::ParseStagingName(name)) << name;
  }
}

}  // namespace
}  // namespace databus
