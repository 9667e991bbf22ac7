#include "commit/group_writer.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "commit/cluster_id.h"
#include "commit/minute_tree.h"
#include "commit/test_world.h"

namespace databus {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class GroupWriterTest : public ::testing::Test {
 protected:
  static void ExpectOk(const Status& status) { EXPECT_TRUE(status.ok()) << status.ToString(); }
  std::vector<Minute> Minutes(const std::string& stream, View view = View::kLocal) {
    return *ListMinutes(world_.dc1, paths::Stream(view, stream), kFirstMinute, kLastMinute);
  }
  std::vector<std::string> Names(const std::string& stream, Minute minute) {
    std::vector<std::string> names;
    for (const DirEntry& entry : *world_.dc1.List(paths::MinuteDir(View::kLocal, stream, minute))) {
      names.push_back(entry.name);
    }
    return names;
  }
  // Publishes a staged file with these bytes.
  Result<CommitReport> PublishBytes(Process& process, const std::string& name,
                                    const std::string& bytes, Minute now) {
    DATABUS_ASSIGN_OR_RETURN(const NewFile file, process.Stage("clicks", name, bytes));
    return process.writer().Publish(RequestOf({file}), now);
  }

  World world_;
  Process process_{world_};
  const Minute start_ = StartMinute();
};

TEST_F(GroupWriterTest, WhenTheClockGoesBackADayFilesGoOnIntoTheOpenMinute) {
  world_.Deliver("clicks", "c1", start_, 1);
  ExpectOk(process_.Publish(start_));
  world_.Deliver("clicks", "c1", start_, 2);
  ExpectOk(process_.Publish(start_ + -1440));
  ExpectOk(process_.Close(start_ + -1440));
  EXPECT_THAT(Minutes("clicks"), ElementsAre(start_));
  EXPECT_THAT(Names("clicks", start_), SizeIs(2));
}

TEST_F(GroupWriterTest, WhenTheClockGoesForwardADayEveryMinuteBetweenIsClosed) {
  world_.Deliver("clicks", "c1", start_, 1);
  ExpectOk(process_.Publish(start_));
  world_.Deliver("clicks", "c1", start_, 2);
  ExpectOk(process_.Publish(start_ + 1440));
  EXPECT_THAT(Minutes("clicks"), SizeIs(1441));
  EXPECT_THAT(*ListManifests(world_.dc1, View::kLocal, 0, "", kFirstMinute, kLastMinute),
              SizeIs(1440));
}

// G5, in a tree where one stream had stopped before the others.
TEST_F(GroupWriterTest, AStreamThatStoppedEarlierGetsTheMinutesBetween) {
  for (const auto& [stream, minute] : {std::pair("clicks", start_ + -5), {"orders", start_}}) {
    ExpectOk(EnsureDirsBelow(world_.dc1, paths::ViewRoot(View::kLocal),
                             paths::MinuteDir(View::kLocal, stream, minute)));
  }
  world_.Deliver("clicks", "c1", start_, 1);
  ExpectOk(process_.Publish(start_));
  EXPECT_THAT(Minutes("clicks"), SizeIs(6));
}

// G5. A batch of moves is done in part when the answer to one is lost.
TEST_F(GroupWriterTest, NoMinuteIsSeenBeforeAnEarlierOneThoughItsRenameIsLost) {
  ExpectOk(EnsureDirsBelow(world_.dc1, paths::ViewRoot(View::kLocal),
                           paths::MinuteDir(View::kLocal, "clicks", start_ + -5)));
  ExpectOk(EnsureDirsBelow(world_.dc1, paths::ViewRoot(View::kLocal),
                           paths::MinuteDir(View::kLocal, "orders", start_)));
  int lost = 0;
  process_.plan().SetCallback([&](const Call& call) {
    const std::vector<Minute> seen = Minutes("clicks");
    EXPECT_EQ(seen.back() - seen.front() + 1, static_cast<int64_t>(seen.size())) << call.to;
    const bool third = call.verb == Verb::kRename &&
                       call.to == paths::MinuteDir(View::kLocal, "clicks", start_ + -3);
    return third && ++lost <= 2 ? Fault::RequestLost() : Fault{};
  });
  world_.Deliver("clicks", "c1", start_, 1);
  ExpectOk(process_.Publish(start_));
  EXPECT_EQ(lost, 3);
  EXPECT_THAT(Minutes("clicks"), SizeIs(6));
}

// Two days, and two streams that lag: no record may grow with the time that was missed.
TEST_F(GroupWriterTest, StreamsThatStoodStillForLongAreBroughtUpInRecordsOfBoundedSize) {
  const std::map<std::string, Minute> newest = {
      {"clicks", start_ + -2880}, {"views", start_ + -1600}, {"orders", start_}};
  for (const auto& [stream, minute] : newest) {
    ExpectOk(EnsureDirsBelow(world_.dc1, paths::ViewRoot(View::kLocal),
                             paths::MinuteDir(View::kLocal, stream, minute)));
  }
  ExpectOk(process_.Open());
  std::set<std::string> dirs;
  size_t most = 0;
  process_.plan().SetCallback([&](const Call& call) {
    const bool record = call.verb == Verb::kRename && call.to.find("/record-") != std::string::npos;
    if (record) dirs.clear();
    if (call.verb == Verb::kRename && paths::ParseMinutePath(call.to)) dirs.insert(call.to);
    most = std::max(most, dirs.size());
    return Fault{};
  });
  world_.Deliver("clicks", "c1", start_, 1);
  ExpectOk(process_.Publish(start_));
  EXPECT_EQ(most, 1500U);
  ExpectOk(process_.Close(start_ + 1));
  EXPECT_EQ(most, 1500U);
  EXPECT_THAT(Minutes("clicks"), SizeIs(2881));
  EXPECT_THAT(Minutes("views"), SizeIs(1601));
  EXPECT_THAT(Names("clicks", start_), SizeIs(1));
}

TEST_F(GroupWriterTest, AnotherFileOfTheSameNameIsPublishedBesideIt) {
  ExpectOk(process_.Open());
  const auto first =
      PublishBytes(process_, "a.gz", SealedBytes("clicks", {"dc1", "00000000000000aa", 1}), start_);
  const auto other =
      PublishBytes(process_, "a.gz", SealedBytes("clicks", {"dc2", "00000000000000bb", 1}), start_);
  const auto foreign = PublishBytes(process_, "a.gz", "foreign", start_);
  ASSERT_TRUE(first.ok() && other.ok() && foreign.ok());
  EXPECT_EQ(other->published.at(0).name, "dc2-00000000000000bb-a.gz");
  EXPECT_THAT(Names("clicks", start_),
              ElementsAre("a.gz", "dc2-00000000000000bb-a.gz",
                          fmt::format("other-{:08x}-a.gz", foreign->published.at(0).facts.crc32c)));
  EXPECT_THAT(process_.Incidents(), SizeIs(2));
}

TEST_F(GroupWriterTest, TheSameFileTwiceInOneCommitIsVisibleOnce) {
  ExpectOk(process_.Open());
  const std::string bytes = SealedBytes("clicks", {"dc1", "00000000000000aa", 1});
  const auto one = process_.Stage("clicks", "a.gz", bytes);
  const auto two = process_.Stage("clicks", "a.gz", bytes);
  ASSERT_TRUE(one.ok() && two.ok());
  const auto report = process_.writer().Publish(RequestOf({*one, *two}), start_);
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_THAT(report->published, SizeIs(1));
  EXPECT_THAT(Names("clicks", start_), ElementsAre("a.gz"));
}

TEST_F(GroupWriterTest, AFileInPlaceThatMayNotBeReadIsNotTakenForAnother) {
  ExpectOk(process_.Open());
  const std::string bytes = SealedBytes("clicks", {"dc1", "00000000000000aa", 1});
  const auto one = process_.Stage("clicks", "a.gz", bytes);
  const auto two = process_.Stage("clicks", "a.gz", bytes);
  ASSERT_TRUE(one.ok() && two.ok());
  process_.plan().Add({.verb = Verb::kOpen,
                       .path_part = paths::MinuteDir(View::kLocal, "clicks", start_),
                       .fault = Fault::Refused(Code::kRefused)});
  EXPECT_EQ(process_.writer().Publish(RequestOf({*one, *two}), start_).status().code(),
            Code::kRefused);
  Process next(world_);
  ExpectOk(next.Open());
  EXPECT_THAT(Names("clicks", start_), ElementsAre("a.gz"));
}

TEST_F(GroupWriterTest, AStreamThatCannotBeReadWaitsForAnotherEpoch) {
  const auto deliver = [&](uint64_t sequence) {
    for (const char* stream : {"clicks", "orders"}) world_.Deliver(stream, "c1", start_, sequence);
  };
  deliver(1);
  ExpectOk(process_.Publish(start_));
  Process next(world_);
  next.plan().Add({.verb = Verb::kList,
                   .path_part = "streams_local/clicks",
                   .times = FaultRule::kAlways,
                   .fault = Fault::Denied()});
  ExpectOk(next.Open());
  deliver(2);
  ExpectOk(next.Publish(start_));
  EXPECT_THAT(Names("clicks", start_), SizeIs(1));
  EXPECT_THAT(Names("orders", start_), SizeIs(2));
  EXPECT_FALSE(next.writer().CanReadMore());
  next.plan().Clear();
  EXPECT_TRUE(next.writer().CanReadMore());
  ExpectOk(next.writer().Reload());
  EXPECT_TRUE(next.writer().IsUnread("clicks")) << "whoever remembers streams has none of it";
  EXPECT_FALSE(next.writer().IsUnread("orders"));
  ExpectOk(next.Publish(start_ + 1));
  EXPECT_THAT(Minutes("clicks"), ElementsAre(start_));
  next.Drop();
  ExpectOk(next.Publish(start_ + 2));
  EXPECT_THAT(Minutes("clicks"), ElementsAre(start_, start_ + 1, start_ + 2));
  EXPECT_THAT(Names("clicks", start_ + 2), SizeIs(1));
}

// Which minute is open is decided by all streams: what of this one has to be read, too.
TEST_F(GroupWriterTest, AStreamIsNotCalledReadableThatAWriterWouldNotRead) {
  world_.Deliver("clicks", "c1", start_, 1);
  ExpectOk(process_.Publish(start_));
  ExpectOk(process_.Close(start_ + 1));
  process_.Drop();
  const std::string unread = paths::MinuteDir(View::kLocal, "clicks", start_ + 2);
  for (const std::string& dir : {unread, paths::MinuteDir(View::kLocal, "orders", start_ + 2)}) {
    ASSERT_TRUE(EnsureDirsBelow(world_.dc1, paths::ViewRoot(View::kLocal), dir).ok());
  }
  Process next(world_);
  next.plan().Add({.verb = Verb::kList,
                   .path_part = unread,
                   .times = FaultRule::kAlways,
                   .fault = Fault::Denied()});
  ExpectOk(next.Open());
  ASSERT_TRUE(next.writer().IsUnread("clicks"));
  EXPECT_FALSE(next.writer().CanReadMore());
  next.plan().Clear();
  EXPECT_TRUE(next.writer().CanReadMore());
}

TEST_F(GroupWriterTest, AFileThatIsGoneIsLeftOutOfTheClaims) {
  const DataFileRef there = world_.Deliver("clicks", "c1", start_, 1);
  DataFileRef gone = there;
  gone.name = "clicks-2031-05-06-10-58_00099.gz";
  ExpectOk(process_.Open());
  const std::vector<DataFileRef> files = {gone, there};
  const auto claims = process_.writer().ClaimFiles(files);
  ASSERT_TRUE(claims.ok());
  ASSERT_THAT(*claims, SizeIs(1));
  EXPECT_EQ(claims->at(0).data_name, there.name);
}

// A claim whose answer was lost may still arrive. The next holder finds it.
TEST_F(GroupWriterTest, AClaimOfUnknownOutcomeEndsTheEpoch) {
  world_.Deliver("clicks", "c1", start_, 1);
  ExpectOk(process_.Open());
  process_.plan().Add({.verb = Verb::kRename, .fault = Fault::RequestLost()});
  EXPECT_EQ(process_.Take().code(), Code::kUnavailable);
  ExpectOk(process_.Publish(start_));
  EXPECT_THAT(Names("clicks", start_), SizeIs(1));
}

// It may be made late, for as long as this epoch's staging directory stands.
TEST_F(GroupWriterTest, AMoveThatIsRefusedAfterItsAnswerWasLostEndsTheEpoch) {
  world_.Deliver("clicks", "c1", start_, 1);
  const std::string minute = paths::MinuteDir(View::kLocal, "clicks", start_);
  int tried = 0;
  process_.plan().SetCallback([&](const Call& call) {
    if (call.verb != Verb::kRename || !call.to.starts_with(minute + "/")) return Fault{};
    return ++tried == 1 ? Fault::RequestLost() : Fault::Denied();
  });
  EXPECT_TRUE(process_.Publish(start_).unknown());
  EXPECT_EQ(tried, 2);
  process_.plan().Clear();
  ExpectOk(process_.Publish(start_));
  EXPECT_THAT(Names("clicks", start_), SizeIs(1));
}

// Disk full at any call of staging, recording and applying: the file is published when there is
// room.
TEST_F(GroupWriterTest, WhenTheDiskIsFullNothingIsLostAndItGoesOnWhenThereIsRoom) {
  for (uint64_t n = 1;; ++n) {
    World world;
    Process process(world);
    const DataFileRef file = world.Deliver("clicks", "c1", start_, 1);
    ExpectOk(process.Open());
    const uint64_t opened = process.plan().calls();
    bool full = true;
    process.plan().SetCallback([&](const Call& call) {
      const bool needs_room = Changes(call.verb) && call.verb != Verb::kRemove;
      return full && needs_room && call.number >= opened + n ? Fault::Full() : Fault{};
    });
    const bool failed = !process.Publish(start_).ok();
    for (int i = 0; i < 3; ++i) EXPECT_EQ(process.Publish(start_).ok(), !failed) << n;
    full = false;
    ExpectOk(process.Publish(start_));
    const auto entries = world.dc1.List(paths::MinuteDir(View::kLocal, "clicks", start_));
    ASSERT_TRUE(entries.ok()) << n;
    EXPECT_THAT(*entries, SizeIs(1)) << n;
    if (!failed) break;
  }
}

TEST_F(GroupWriterTest, ATrashedOriginalLeavesAfterItsCopyIsThere) {
  ExpectOk(process_.Open());
  const auto copy = process_.Stage("clicks", "a.gz", "bytes");
  const auto original = process_.Stage("clicks", "a", "bytes");
  ASSERT_TRUE(copy.ok() && original.ok());
  const std::string trash = paths::Join(paths::TrashHour(start_.Start()), "a");
  ASSERT_TRUE(
      EnsureDirsBelow(world_.dc1, paths::TrashRoot(), std::string(paths::Parent(trash))).ok());
  ASSERT_TRUE(world_.dc1.WriteFile(trash, "another").ok());
  CommitRequest request = RequestOf({*copy});
  request.trashed = {{original->staged, trash}};
  const auto report = process_.writer().Publish(std::move(request), start_);
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_THAT(Names("clicks", start_), ElementsAre("a.gz"));
  const Tree in_trash = ReadTree(world_.dc1, paths::TrashRoot());
  EXPECT_THAT(in_trash, ::testing::Contains(::testing::Pair(::testing::EndsWith("-a"), "bytes")));
  EXPECT_THAT(in_trash, ::testing::Contains(::testing::Pair(trash, "another")));
}

TEST_F(GroupWriterTest, PurgingAnHourLeavesTheOthersAndRemovesEmptyDays) {
  world_.Deliver("clicks", "c1", start_, 1);
  ExpectOk(process_.Publish(start_));
  ExpectOk(process_.Close(start_ + 4));
  ExpectOk(process_.Purge("clicks", start_));
  EXPECT_THAT(Minutes("clicks"), ElementsAre(start_ + 2, start_ + 3));
  ExpectOk(process_.Purge("clicks", start_));
  EXPECT_THAT(Minutes("clicks"), SizeIs(2));
}

// P8: else a power cut may leave the manifest of a minute that is gone.
TEST_F(GroupWriterTest, AMinuteWhoseAnswerWasLostIsMadeDurableBeforeItsManifest) {
  world_.Deliver("clicks", "c1", start_, 1);
  ExpectOk(process_.Publish(start_));
  const std::string minute = paths::MinuteDir(View::kLocal, "clicks", start_ + 1);
  process_.plan().Add({.verb = Verb::kRename, .path_part = minute, .fault = Fault::AnswerLost()});
  ExpectOk(process_.Close(start_ + 2));
  std::vector<std::string> steps;
  for (const Call& call : process_.plan().trace()) {
    if (call.to == minute) steps.emplace_back("minute");
    if (call.verb == Verb::kSync && !steps.empty()) steps.emplace_back("sync");
    if (call.to == paths::Manifest(View::kLocal, 0, start_ + 1, "")) steps.emplace_back("manifest");
  }
  ASSERT_GE(steps.size(), 3u);
  EXPECT_THAT(std::vector(steps.begin(), steps.begin() + 3),
              ElementsAre("minute", "sync", "manifest"));
}

class CopyTest : public GroupWriterTest {
 protected:
  CopyTest() { ExpectOk(mirror_.Open()); }
  Manifest Primary(Minute minute, const std::map<std::string, std::string>& files) {
    Manifest manifest{View::kMerged, 0, minute, "dc2", {}};
    for (const auto& [name, bytes] : files) {
      const auto staged = mirror_.Stage("clicks", name, bytes);
      manifest.streams["clicks"][name] = staged->facts;
    }
    return manifest;
  }
  void Copy(Minute minute, const std::string& name, const std::string& bytes) {
    const auto file = mirror_.Stage("clicks", name, bytes);
    ASSERT_TRUE(file.ok());
    const auto report = mirror_.writer().PublishCopies("dc2", minute, RequestOf({*file}));
    ASSERT_TRUE(report.ok()) << report.status().ToString();
  }

