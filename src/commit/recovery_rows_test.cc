// The rows of the recovery table that no single fault leads to, each from a situation of its own.
#include <functional>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/crc32c.h"
#include "cluster/names.h"
#include "commit/cluster_id.h"
#include "commit/manifest.h"
#include "commit/minute_content.h"
#include "commit/originals.h"
#include "commit/record.h"
#include "commit/test_world.h"

namespace databus {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string LocalFile(const std::string& stream, const std::string& name) {
  return paths::MinuteFile(View::kLocal, stream, StartMinute(), name);
}

// The paths below `top` that are files.
std::vector<std::string> Files(World& world, const std::string& top) {
  std::vector<std::string> files;
  for (const auto& [path, content] : ReadTree(world.dc1, top)) {
    if (path.back() != '/') files.push_back(path);
  }
  return files;
}

void Overwrite(World& world, const std::string& path, const std::string& content) {
  ASSERT_TRUE(world.dc1.Remove(path).ok()) << path;
  ASSERT_TRUE(world.dc1.WriteFile(path, content).ok()) << path;
}

// The path below the staging directories that contains `part`.
std::string StagedPath(World& world, const std::string& part) {
  for (const std::string& path : Files(world, paths::Tmp())) {
    if (path.find(part) != std::string::npos) return path;
  }
  ADD_FAILURE() << "nothing staged is named " << part;
  return "";
}

void CrashIn(Process& process, Verb verb, const std::string& part, const Fault& fault) {
  process.plan().Add({.verb = verb, .path_part = part, .fault = fault});
  EXPECT_THROW(static_cast<void>(process.Publish(StartMinute())), Crash);
}

void ExpectOk(const Status& status) { EXPECT_TRUE(status.ok()) << status.ToString(); }

void SameFileTwice(World& world) {
  Process process(world);
  ExpectOk(process.Open());
  const std::string bytes = SealedBytes("clicks", {"dc1", "00000000000000aa", 1});
  for (int i = 0; i < 2; ++i) {
    const auto file = process.Stage("clicks", "c1-clicks-1.gz", bytes);
    ASSERT_TRUE(file.ok());
    const auto report = process.writer().Publish(RequestOf({*file}), StartMinute());
    ASSERT_TRUE(report.ok()) << report.status().ToString();
    EXPECT_EQ(report->published.size(), i == 0 ? 1U : 0U);
  }
  EXPECT_THAT(Files(world, paths::Stream(View::kLocal, "clicks")),
              ::testing::ElementsAre(LocalFile("clicks", "c1-clicks-1.gz")));
  EXPECT_EQ(Files(world, paths::Consumers("dc1")).size(), 1U) << "told once";
  EXPECT_THAT(process.Incidents(), IsEmpty());
}

void OtherFileInPlace(World& world) {
  Process process(world);
  world.Deliver("clicks", "c1", StartMinute(), 1);
  ExpectOk(process.Publish(StartMinute()));
  const auto file = process.Stage("clicks", "new.gz", "ours");
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE(world.dc1.WriteFile(LocalFile("clicks", "new.gz"), "theirs").ok());
  const auto report = process.writer().Publish(RequestOf({*file}), StartMinute());
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  const std::string beside = fmt::format("other-{:08x}-new.gz", file->facts.crc32c);
  ASSERT_EQ(report->published.size(), 1U);
  EXPECT_EQ(report->published[0].name, beside);
  EXPECT_EQ(*world.dc1.ReadFile(LocalFile("clicks", beside)), "ours");
  EXPECT_EQ(*world.dc1.ReadFile(LocalFile("clicks", "new.gz")), "theirs");
  const Tree queues = ReadTree(world.dc1, paths::Consumers("dc1"));
  EXPECT_THAT(queues, Contains(::testing::Pair(::testing::_, HasSubstr(beside))));
  EXPECT_THAT(queues,
              ::testing::Not(Contains(::testing::Pair(::testing::_, HasSubstr("/new.gz")))));
  EXPECT_THAT(process.Incidents(), Contains(HasSubstr("is taken by another file")));
}

// P11: of a stream whose directories cannot be made, the files wait; the others go on.
void FileWhereAnHourShouldBe(World& world) {
  const std::string in_the_way = paths::Join(paths::Stream(View::kLocal, "clicks"), "2031");
  ASSERT_TRUE(world.dc1.MakeDir(paths::Stream(View::kLocal, "clicks")).ok());
  ASSERT_TRUE(world.dc1.WriteFile(in_the_way, "").ok());
  world.Deliver("clicks", "c1", StartMinute(), 1);
  world.Deliver("orders", "c1", StartMinute(), 1);
  Process process(world);
  ExpectOk(process.Publish(StartMinute()));
  EXPECT_EQ(Files(world, paths::Stream(View::kLocal, "orders")).size(), 1U);
  EXPECT_THAT(StagedPath(world, "~clicks-"), HasSubstr("~c1~"));
  EXPECT_THAT(Files(world, paths::Quarantine(View::kLocal, "clicks")), IsEmpty());
  EXPECT_THAT(process.writer().refused_minutes().at("clicks"),
              HasSubstr("2031 is not a directory"));
  for (const auto& [path, content] : ReadTree(world.dc1, paths::Consumers("dc1"))) {
    EXPECT_THAT(content, ::testing::Not(HasSubstr("clicks"))) << path;
  }
  ExpectOk(process.Close(StartMinute() + 2));
  ASSERT_TRUE(world.dc1.Remove(in_the_way).ok());
  ExpectOk(process.Publish(StartMinute() + 2));
  EXPECT_EQ(Files(world, paths::Stream(View::kLocal, "clicks")).size(), 1U);
}

// The same, when its holder has died meanwhile.
void FileWhereAMinuteShouldBe(World& world) {
  const std::string in_the_way = paths::MinuteDir(View::kLocal, "clicks", StartMinute());
  {
    Process process(world);
    world.Deliver("clicks", "c1", StartMinute() + -1, 1);
    ExpectOk(process.Publish(StartMinute() + -1));
    ASSERT_TRUE(world.dc1.WriteFile(in_the_way, "").ok());
    world.Deliver("clicks", "c1", StartMinute(), 2);
    world.Deliver("orders", "c1", StartMinute(), 2);
    ExpectOk(process.Publish(StartMinute()));
    EXPECT_EQ(Files(world, paths::Stream(View::kLocal, "orders")).size(), 1U);
    ExpectOk(process.Close(StartMinute() + 2));
  }
  ASSERT_TRUE(world.dc1.Remove(in_the_way).ok());
  Process next(world);
  ExpectOk(next.Open());
  EXPECT_THAT(Files(world, paths::Quarantine(View::kLocal, "clicks")), IsEmpty());
  ExpectOk(next.Publish(StartMinute() + 2));
  EXPECT_EQ(Files(world, paths::MinuteDir(View::kLocal, "clicks", StartMinute() + 2)).size(), 1U);
}

void DirectoriesWhereManifestAndQueueEntryShouldBe(World& world) {
  Process process(world);
  world.Deliver("clicks", "c1", StartMinute(), 1);
  ASSERT_TRUE(process.Take().ok());
  ASSERT_TRUE(world.dc1.MakeDir(paths::Consumers("dc2")).ok());
  const uint64_t epoch = process.writer().staging().epoch();
  for (uint64_t n = 1; n < 20; ++n) {
    const std::string name = paths::QueueEntryName{0, epoch, n}.ToString();
    ASSERT_TRUE(world.dc1.MakeDir(paths::Join(paths::Consumers("dc2"), name)).ok());
  }
  ExpectOk(process.Publish(StartMinute()));
  EXPECT_EQ(Files(world, paths::Consumers("dc2")).size(), 1U);
  const std::string manifest = paths::Manifest(View::kLocal, 0, StartMinute() + 1, "");
  ExpectOk(process.Close(StartMinute() + 1));
  ASSERT_TRUE(world.dc1.MakeDir(manifest).ok());
  // Nor is a directory taken for a closed minute when the next holder looks.
  ExpectOk(process.Open());
  EXPECT_EQ(process.writer().OwnLedger().closed, StartMinute());
  ExpectOk(process.Close(StartMinute() + 2));
  EXPECT_TRUE(Manifest::Decode(*world.dc1.ReadFile(manifest), "").ok());
  EXPECT_THAT(process.Incidents(), Contains(HasSubstr("something that is not ours")));
}

void MinuteDirectoryMadeBySomebody(World& world) {
  Process process(world);
  world.Deliver("clicks", "c1", StartMinute() + -1, 1);
  ExpectOk(process.Publish(StartMinute() + -1));
  ASSERT_TRUE(world.dc1.MakeDir(paths::MinuteDir(View::kLocal, "clicks", StartMinute())).ok());
  world.Deliver("clicks", "c1", StartMinute(), 2);
  ExpectOk(process.Publish(StartMinute()));
  EXPECT_EQ(Files(world, paths::Stream(View::kLocal, "clicks")).size(), 2U);
}

// Its claims are published as unrecorded ones.
void DamagedRecord(World& world) {
  world.Deliver("clicks", "c1", StartMinute(), 1);
  Process dead(world);
  CrashIn(dead, Verb::kRename, "record-", Fault::CrashAfter());
  Overwrite(world, StagedPath(world, "record-"), "databus-record 1\nnumb");
  Process process(world);
  ExpectOk(process.Publish(StartMinute()));
  EXPECT_EQ(Files(world, paths::Stream(View::kLocal, "clicks")).size(), 1U);
  EXPECT_EQ(Files(world, paths::Quarantine(View::kLocal, "unknown")).size(), 2U);
  EXPECT_THAT(process.Incidents(), Contains(HasSubstr("cut short")));
}

// It had published its files and told nobody. The first that finds it dies before it has said so.
void DamagedRecordOfPublishedFiles(World& world) {
  world.Deliver("clicks", "c1", StartMinute(), 1);
  world.Deliver("orders", "c1", StartMinute(), 1);
  Process dead(world);
  CrashIn(dead, Verb::kRename, "consumers", Fault::CrashBefore());
  Overwrite(world, StagedPath(world, "record-"), "databus-record 1\nnumb");
  Process second(world);
  second.plan().Add(
      {.verb = Verb::kRename, .path_part = "consumers", .fault = Fault::CrashBefore()});
  EXPECT_THROW(static_cast<void>(second.Open()), Crash);
  Process third(world);
  third.plan().Add({.verb = Verb::kAppend, .fault = Fault::Full()});
  EXPECT_FALSE(third.Open().ok());
  // What lies in the open minute of one of them cannot be read: all would not be told.
  Process blind(world);
  blind.plan().Add({.verb = Verb::kList,
                    .path_part = "streams_local/clicks",
                    .times = FaultRule::kAlways,
                    .fault = Fault::Denied()});
  EXPECT_THAT(blind.Open().message(), HasSubstr("a commit record is damaged"));
  Process process(world);
  ExpectOk(process.Open());
  for (const char* queue : {"dc1", "dc2"}) {
    for (const char* stream : {"clicks", "orders"}) {
      const auto published = Files(world, paths::Stream(View::kLocal, stream));
      ASSERT_EQ(published.size(), 1U);
      EXPECT_THAT(ReadTree(world.dc1, paths::Consumers(queue)),
                  Contains(::testing::Pair(::testing::_, HasSubstr(published[0] + "\n"))));
    }
  }
  EXPECT_EQ(Files(world, paths::Quarantine(View::kLocal, "unknown")).size(), 2U);
}

void RecordOfANewerVersion(World& world) {
  world.Deliver("clicks", "c1", StartMinute(), 1);
  Process dead(world);
  CrashIn(dead, Verb::kRename, "record-", Fault::CrashAfter());
  const std::string path = StagedPath(world, "record-");
  const std::string text = *world.dc1.ReadFile(path);
  Overwrite(world, path, "databus-record 99\n");
  Process process(world);
  const Status opened = process.Open();
  EXPECT_EQ(opened.code(), Code::kInvalid);
  EXPECT_THAT(opened.message(), HasSubstr("written by a newer Databus"));
  Overwrite(world, StagedPath(world, "record-"), text);
  ExpectOk(process.Publish(StartMinute()));
  EXPECT_EQ(Files(world, paths::Stream(View::kLocal, "clicks")).size(), 1U);
}

void DamagedStagedFile(World& world) {
  world.Deliver("clicks", "c1", StartMinute(), 1);
  world.Deliver("orders", "c1", StartMinute(), 1);
  Process dead(world);
  CrashIn(dead, Verb::kRename, "record-", Fault::CrashAfter());
  Overwrite(world, StagedPath(world, "clicks"), "rotten");
  Process process(world);
  ExpectOk(process.Publish(StartMinute()));
  EXPECT_THAT(Files(world, paths::Stream(View::kLocal, "clicks")), IsEmpty());
  EXPECT_EQ(Files(world, paths::Stream(View::kLocal, "orders")).size(), 1U);
  EXPECT_EQ(Files(world, paths::Quarantine(View::kLocal, "clicks")).size(), 2U);
  for (const auto& [path, content] : ReadTree(world.dc1, paths::Consumers("dc1"))) {
    EXPECT_THAT(content, ::testing::Not(HasSubstr("clicks"))) << path;
  }
}

void AmendAndCrash(World& world, const std::function<void()>& meanwhile) {
  Process dead(world);
  world.Deliver("clicks", "c1", StartMinute(), 1);
  ExpectOk(dead.Publish(StartMinute()));
  world.Deliver("clicks", "c1", StartMinute(), 2);
  const std::string name = "c1-clicks-2031-05-06-10-58_00002.gz";
  ASSERT_TRUE(world.dc1.WriteFile(LocalFile("clicks", name), "theirs").ok());
  CrashIn(dead, Verb::kRemove, "record-", Fault::CrashBefore());
  meanwhile();
  Process process(world);
  ExpectOk(process.Publish(StartMinute()));
  EXPECT_EQ(Files(world, paths::Stream(View::kLocal, "clicks")).size(), 3U);
  EXPECT_EQ(*world.dc1.ReadFile(LocalFile("clicks", name)), "theirs");
  for (const std::string& path : Files(world, paths::Tmp())) ADD_FAILURE() << "left: " << path;
}

void AmendedRecord(World& world) {
  AmendAndCrash(world, [] {});
}

// Then the one before it rules, and comes to the same end.
void DamagedAmendment(World& world) {
  AmendAndCrash(world, [&] { Overwrite(world, StagedPath(world, ".1"), "databus-"); });
}

// A file of an old collector, and its published name.
struct OldFile {
  std::string name;
  std::string published;
};

OldFile DeliverOld(World& world, uint64_t sequence, const std::string& text = "a line\n") {
  const std::string name = DataFileName{"clicks", StartMinute(), sequence, false}.ToString();
  const std::string dir = paths::DataCollector("clicks", "c1");
  ExpectOk(EnsureDirsBelow(world.dc1, paths::Data(), dir));
  ExpectOk(world.dc1.WriteFile(paths::Join(dir, name), text));
  return {name, NameOncePublished("c1", name)};
}

// Adds its copy, and the move of the original, as the local service does.
void AddCopy(Process& process, const Claim& claim, CommitRequest& request) {
  StagingArea& staging = process.writer().staging();
  const uint64_t number = staging.NextNumber();
  const std::string bytes = SealedBytes("clicks", {"dc1", "00000000000000cc", number});
  auto file = process.Stage("clicks", NameOncePublished(claim.collector, claim.data_name), bytes);
  ASSERT_TRUE(file.ok()) << file.status().ToString();
  file->original = claim.staged;
  request.files.push_back(*file);
  const paths::TrashName trash{claim.collector, claim.data_name, staging.epoch(), number, 7};
  request.trashed.push_back(
      {claim.staged, paths::Join(paths::TrashHour(WallTime{}), trash.ToString())});
}

// Adds the late tail of a file in the trash.
void AddTail(Process& process, const paths::TrashName& trashed, const std::string& hour,
             CommitRequest& request) {
  const uint64_t number = process.writer().staging().NextNumber();
  auto file = process.Stage("clicks", NameOfTail(trashed),
                            SealedBytes("clicks", {"dc1", "00000000000000cc", number}));
  ASSERT_TRUE(file.ok()) << file.status().ToString();
  file->original = paths::Join(hour, trashed.ToString());
  request.files.push_back(*file);
  paths::TrashName longer = trashed;
  longer.published_bytes += 5;
  request.clean_ups.push_back({"", file->original, paths::Join(hour, longer.ToString())});
}

// Of three copies one is refused, the others and a late tail are published; then the holder dies,
// and the amendment that says so is damaged. All but the refused one have left the staging
// directory when the next holder looks: they would be published again.
void DamagedAmendmentOfCopies(World& world) {
  const OldFile refused = DeliverOld(world, 1);
  DeliverOld(world, 2);
  DeliverOld(world, 3);
  const std::string hour = paths::TrashHour(WallTime{});
  const paths::TrashName trashed{"c1", "clicks-2031-05-06-10-00_00009", 1, 1, 4};
  ExpectOk(EnsureDirsBelow(world.dc1, paths::TrashRoot(), hour));
  ExpectOk(world.dc1.WriteFile(paths::Join(hour, trashed.ToString()), "old\ntail\n"));
  {
    Process dead(world);
    ExpectOk(dead.Open());
    const auto claims = dead.writer().ClaimFiles(world.InData());
    ASSERT_TRUE(claims.ok());
    CommitRequest request;
    for (const Claim& claim : *claims) AddCopy(dead, claim, request);
    AddTail(dead, trashed, hour, request);
    dead.plan().Add({.verb = Verb::kRename,
                     .path_part = refused.published,
                     .times = FaultRule::kAlways,
                     .fault = Fault::Denied()});
    dead.plan().Add(
        {.verb = Verb::kRename, .path_part = "consumers", .fault = Fault::CrashBefore()});
    EXPECT_THROW(static_cast<void>(dead.writer().Publish(request, StartMinute())), Crash);
  }
  Overwrite(world, StagedPath(world, ".1"), "databus-record 2\nnumb");
  // The first that finds it dies on its way.
  Process second(world);
  second.plan().Add(
      {.verb = Verb::kRename, .path_part = paths::TrashRoot(), .fault = Fault::CrashAfter()});
  EXPECT_THROW(static_cast<void>(second.Open()), Crash);
  // What stands in the view cannot be looked at: the originals wait.
  Process blind(world);
  blind.plan().Add({.verb = Verb::kRead,
                    .path_part = paths::Stream(View::kLocal, "clicks"),
                    .times = FaultRule::kAlways,
                    .fault = Fault::Denied()});
  EXPECT_EQ(blind.Open().code(), Code::kRefused);
  Process process(world);
  ExpectOk(process.Open());
  EXPECT_EQ(Files(world, paths::Stream(View::kLocal, "clicks")).size(), 3U);
  std::vector<std::string> waiting;
  for (const std::string& path : Files(world, process.writer().staging().dir())) {
    if (path.find('~') != std::string::npos) waiting.push_back(path);
  }
  EXPECT_THAT(waiting, ElementsAre(HasSubstr("~" + refused.name)));
  const auto trash = Files(world, paths::TrashRoot());
  EXPECT_EQ(trash.size(), 3U);
  EXPECT_THAT(trash, Contains(HasSubstr("_00009~1-1~9"))) << "its tail would be found again";
  EXPECT_THAT(Files(world, paths::Quarantine(View::kLocal, "unknown")).size(), 2U) << "it is told";
}

void ForeignNamesInStaging(World& world) {
  world.Deliver("clicks", "c1", StartMinute(), 1);
  Process dead(world);
  ExpectOk(dead.Open());
  const std::string own = dead.writer().staging().dir();
  for (const char* file : {"notes", "d7", "r5"}) {
    ASSERT_TRUE(world.dc1.WriteFile(paths::Join(own, file), "").ok());
  }
  for (const char* dir : {"f8", "c9~a~b", "record-1.0", "d10"}) {
    ASSERT_TRUE(world.dc1.MakeDir(paths::Join(own, dir)).ok());
    ASSERT_TRUE(world.dc1.WriteFile(paths::Join(paths::Join(own, dir), "x"), "").ok());
  }
  Process process(world);
  ExpectOk(process.Publish(StartMinute()));
  EXPECT_EQ(Files(world, paths::Stream(View::kLocal, "clicks")).size(), 1U);
  EXPECT_EQ(Files(world, paths::Quarantine(View::kLocal, "unknown")).size(), 14U);
  for (const std::string& path : Files(world, paths::Tmp())) ADD_FAILURE() << "left: " << path;
}

void CleanUpLeftByADeadHolder(World& world) {
  world.Enqueue("a", {world.Deliver("clicks", "c1", StartMinute(), 1)});
  Process first(world, Process::Remote::kAway);
  ExpectOk(first.Publish(StartMinute()));
  EXPECT_EQ(first.writer().PendingCleanUps(), 1U);
  world.Deliver("clicks", "c1", StartMinute(), 2);
  ExpectOk(first.Publish(StartMinute()));  // blocks nothing
  Process second(world);
  ExpectOk(second.Open());
  EXPECT_GE(second.writer().PendingCleanUps(), 1U);
  ExpectOk(second.writer().RetryCleanUps());
  EXPECT_EQ(second.writer().PendingCleanUps(), 0U);
  EXPECT_FALSE(world.dc2.Stat(world.entries.begin()->first).ok());
  for (const std::string& path : Files(world, paths::Tmp())) ADD_FAILURE() << "left: " << path;
}

// A slow taker can get the number of an epoch that was adopted, and is fenced again under that
// name.
void TwoDirectoriesOfOneEpoch(World& world) {
  const std::string adopted = paths::Join(paths::FencedStaging(View::kLocal, 0, 6), "r5");
  const std::string again = paths::FencedStaging(View::kLocal, 0, 5);
  uint64_t sequence = 1;
  for (const std::string& dir : {adopted, again}) {
    ASSERT_TRUE(EnsureDirsBelow(world.dc1, paths::Tmp(), dir).ok());
    const DataFileRef file = world.Deliver("clicks", "c1", StartMinute(), sequence++);
    const std::string staged = staged::ClaimName(1, file.collector, file.name);
    ASSERT_TRUE(world.dc1
                    .Rename(paths::DataFile(file.stream, file.collector, file.name),
                            paths::Join(dir, staged))
                    .ok());
  }
  Process process(world);
  ExpectOk(process.Publish(StartMinute()));
  EXPECT_EQ(Files(world, paths::Stream(View::kLocal, "clicks")).size(), 2U);
  EXPECT_EQ(world.dc1.List(process.writer().staging().dir())->size(), 0U);
}

// What a primary had recorded that is none any more (P33): nothing appears, nothing is lost.
void RecordOfADemotedPrimary(World& world) {
  const std::string dir = paths::EpochStaging(View::kMerged, 0, 5);
  ASSERT_TRUE(EnsureDirsBelow(world.dc1, paths::Tmp(), dir).ok());
  const std::string bytes = SealedBytes("clicks", {"dc1", "00000000000000aa", 1});
  const std::string minute = paths::MinuteDir(View::kMerged, "clicks", StartMinute());
  const std::string entry = paths::Join(paths::Consumers("dc1"), "entry");
  Record record;
  record.number = 3;
  record.moves = {{MoveKind::kMinuteDir, staged::MinuteDirName(2), minute, 0, 0},
                  {MoveKind::kFile, staged::FileName(1), paths::Join(minute, "c1-clicks-1.gz"),
                   bytes.size(), Crc32c(bytes)}};
  record.clean_ups = {{"dc2", entry, ""}};
  ASSERT_TRUE(world.dc1.WriteFile(paths::Join(dir, staged::FileName(1)), bytes).ok());
  ASSERT_TRUE(world.dc1.MakeDir(paths::Join(dir, staged::MinuteDirName(2))).ok());
  ASSERT_TRUE(
      world.dc1.WriteFile(paths::Join(dir, staged::RecordName(3, 0)), record.Encode()).ok());
  ASSERT_TRUE(world.dc2.WriteFile(entry, "its line\n").ok());
  Process process(world, Process::Remote::kReachable, View::kMerged);
  ExpectOk(process.Open());
  EXPECT_THAT(Files(world, paths::ViewRoot(View::kMerged)), IsEmpty());
  EXPECT_THAT(ReadTree(world.dc1, paths::DivergentRoot()),
              Contains(::testing::Pair(HasSubstr("c1-clicks-1.gz"), bytes)));
  EXPECT_TRUE(world.dc2.Stat(entry).ok()) << "a source is gone";
}

// Only one of the streams that its amendment describes: of the other one it stands.
void RecordOfADemotedPrimaryOfOneStream(World& world) {
  world.rules.own = {"views"};
  const std::string dir = paths::EpochStaging(View::kMerged, 0, 5);
  ASSERT_TRUE(EnsureDirsBelow(world.dc1, paths::Tmp(), dir).ok());
  Record record;
  record.number = 3;
  Manifest manifest{View::kMerged, 0, StartMinute(), "", {}};
  const auto stage = [&](const std::string& staged, const std::string& to, MoveKind kind,
                         const std::string& bytes) {
    record.moves.push_back({kind, staged, to, bytes.size(), Crc32c(bytes)});
    ASSERT_TRUE(world.dc1.WriteFile(paths::Join(dir, staged), bytes).ok());
  };
  for (const std::string stream : {"clicks", "views"}) {
    const std::string minute = paths::MinuteDir(View::kMerged, stream, StartMinute());
    ASSERT_TRUE(EnsureDirsBelow(world.dc1, paths::ViewRoot(View::kMerged), minute).ok());
    stage(staged::FileName(stream == "clicks" ? 1 : 2), paths::Join(minute, stream + ".gz"),
          MoveKind::kFile, "bytes of " + stream);
    manifest.streams[stream][stream + ".gz"].length = 1;
  }
  const std::string amendment = paths::ManifestAmendment(View::kMerged, 0, StartMinute(), 1);
  stage(staged::FileName(4), amendment, MoveKind::kManifest, manifest.Encode());
  ASSERT_TRUE(
      world.dc1.WriteFile(paths::Join(dir, staged::RecordName(3, 0)), record.Encode()).ok());
  Process process(world, Process::Remote::kReachable, View::kMerged);
  ExpectOk(process.Open());
  EXPECT_THAT(Files(world, paths::ViewRoot(View::kMerged)).size(), 1U);
  MinuteContent content(world.dc1, View::kMerged, 0);
  EXPECT_TRUE(content.Described("views", StartMinute())->has_value());
  EXPECT_FALSE(content.Described("clicks", StartMinute())->has_value());
}

struct Situation {
  const char* name;
  RecoveryRow row;
  void (*play)(World& world);
};

constexpr Situation kSituations[] = {
    {"SameFileTwice", RecoveryRow::kMoveSourceAndSameThere, &SameFileTwice},
    {"OtherFileInPlace", RecoveryRow::kMoveSourceAndOtherThere, &OtherFileInPlace},
    {"FileWhereAnHourShouldBe", RecoveryRow::kMoveRefused, &FileWhereAnHourShouldBe},
    {"FileWhereAMinuteShouldBe", RecoveryRow::kMoveRefused, &FileWhereAMinuteShouldBe},
    {"DirectoriesWhereManifestAndQueueEntryShouldBe", RecoveryRow::kForeignInTheWay,
     &DirectoriesWhereManifestAndQueueEntryShouldBe},
    {"MinuteDirectoryMadeBySomebody", RecoveryRow::kMinuteDirThere, &MinuteDirectoryMadeBySomebody},
    {"DamagedRecord", RecoveryRow::kRecordDamaged, &DamagedRecord},
    {"DamagedRecordOfPublishedFiles", RecoveryRow::kRecordDamaged, &DamagedRecordOfPublishedFiles},
    {"RecordOfANewerVersion", RecoveryRow::kRecordFound, &RecordOfANewerVersion},
    {"DamagedStagedFile", RecoveryRow::kRecordedFileDamaged, &DamagedStagedFile},
    {"RecordOfADemotedPrimary", RecoveryRow::kRecordOfDemoted, &RecordOfADemotedPrimary},
    {"RecordOfADemotedPrimaryOfOneStream", RecoveryRow::kRecordOfDemoted,
     &RecordOfADemotedPrimaryOfOneStream},
    {"AmendedRecord", RecoveryRow::kRecordSuperseded, &AmendedRecord},
    {"DamagedAmendment", RecoveryRow::kRecordDamaged, &DamagedAmendment},
    {"DamagedAmendmentOfCopies", RecoveryRow::kRecordDamaged, &DamagedAmendmentOfCopies},
    {"ForeignNamesInStaging", RecoveryRow::kUnknownName, &ForeignNamesInStaging},
    {"TwoDirectoriesOfOneEpoch", RecoveryRow::kClaimWithoutRecord, &TwoDirectoriesOfOneEpoch},
    {"CleanUpLeftByADeadHolder", RecoveryRow::kPendingFound, &CleanUpLeftByADeadHolder},
};

// Two files of one name: the one that is refused waits, and not the other one.
TEST(OriginalsTest, OfTwoFilesOfOneNameTheRefusedOneWaits) {
  World world;
  Process process(world);
  ExpectOk(process.Open());
  CommitRequest request;
  for (const std::string text : {"first\n", "second\n"}) {
    DeliverOld(world, 1, text);
    const auto claims = process.writer().ClaimFiles(world.InData());
    ASSERT_TRUE(claims.ok());
    for (const Claim& claim : *claims) AddCopy(process, claim, request);
  }
  // The second gets a name beside the first's.
  process.plan().Add({.verb = Verb::kRename,
                      .path_part = "00000000000000cc-c1-",
                      .times = FaultRule::kAlways,
                      .fault = Fault::Denied()});
  const std::string second = request.files[1].original;
  const auto report = process.writer().Publish(std::move(request), StartMinute());
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  ASSERT_EQ(report->refused.size(), 1U);
  EXPECT_EQ(report->refused[0].staged, second);
  EXPECT_EQ(*world.dc1.ReadFile(process.writer().staging().PathOf(second)), "second\n");
  const auto trash = Files(world, paths::TrashRoot());
  ASSERT_EQ(trash.size(), 1U);
  EXPECT_EQ(*world.dc1.ReadFile(trash[0]), "first\n");
}

// A list of what could not be cleaned up is the new holder's, to be tried again, as soon as it is
// made.
TEST(RecoveredTest, ARecordWhoseSourceIsAwayLeavesWhatIsTriedAgain) {
  World world;
  world.Enqueue("a", {world.Deliver("clicks", "c1", StartMinute(), 1)});
  Process dead(world);
  CrashIn(dead, Verb::kRename, "record-", Fault::CrashAfter());
  Process process(world, Process::Remote::kAway);
  ExpectOk(process.Open());
  EXPECT_EQ(process.writer().PendingCleanUps(), 1U);
}

class SituationTest : public ::testing::TestWithParam<Situation> {};

TEST_P(SituationTest, EndsAsItsRowOfTheTableSays) {
  World world;
  GetParam().play(world);
  EXPECT_GT(world.rows.Hits(GetParam().row), 0U);
  // Whatever was found, the group goes on.
  world.Deliver("views", "c1", StartMinute() + 3, 9);
  Process next(world);
  ExpectOk(next.Publish(StartMinute() + 3));
  EXPECT_EQ(Files(world, paths::Stream(View::kLocal, "views")).size(), 1U);
}

INSTANTIATE_TEST_SUITE_P(Rows, SituationTest, ::testing::ValuesIn(kSituations),
                         [](const auto& situation) { return situation.param.name; });

TEST(RecoveryTableTest, HasEveryRowInItsPlaceAndEachIsReachedByATest) {
  std::set<RecoveryRow> reached = RowsOfOneFault();
  for (const Situation& situation : kSituations) reached.insert(situation.row);
  for (size_t i = 0; i < kRecoveryTable.size(); ++i) {
    EXPECT_EQ(static_cast<size_t>(kRecoveryTable[i].row), i);
    EXPECT_TRUE(reached.contains(kRecoveryTable[i].row)) << kRecoveryTable[i].found;
  }
}

}  // namespace
}  // namespace databus
