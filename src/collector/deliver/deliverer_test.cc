#include "collector/deliver/deliverer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/crc32c.h"
#include "cluster/names.h"
#include "collector/deliver/test_delivery_world.h"

namespace databus {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::Pair;
using testing::SizeIs;
using testing::UnorderedElementsAre;
using testing_delivery::DefaultSettings;
using testing_delivery::Entries;
using testing_delivery::Process;
using testing_delivery::World;

class DelivererTest : public testing::Test {
 protected:
  void StartProcess(const DeliverySettings& settings = DefaultSettings()) {
    process_.reset();
    process_ = std::make_unique<Process>(world_, settings);
    process_->Start();
  }
  // What is wrong, in one text.
  std::string Problems() {
    std::string text;
    for (const Problem& problem : process_->problems.List()) text += problem.what + "\n";
    return text;
  }

  World world_;
  std::unique_ptr<Process> process_;
};

TEST_F(DelivererTest, SealedFilesDescribeThemselvesAndAreAnnounced) {
  StartProcess();
  ASSERT_TRUE(process_->Log({{"clicks", "one"}, {"clicks", "two"}}));
  process_->Run(2);
  const auto files = world_.DataFiles();
  ASSERT_THAT(files, SizeIs(1));
  const auto& [path, bytes] = *files.begin();
  EXPECT_EQ(path,
            "data/clicks/c1/clicks-" + Minute::Of(world_.clock.Wall()).ToDashed() + "_00001.gz");
  const SealedHeader header = DecodeSealedHeader(bytes)->header;
  EXPECT_EQ(header.identity.cluster, ReadClusterId(world_.cluster)->id);
  EXPECT_EQ(header.identity.incarnation, process_->spool->identity().incarnation);
  EXPECT_EQ(header.identity.counter, 1U);
  EXPECT_THAT(world_.Announced(),
              ElementsAre(AnnouncedFile{path, bytes.size(), Crc32c(bytes), 2, header.identity}));
}

TEST_F(DelivererTest, NothingIsCutBeforeItsTime) {
  StartProcess();
  process_->Run(1);
  process_->deliverer->Step();  // the rhythm begins here
  ASSERT_TRUE(process_->Log({{"clicks", "one"}}));
  world_.clock.Advance(std::chrono::milliseconds(900));
  process_->deliverer->Step();
  EXPECT_THAT(world_.DataFiles(), IsEmpty());
  world_.clock.Advance(std::chrono::milliseconds(200));
  process_->deliverer->Step();
  EXPECT_THAT(world_.DataFiles(), SizeIs(1));
}

TEST_F(DelivererTest, WhatIsLargeEnoughIsCutAtOnce) {
  DeliverySettings settings = DefaultSettings();
  settings.rotate_period = std::chrono::hours(1);
  settings.cut_bytes = 10'000;
  StartProcess(settings);
  process_->deliverer->Step();
  ASSERT_TRUE(process_->Log({{"clicks", std::string(9'000, 'a')}}));
  process_->deliverer->Step();
  EXPECT_THAT(world_.DataFiles(), IsEmpty());
  ASSERT_TRUE(process_->Log({{"clicks", std::string(9'000, 'b')}}));
  process_->deliverer->Step();
  EXPECT_THAT(world_.DataFiles(), SizeIs(1));
}

TEST_F(DelivererTest, AnUnsureSpoolStopsDeliveryAndNotTheHeartbeat) {
  StartProcess();
  process_->Run(1);
  ASSERT_TRUE(process_->Log({{"clicks", "one"}}));
  process_->plan.Add(
      {.path_part = "/spool/journal", .times = FaultRule::kAlways, .fault = Fault::RequestLost()});
  process_->Run(5);
  EXPECT_THAT(Problems(), HasSubstr("journal"));
  EXPECT_THAT(world_.DataFiles(), IsEmpty());
  EXPECT_TRUE(process_->deliverer->reached()) << "heartbeats go on: they tell what is wrong";
  EXPECT_GT(process_->deliverer->Step(), world_.clock.Boot()) << "there is nothing to do";
}

TEST_F(DelivererTest, HurryDeliversAtOnce) {
  DeliverySettings settings = DefaultSettings();
  settings.rotate_period = std::chrono::hours(1);
  StartProcess(settings);
  process_->deliverer->Step();
  ASSERT_TRUE(process_->Log({{"clicks", ""}}));
  process_->deliverer->Hurry();
  process_->deliverer->Step();
  EXPECT_THAT(world_.Lines(), ElementsAre(Pair("clicks/", 1)));
}

TEST_F(DelivererTest, NewSettingsEndAWaitThatWouldBeOverByThem) {
  DeliverySettings settings = DefaultSettings();
  settings.rotate_period = settings.retry.interval = std::chrono::hours(1);
  StartProcess(settings);
  process_->deliverer->Step();
  ASSERT_TRUE(process_->Log({{"clicks", "one"}}));
  process_->Run(5);
  EXPECT_THAT(world_.DataFiles(), IsEmpty());
  settings.rotate_period = std::chrono::seconds(1);
  settings.format = [](std::string_view) {
    return SealFormat{.compression = Compression::kNone, .bytes_max = 1'000};
  };
  process_->deliverer->Configure(settings);
  process_->Run(2);
  ASSERT_THAT(world_.DataFiles(), SizeIs(1));
  EXPECT_EQ(world_.DataFiles().begin()->second, "one\n") << "the new format";

  bool away = true;
  process_->plan.SetCallback([&away](const Call& call) {
    return away && call.store != "disk" ? Fault::RequestLost() : Fault{};
  });
  ASSERT_TRUE(process_->Log({{"clicks", "two"}}));
  process_->Run(5);
  away = false;
  process_->Run(5);
  EXPECT_THAT(world_.DataFiles(), SizeIs(1)) << "the pause is long";
  settings.retry.interval = std::chrono::seconds(1);
  process_->deliverer->Configure(settings);
  process_->Run(4);
  EXPECT_THAT(world_.DataFiles(), SizeIs(2));
}

TEST_F(DelivererTest, AThousandStreamsOfOneCallBecomeAThousandFiles) {
  StartProcess();
  Entries entries;
  for (int i = 0; i < 3'000; ++i) {
    entries.emplace_back("stream" + std::to_string(i % 1'000), std::to_string(i));
  }
  ASSERT_TRUE(process_->Log(entries));
  process_->Run(2);
  EXPECT_THAT(world_.DataFiles(), SizeIs(1'000));
  EXPECT_THAT(world_.Lines(), SizeIs(3'000));
  EXPECT_THAT(world_.Announced(), SizeIs(1'000));
  EXPECT_THAT(world_.ListDir(paths::Sealed("c1")), SizeIs(16));  // one for each group
}

TEST_F(DelivererTest, AStreamLargerThanAFileIsSplit) {
  DeliverySettings settings = DefaultSettings();
  settings.format = [](std::string_view) { return SealFormat{.bytes_max = 100}; };
  StartProcess(settings);
  Entries entries;
  for (int i = 0; i < 100; ++i) entries.emplace_back("clicks", "message " + std::to_string(i));
  ASSERT_TRUE(process_->Log(entries));
  process_->Run(2);
  EXPECT_GT(world_.DataFiles().size(), 10U);
  EXPECT_THAT(world_.Lines(), SizeIs(100));
}

TEST_F(DelivererTest, WhileTheClusterIsAwayAllStaysInTheSpoolAndThenGoes) {
  StartProcess();
  bool away = true;
  process_->plan.SetCallback([&away](const Call& call) {
    return away && call.store != "disk" ? Fault::RequestLost() : Fault{};
  });
  ASSERT_TRUE(process_->Log({{"clicks", "while away"}}));
  process_->Run(60);
  EXPECT_FALSE(process_->deliverer->reached());
  EXPECT_THAT(Problems(), HasSubstr("lost by plan"));
  EXPECT_GT(process_->spool->Stats().unsealed_bytes, 0U);
  away = false;
  ASSERT_TRUE(process_->Log({{"clicks", "after"}}));
  process_->Run(5);
  EXPECT_THAT(world_.Lines(),
              UnorderedElementsAre(Pair("clicks/while away", 1), Pair("clicks/after", 1)));
  EXPECT_TRUE(process_->deliverer->reached());
  EXPECT_EQ(Problems(), "");
}

TEST_F(DelivererTest, LiveDataGoesBeforeBacklogAndBacklogAtItsRate) {
  DeliverySettings settings = DefaultSettings();
  settings.cut_bytes = 1'000;
  settings.backlog_cuts = 1;
  settings.backlog_interval = std::chrono::seconds(10);
  StartProcess(settings);
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(process_->Log({{"clicks", "old " + std::to_string(i) + std::string(1'000, 'x')}}));
  }
  StartProcess(settings);
  ASSERT_TRUE(process_->Log({{"clicks", "live"}}));
  process_->Run(1);
  EXPECT_TRUE(world_.Lines().contains("clicks/live"));
  ASSERT_TRUE(process_->Log({{"clicks", "live too"}}));
  process_->Run(5);
  const auto lines = world_.Lines();
  EXPECT_TRUE(lines.contains("clicks/live too"));
  const auto old = std::count_if(lines.begin(), lines.end(), [](const auto& line) {
    return line.first.starts_with("clicks/old");
  });
  EXPECT_EQ(old, 1);
  EXPECT_TRUE(lines.contains("clicks/old 0" + std::string(1'000, 'x')));
  process_->Run(60);
  EXPECT_THAT(world_.Lines(), SizeIs(7));
}

// Streams that are held back at present, for a deliverer's route_of.
class Routing {
 public:
  DeliverySettings Settings() const {
    DeliverySettings settings = DefaultSettings();
    settings.route_of = [held = held_](std::string_view stream) {
      return Route{held->contains(stream) ? DeliveryMode::kSpool : DeliveryMode::kDeliver};
    };
    return settings;
  }
  void Hold(const std::string& stream) { held_->insert(stream); }
  void Release() { held_->clear(); }

 private:
  using Streams = std::set<std::string, std::less<>>;
  const std::shared_ptr<Streams> held_ = std::make_shared<Streams>();
};

TEST_F(DelivererTest, WhatWasHeldBackGoesAtItsRateInItsOrderAndOthersGoBefore) {
  Routing routing;
  DeliverySettings settings = routing.Settings();
  settings.backlog_interval = std::chrono::seconds(10);
  settings.cut_bytes = 3'000;
  routing.Hold("clicks");
  StartProcess(settings);
  for (int i = 0; i < 6; ++i) {
    ASSERT_TRUE(process_->Log(
        {{"clicks", std::to_string(i) + std::string(2'000, 'x')}, {"orders", std::to_string(i)}}));
    process_->Run(2);
  }
  EXPECT_THAT(world_.Lines(), SizeIs(6)) << "orders only";
  EXPECT_GT(process_->deliverer->Backlog().at("clicks").deferred_bytes, 12'000U);
  EXPECT_EQ(process_->deliverer->Backlog().at("clicks").mode, DeliveryMode::kSpool);
  process_->Run(20);
  routing.Release();
  size_t last = 6;
  for (int round = 0; round < 6; ++round) {
    ASSERT_TRUE(process_->Log({{"orders", "live" + std::to_string(round)}}));
    process_->Run(2);
    EXPECT_EQ(world_.Lines().count("orders/live" + std::to_string(round)), 1U);
    process_->Run(8);
    const size_t lines = world_.Lines().size();
    const size_t cuts = round == 0 ? 2 : 1;  // at first also that of the interval before
    EXPECT_LE(lines, last + 1 + 2 * cuts) << "two messages fill a cut";
    last = lines;
  }
  EXPECT_EQ(last, 18U);
  EXPECT_THAT(process_->deliverer->Backlog(), IsEmpty());
  std::vector<std::string> clicks;
  for (const auto& [stream, line] : testing_delivery::OrderedLinesIn(world_.cluster)) {
    if (stream == "clicks") clicks.push_back(line);
  }
  EXPECT_TRUE(std::ranges::is_sorted(clicks));
  EXPECT_EQ(process_->spool->Stats().sealed_bytes, 0U);
}

TEST_F(DelivererTest, AHeldBackPartThatCannotBeReadWaitsAloneAndIsReadAgain) {
  Routing routing;
  routing.Hold("clicks");
  routing.Hold("views");
  StartProcess(routing.Settings());
  ASSERT_TRUE(process_->Log({{"clicks", "one"}, {"orders", "x"}}));
  process_->Run(2);
  ASSERT_TRUE(process_->Log({{"views", "two"}, {"orders", "y"}}));
  process_->Run(2);
  bool failing = true;
  int reads = 0;
  process_->plan.SetCallback([&](const Call& call) {
    if (call.store != "disk" || call.verb != Verb::kRead || !failing) return Fault{};
    return ++reads == 1 ? Fault::Refused(Code::kCorrupt) : Fault{};
  });
  routing.Release();
  process_->Run(1);
  EXPECT_THAT(Problems(), HasSubstr("spool: cut"));
  failing = false;
  process_->Run(8);
  EXPECT_THAT(world_.Lines(), UnorderedElementsAre(Pair("clicks/one", 1), Pair("orders/x", 1),
                                                   Pair("orders/y", 1), Pair("views/two", 1)));
  EXPECT_THAT(Problems(), Not(HasSubstr("spool: cut")));
}

TEST_F(DelivererTest, WhatWasHeldBackOutlivesACrashAtAnyCall) {
  for (uint64_t number = 1;; ++number) {
    World world;
    Routing routing;
    routing.Hold("clicks");
    bool crashed = false;
    {
      Process process(world, routing.Settings());
      process.plan.Add({.number = number, .fault = Fault::CrashAfter()});
      try {
        process.Start();
        EXPECT_TRUE(process.Log({{"clicks", "one"}, {"orders", "x"}}));
        process.Run(3);
        routing.Release();
        process.Run(3);
      } catch (const Crash&) {
        crashed = true;
      }
    }
    routing.Release();
    Process after(world, routing.Settings());
    after.Start();
    after.Run(8);
    for (const auto& [line, times] : world.Lines()) EXPECT_EQ(times, 1) << line << number;
    if (!crashed) EXPECT_THAT(world.Lines(), SizeIs(2));
    EXPECT_EQ(after.spool->Stats().sealed_bytes, 0U) << number;
    if (HasFailure() || !crashed) break;
  }
}

TEST_F(DelivererTest, ATreeWithAnotherIdGetsNothing) {
  StartProcess();
  ASSERT_TRUE(process_->Log({{"clicks", "one"}}));
  process_->Run(2);
  // Another disk is mounted in its place.
  ASSERT_TRUE(world_.cluster.Rename(paths::ClusterId(), "system/old-id").ok());
  World other(99);
  ASSERT_TRUE(
      world_.cluster.WriteFile(paths::ClusterId(), *other.cluster.ReadFile(paths::ClusterId()))
          .ok());
  StartProcess();
  ASSERT_TRUE(process_->Log({{"clicks", "two"}}));
  process_->Run(30);
  EXPECT_THAT(world_.Lines(), SizeIs(1));
  EXPECT_THAT(Problems(), HasSubstr("is the right disk mounted?"));
  ASSERT_TRUE(world_.cluster.Remove(paths::ClusterId()).ok());
  process_->Run(30);
  EXPECT_THAT(Problems(), HasSubstr("is the disk mounted?"));
  ASSERT_TRUE(world_.cluster.Rename("system/old-id", paths::ClusterId()).ok());
  process_->Run(5);
  EXPECT_THAT(world_.Lines(), SizeIs(2));
}

TEST_F(DelivererTest, ATreeThatNobodyInitialisedIsWaitedFor) {
  const std::string id = *world_.cluster.ReadFile(paths::ClusterId());
  ASSERT_TRUE(world_.cluster.Remove(paths::ClusterId()).ok());
  StartProcess();
  ASSERT_TRUE(process_->Log({{"clicks", "one"}}));
  process_->Run(10);
  EXPECT_EQ(process_->spool->identity().cluster_id, "");
  EXPECT_THAT(Problems(), HasSubstr("not initialised"));
  ASSERT_TRUE(world_.cluster.WriteFile(paths::ClusterId(), id).ok());
  process_->Run(5);
  EXPECT_THAT(world_.Lines(), SizeIs(1));
}

// A rename whose outcome nobody knows, and then the staging directory is gone: "absent" would be a
// guess, and a wrong one loses the file.
TEST_F(DelivererTest, WithoutItsStagingDirectoryNothingCountsAsDelivered) {
  StartProcess();
  process_->plan.Add({.verb = Verb::kRename,
                      .path_part = "data/clicks",
                      .times = FaultRule::kAlways,
                      .fault = Fault::RequestLost()});
  ASSERT_TRUE(process_->Log({{"clicks", "one"}}));
  process_->Run(2);
  ASSERT_TRUE(world_.cluster.Rename(paths::CollectorStaging("c1"), "system/elsewhere").ok());
  StartProcess();
  process_->Run(20);
  EXPECT_EQ(process_->spool->Stats().open_intents, 1U);
  EXPECT_THAT(Problems(), HasSubstr("gone, with files that were not delivered yet"));
  ASSERT_TRUE(world_.cluster.Rename("system/elsewhere", paths::CollectorStaging("c1")).ok());
  process_->Run(5);
  EXPECT_THAT(world_.Lines(), ElementsAre(Pair("clicks/one", 1)));
}

// Somebody else's file has the name that ours would get.
TEST_F(DelivererTest, ATakenNameIsNeitherOverwrittenNorDoesItLoseOurFile) {
  StartProcess();
  const std::string name = DataFileName{.stream = "clicks",
                                        .minute = Minute::Of(world_.clock.Wall()),
                                        .sequence = 1,
                                        .gzip = true}
                               .ToString();
  const std::string path = paths::DataFile("clicks", "c1", name);
  ASSERT_TRUE(world_.cluster.MakeDir("data/clicks").ok());
  ASSERT_TRUE(world_.cluster.MakeDir("data/clicks/c1").ok());
  ASSERT_TRUE(world_.cluster.WriteFile(path, "somebody else's").ok());
  ASSERT_TRUE(process_->Log({{"clicks", "ours"}}));
  process_->Run(2);
  EXPECT_EQ(*world_.cluster.ReadFile(path), "somebody else's");
  EXPECT_THAT(world_.Lines(), ElementsAre(Pair("clicks/ours", 1)));
  EXPECT_EQ(process_->deliverer->counts().collisions, 1U);
  EXPECT_THAT(Problems(), HasSubstr("is taken by another file; delivered as clicks-"));
  EXPECT_THAT(world_.Announced()[0].path, HasSubstr("_1000000001.gz"));
}

TEST_F(DelivererTest, ASecondCopyOfTheVeryFileIsDropped) {
  StartProcess();
  // It may be another's as long as it may not be read: that takes no other name.
  process_->plan.Add(
      {.verb = Verb::kOpen, .path_part = "data/clicks", .fault = Fault::Refused(Code::kRefused)});
  process_->plan.Add(
      {.verb = Verb::kRename,
       .path_part = "data/clicks",
       .fault = Fault::Delayed([this] {
         const std::string staged = world_.Staged().at(0);
         const std::string bytes =
             *world_.cluster.ReadFile(paths::Join(paths::CollectorStaging("c1"), staged));
         const std::string name = staged.substr(staged.find('.') + 1);
         ASSERT_TRUE(world_.cluster.WriteFile(paths::DataFile("clicks", "c1", name), bytes).ok());
       })});
  ASSERT_TRUE(process_->Log({{"clicks", "one"}}));
  process_->Run(6);
  EXPECT_THAT(world_.Lines(), ElementsAre(Pair("clicks/one", 1)));
  EXPECT_THAT(world_.Staged(), IsEmpty());
  EXPECT_EQ(process_->deliverer->counts().collisions, 0U);
}

TEST_F(DelivererTest, AStuckStreamStopsNobodyElse) {
  ASSERT_TRUE(world_.cluster.WriteFile("data/clicks", "a file where a directory belongs").ok());
  StartProcess();
  ASSERT_TRUE(process_->Log({{"clicks", "stuck"}, {"orders", "fine"}}));
  process_->Run(3);
  ASSERT_TRUE(process_->Log({{"orders", "fine too"}}));
  process_->Run(3);
  EXPECT_EQ(process_->spool->Stats().open_intents, 1U);
  EXPECT_THAT(Problems(), HasSubstr("stream clicks: data/clicks/c1/"));
  ASSERT_TRUE(world_.cluster.Remove("data/clicks").ok());
  process_->Run(6);
  EXPECT_THAT(world_.Lines(), SizeIs(3));
  EXPECT_EQ(process_->spool->Stats().open_intents, 0U);
  EXPECT_EQ(Problems(), "");
}

TEST_F(DelivererTest, DirectoriesThatVanishAreMadeAgain) {
  StartProcess();
  ASSERT_TRUE(process_->Log({{"clicks", "one"}}));
  process_->Run(2);
  ASSERT_TRUE(world_.cluster.Rename("data/clicks", "data/moved").ok());
  ASSERT_TRUE(process_->Log({{"clicks", "two"}}));
  process_->Run(3);
  EXPECT_TRUE(world_.Lines().contains("clicks/two"));
}

TEST_F(DelivererTest, StagedFilesUnderNoIntentAreCleanedButNotThoseOfOthers) {
  StartProcess();
  process_->Run(1);
  const std::string staging = paths::CollectorStaging("c1");
  const std::string own = process_->spool->identity().incarnation + ".left-over";
  ASSERT_TRUE(world_.cluster.WriteFile(paths::Join(staging, own), "half").ok());
  ASSERT_TRUE(world_.cluster.WriteFile(paths::Join(staging, "other.file"), "whole").ok());
  StartProcess();
  process_->Run(1);
  EXPECT_THAT(world_.Staged(), ElementsAre("other.file"));
}

TEST_F(DelivererTest, FinishDeliversEverythingWithoutRegardToRates) {
  DeliverySettings settings = DefaultSettings();
  settings.cut_bytes = 1'000;
  settings.rotate_period = settings.backlog_interval = std::chrono::hours(1);
  StartProcess(settings);
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(process_->Log({{"clicks", std::to_string(i) + std::string(1'000, 'x')}}));
  }
  StartProcess(settings);
  ASSERT_TRUE(process_->Log({{"clicks", "live"}}));
  const Status done = process_->deliverer->Finish(world_.clock.Boot() + std::chrono::seconds(5));
  EXPECT_TRUE(done.ok()) << done.ToString();
  EXPECT_THAT(world_.Lines(), SizeIs(6));
}

TEST_F(DelivererTest, FinishGivesUpWhenTheClusterIsAway) {
  StartProcess();
  process_->plan.SetCallback(
      [](const Call& call) { return call.store != "disk" ? Fault::RequestLost() : Fault{}; });
  ASSERT_TRUE(process_->Log({{"clicks", "one"}}));
  EXPECT_EQ(process_->deliverer->Finish(world_.clock.Boot() + std::chrono::seconds(5)).code(),
            Code::kUnavailable);
  StartProcess();
  process_->Run(3);
  EXPECT_THAT(world_.Lines(), SizeIs(1));
}

TEST_F(DelivererTest, ADamagedRecordCostsItselfOnly) {
  StartProcess();
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(
        process_->Log({{"clicks", "message " + std::to_string(i) + std::string(400, 'x')}}));
  }
  bool flipped = false;
  process_->plan.SetCallback([&flipped](const Call& call) {
    if (flipped || call.verb != Verb::kRead || call.path.find("segment") == std::string::npos) {
      return Fault{};
    }
    flipped = true;
    return Fault::Flipped(2'000);
  });
  process_->Run(3);
  EXPECT_TRUE(flipped);
  EXPECT_GE(world_.Lines().size(), 9U);
  EXPECT_EQ(process_->spool->Stats().unsealed_bytes, 0U);
  EXPECT_EQ(process_->spool->Stats().damaged_files, world_.Lines().size() == 9 ? 1U : 0U);
}

TEST_F(DelivererTest, WithoutCompressionFilesArePlainAndHaveNoIdentity) {
  DeliverySettings settings = DefaultSettings();
  settings.format = [](std::string_view) {
    return SealFormat{.compression = Compression::kNone, .bytes_max = 1'000'000};
  };
  StartProcess(settings);
  ASSERT_TRUE(process_->Log({{"clicks", "one"}}));
  process_->Run(2);
  ASSERT_THAT(world_.DataFiles(), SizeIs(1));
  const auto [path, bytes] = *world_.DataFiles().begin();
  EXPECT_TRUE(path.ends_with("_00001")) << path;
  EXPECT_EQ(bytes, "one\n");
  EXPECT_EQ(world_.Announced()[0].identity, FileIdentity{});
}

Heartbeat OfIncarnation(const std::string& incarnation, int64_t pid) {
  Heartbeat beat;
  beat.process = CollectorProcess("c1");
  beat.host = "h2";
  beat.pid = pid;
  beat.facts["incarnation"] = incarnation;
  return beat;
}

TEST_F(DelivererTest, ALivingNamesakeIsRefusedByHostAndProcess) {
  StartProcess();
  const std::string path = paths::StatusFile("collector-c1");
  Heartbeat beat = OfIncarnation("ffffffffffffffff", 77);
  ASSERT_TRUE(world_.cluster.Replace(path, EncodeHeartbeat(beat)).ok());
  EXPECT_EQ(process_->deliverer->NameIsFree().code(), Code::kUnavailable);
  world_.clock.Advance(std::chrono::seconds(5));
  beat.written = world_.clock.Wall();
  ASSERT_TRUE(world_.cluster.Replace(path, EncodeHeartbeat(beat)).ok());
  const Status checked = process_->deliverer->NameIsFree();
  EXPECT_EQ(checked.code(), Code::kRefused);
  EXPECT_THAT(checked.message(), HasSubstr("host h2, process 77"));
}

TEST_F(DelivererTest, ADeadNamesakeIsFollowedAfterAWhile) {
  StartProcess();
  ASSERT_TRUE(world_.cluster
                  .Replace(paths::StatusFile("collector-c1"),
                           EncodeHeartbeat(OfIncarnation("ffffffffffffffff", 77)))
                  .ok());
  ASSERT_TRUE(process_->Log({{"clicks", "one"}}));
  process_->Run(10);
  EXPECT_THAT(world_.Lines(), IsEmpty());
  process_->Run(10);
  EXPECT_THAT(world_.Lines(), SizeIs(1));
}

TEST_F(DelivererTest, AnEarlierRunOfTheSameSpoolIsNoNamesake) {
  StartProcess();
  ASSERT_TRUE(
      world_.cluster
          .Replace(paths::StatusFile("collector-c1"),
                   EncodeHeartbeat(OfIncarnation(process_->spool->identity().incarnation, 77)))
          .ok());
  EXPECT_TRUE(process_->deliverer->NameIsFree().ok());
}

// The file system failed before the rename was on the disk, and a sync did not tell. It is mended
// and mounted again under the running collector.
TEST_F(DelivererTest, ARenameThatTheClustersDiskForgotIsMadeAgain) {
  StartProcess();
  process_->plan.Add({.verb = Verb::kCreate,
                      .path_part = "sealed.",
                      .times = FaultRule::kAlways,
                      .fault = Fault::Refused(Code::kRefused)});
  ASSERT_TRUE(process_->Log({{"clicks", "one"}}));
  process_->Run(3);
  const auto files = world_.DataFiles();
  ASSERT_THAT(files, SizeIs(1));
  const std::string path = files.begin()->first;
  const std::string staged =
      paths::Join(paths::CollectorStaging("c1"), process_->spool->identity().incarnation + "." +
                                                     std::string(paths::BaseName(path)));
  ASSERT_TRUE(world_.cluster.Rename(path, staged).ok());  // what fsck leaves
  process_->plan.Clear();
  process_->Run(20);
  EXPECT_THAT(world_.DataFiles(), SizeIs(1));
  EXPECT_THAT(world_.Staged(), IsEmpty());
  EXPECT_EQ(process_->spool->OpenCuts().size(), 0U);
}

}  // namespace
}  // namespace databus