  Process mirror_{world_, Process::Remote::kReachable, View::kMerged};
};

TEST_F(CopyTest, AMinuteClosesOnlyWhenItEqualsThePrimarys) {
  Copy(start_, "a.gz", "a");
  EXPECT_EQ(mirror_.writer().CloseCopy(Primary(start_, {{"a.gz", "a"}, {"b.gz", "b"}})).code(),
            Code::kRefused);
  EXPECT_EQ(mirror_.writer().CloseCopy(Primary(start_, {{"a.gz", "A"}})).code(), Code::kRefused);
  Copy(start_, "b.gz", "b");
  ExpectOk(mirror_.writer().CloseCopy(Primary(start_, {{"a.gz", "a"}, {"b.gz", "b"}})));
  EXPECT_EQ(mirror_.writer().CopyLedger("dc2").open, start_ + 1);
  // A minute of the primary's that is empty is made here too; one that is not next is refused.
  Manifest empty{View::kMerged, 0, start_ + 1, "dc2", {{"clicks", {}}}};
  ExpectOk(mirror_.writer().CloseCopy(empty));
  EXPECT_EQ(mirror_.writer().CloseCopy(empty).code(), Code::kRefused);
  EXPECT_THAT(Minutes("clicks", View::kMerged), ElementsAre(start_, start_ + 1));
}

// The primary closes a minute without a stream that waits: what is here of it is compared later.
TEST_F(CopyTest, OfAStreamThatThePrimaryDoesNotNameNothingIsSaid) {
  Copy(start_, "a.gz", "a");
  ExpectOk(mirror_.writer().CloseCopy({View::kMerged, 0, start_, "dc2", {}}));
  EXPECT_EQ(mirror_.writer().CopyLedger("dc2").closed, start_);
}

TEST_F(CopyTest, NoCopyIsMadeOfAStreamThatCannotBeRead) {
  mirror_.Drop();
  Process next(world_, Process::Remote::kReachable, View::kMerged);
  ASSERT_TRUE(world_.dc1.MakeDir("streams/clicks").ok());
  next.plan().Add({.verb = Verb::kList,
                   .path_part = "streams/clicks",
                   .times = FaultRule::kAlways,
                   .fault = Fault::Denied()});
  ExpectOk(next.Open());
  const auto file = next.Stage("clicks", "a.gz", "x");
  ASSERT_TRUE(file.ok());
  const auto report = next.writer().PublishCopies("dc2", start_, RequestOf({*file}));
  ASSERT_TRUE(report.ok());
  EXPECT_THAT(report->published, IsEmpty());
  ASSERT_THAT(report->refused, SizeIs(1));
  EXPECT_TRUE(paths::ParseMinutePath(report->refused[0].to)) << report->refused[0].to;
}

TEST_F(CopyTest, TheNextHolderGoesOnWhereTheLastOneStopped) {
  Copy(start_, "a.gz", "a");
  ExpectOk(mirror_.writer().CloseCopy(Primary(start_, {{"a.gz", "a"}})));
  Copy(start_ + 1, "b.gz", "b");
  ExpectOk(mirror_.Open());
  const Ledger& ledger = mirror_.writer().CopyLedger("dc2");
  EXPECT_EQ(ledger.closed, start_);
  EXPECT_EQ(ledger.open, start_ + 1);
  EXPECT_THAT(ledger.streams.at("clicks").open_files, ElementsAre(::testing::Key("b.gz")));
  const auto stray = mirror_.Stage("clicks", "c.gz", "c");
  EXPECT_EQ(mirror_.writer().PublishCopies("dc2", start_ + 2, RequestOf({*stray})).code(),
            Code::kRefused);
}

// P1-P16 hold for copies as well: a crash at any call, then the same again.
TEST_F(CopyTest, ACrashAtAnyCallIsHealedByDoingItAgain) {
  uint64_t points = 0;
  for (const Fault& fault :
       {Fault::CrashBefore(), Fault::CrashAfter(), Fault::AnswerLost(), Fault::RequestLost()}) {
    for (uint64_t n = 1;; ++n) {
      World world;
      Process dead(world, Process::Remote::kReachable, View::kMerged);
      Process next(world, Process::Remote::kReachable, View::kMerged);
      dead.plan().Add({.number = n, .fault = fault});
      const auto mirror = [&](Process& process) -> Status {
        DATABUS_RETURN_IF_ERROR(process.Open());
        DATABUS_ASSIGN_OR_RETURN(const NewFile file, process.Stage("clicks", "a.gz", "a"));
        const Ledger& ledger = process.writer().CopyLedger("dc2");
        if (ledger.closed == start_) return Status::Ok();
        Manifest manifest{View::kMerged, 0, start_, "dc2", {{"clicks", {{"a.gz", file.facts}}}}};
        DATABUS_RETURN_IF_ERROR(
            process.writer().PublishCopies("dc2", start_, RequestOf({file})).status());
        return process.writer().CloseCopy(manifest);
      };
      try {
        static_cast<void>(mirror(dead));
      } catch (const Crash&) {
      }
      if (dead.plan().calls() < n) break;
      ++points;
      ExpectOk(mirror(next));
      const Tree tree = ReadTree(world.dc1, paths::Stream(View::kMerged, "clicks"));
      EXPECT_THAT(tree, SizeIs(6)) << n << ": four levels, the minute, one file";
      EXPECT_EQ(*NewestManifest(world.dc1, View::kMerged, 0, "dc2"), start_) << n;
    }
  }
  EXPECT_GE(points, 150U);
}

// 400 streams, a few minutes behind one that has the present minute.
TEST_F(GroupWriterTest, ManyStreamsThatLagALittleGetAllTheirMinutes) {
  ExpectOk(EnsureDirsBelow(world_.dc1, paths::ViewRoot(View::kLocal),
                           paths::MinuteDir(View::kLocal, "orders", start_)));
  std::vector<std::string> streams;
  for (int i = 0; i < 400; ++i) streams.push_back(fmt::format("s{:03}", i));
  for (const std::string& stream : streams) {
    ExpectOk(EnsureDirsBelow(world_.dc1, paths::ViewRoot(View::kLocal),
                             paths::MinuteDir(View::kLocal, stream, start_ + -4)));
    world_.Deliver(stream, "c1", start_, 1);
  }
  const auto without = [&](size_t minutes) {
    std::vector<std::string> found;
    for (const std::string& stream : streams) {
      if (Minutes(stream).size() != minutes) found.push_back(stream);
    }
    return found;
  };
  ExpectOk(process_.Publish(start_));
  EXPECT_THAT(without(5), IsEmpty());
  process_.Drop();
  ExpectOk(process_.Open());
  ExpectOk(process_.Close(start_ + 2));
  EXPECT_THAT(without(6), IsEmpty());
}

}  // namespace
}  // namespace databus
