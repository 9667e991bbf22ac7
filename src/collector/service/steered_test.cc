// Collectors that obey the modes of the stored topology: spool, redirect, deliver, and back.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "collector/service/test_redirect.h"
#include "collector/spool/inventory.h"

namespace databus {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::SizeIs;
using testing_redirect::Installation;
using testing_redirect::Machine;

const std::vector<std::string> kBoth = {"dc1", "dc2"};

const ModeRule kSpoolAll{"dc1", "", DeliveryMode::kSpool};
const ModeRule kToDc2{"dc1", "", DeliveryMode::kRedirect, "dc2"};

class SteeredTest : public testing::Test {
 protected:
  void SetUp() override {
    world_.Steer({}, kBoth);
    world_.b.Start(world_.b.ToCluster());
    world_.a.Start(world_.a.ToCluster());
    world_.Run(4);
  }
  std::string Log(const std::string& message, const std::string& stream = "clicks") {
    return world_.a.Log({{stream, message}});
  }
  nlohmann::ordered_json Facts() { return world_.a.Beat().facts; }
  // As others see it.
  std::optional<Heartbeat> BeatIn(const std::string& cluster, const std::string& process) {
    const std::string path = paths::StatusFile(process);
    const auto text = world_.trees.at(cluster)->ReadFile(path);
    if (!text.ok()) return std::nullopt;
    const auto beat = DecodeHeartbeat(*text, path);
    EXPECT_TRUE(beat.ok());
    return beat.ok() ? std::optional(*beat) : std::nullopt;
  }

  Installation world_;
};

TEST_F(SteeredTest, InSpoolModeNothingGoesAndProducersAreAnsweredOk) {
  world_.Steer({kSpoolAll}, kBoth);
  world_.Run(2);
  EXPECT_EQ(Log("one"), "ok");
  world_.Run(5);
  EXPECT_THAT(world_.AllLines(), IsEmpty());
  EXPECT_EQ(Facts()["mode"]["clicks"], "spool");
  EXPECT_GT(Facts()["backlog"]["clicks"]["unsealed_bytes"], 0);
  EXPECT_EQ(Facts()["topology_epoch"], 2);
  EXPECT_EQ(Facts()["topology_digest"], world_.epoch.digest);
  EXPECT_GE(Facts()["lag_ms"], 5'000);
  world_.Steer({}, kBoth);
  world_.Run(4);
  EXPECT_THAT(world_.Lines("dc1"), ElementsAre(Pair("clicks/one", 1)));
  EXPECT_EQ(Facts()["mode"]["clicks"], "deliver");
  EXPECT_THAT(Facts()["backlog"], IsEmpty());
  EXPECT_EQ(Facts()["lag_ms"], 0);
}

// As an operator looks at it (databus spool ls).
TEST_F(SteeredTest, AllThatACollectorKeepsInItsSpoolIsKnownToWhoLooksAtIt) {
  world_.Steer({kSpoolAll}, kBoth);
  world_.Run(2);
  EXPECT_EQ(Log("one"), "ok");
  world_.Run(2);
  const auto inventory = ReadInventory(*world_.a.disk, "/spool/a", ReadDepth::kBodies);
  ASSERT_TRUE(inventory.ok()) << inventory.status().ToString();
  EXPECT_THAT(inventory->problems, IsEmpty());
  ASSERT_THAT(inventory->segments, SizeIs(1));
  EXPECT_EQ(inventory->segments[0].Of(RecordFate::kUnsealed).messages, 1u);
}

// A gate is read from it: when a heartbeat says that the mode is obeyed and nothing is open,
// nothing of the stream appears any more.
TEST_F(SteeredTest, AHeartbeatThatSaysSpoolAndNothingOpenIsTrue) {
  int slow = 0;
  world_.a.on_call = [&slow](const Call& call) {
    const bool hits = call.verb == Verb::kRename && call.to.starts_with("data/") && ++slow % 3 != 0;
    return hits ? Fault::RequestLost() : Fault{};
  };
  for (int round = 0; round < 10; ++round) {
    world_.Steer({kSpoolAll}, kBoth);
    std::optional<std::map<std::string, int>> quiet;
    for (int i = 0; i < 60; ++i) {
      ASSERT_EQ(Log(std::to_string(round) + "." + std::to_string(i)), "ok");
      world_.a.collector->Step();
      world_.clock.Advance(std::chrono::milliseconds(73));
      if (quiet) {
        ASSERT_EQ(world_.Lines("dc1"), *quiet);
        continue;
      }
      const auto beat = BeatIn("dc1", "collector-a");
      if (beat && beat->facts["topology_epoch"] == world_.epoch.stored.epoch &&
          (!beat->facts["backlog"].contains("clicks") ||
           beat->facts["backlog"]["clicks"]["open_intents"] == 0)) {
        quiet = world_.Lines("dc1");
      }
    }
    world_.Steer({}, kBoth);
    world_.Run(3);
  }
  world_.Run(30);
  EXPECT_THAT(world_.Lines("dc1"), SizeIs(600));
}

// By which a despool is judged: no clock is asked.
TEST_F(SteeredTest, AHeartbeatTellsWhatIsHeldFromBeforeTheTopologyThatItNames) {
  const auto before = [this] { return Facts()["spool_bytes_before_epoch"].get<uint64_t>(); };
  const auto all = [this] { return Facts()["spool_bytes"].get<uint64_t>(); };
  world_.Steer({kSpoolAll}, kBoth);
  world_.Run(2);
  EXPECT_EQ(Log("one"), "ok");
  world_.Run(2);
  EXPECT_GT(all(), 0U);
  EXPECT_EQ(before(), 0U) << "it came under this one";
  world_.Steer({kSpoolAll}, kBoth);
  world_.Run(2);
  const uint64_t held = before();
  EXPECT_EQ(held, all());
  EXPECT_EQ(Log("two"), "ok");
  world_.Run(2);
  EXPECT_EQ(before(), held);
  EXPECT_GT(all(), held);
  world_.a.Start(world_.a.ToCluster());
  EXPECT_EQ(before(), all()) << "nobody knows any more what came before and what after";
  world_.Steer({}, kBoth);
  world_.Run(8);
  EXPECT_EQ(before(), 0U);
  EXPECT_THAT(world_.Lines("dc1"), SizeIs(2));
}

TEST_F(SteeredTest, AStreamsRuleHoldsThatStreamBackAndTheOthersGoOn) {
  world_.Steer({{"dc1", "clicks", DeliveryMode::kSpool}}, kBoth);
  world_.Run(2);
  for (int i = 0; i < 3; ++i) {
    world_.a.Log({{"clicks", "c" + std::to_string(i)}, {"orders", "o" + std::to_string(i)}});
    world_.Run(2);
  }
  EXPECT_THAT(world_.Lines("dc1"),
              ElementsAre(Pair("orders/o0", 1), Pair("orders/o1", 1), Pair("orders/o2", 1)));
  EXPECT_GT(Facts()["backlog"]["clicks"]["deferred_bytes"], 0);
  EXPECT_FALSE(Facts()["backlog"].contains("orders"));
  world_.a.Start(world_.a.ToCluster());  // what is held back outlives the process
  world_.Run(4);
  EXPECT_THAT(world_.Lines("dc1"), SizeIs(3));
  world_.Steer({}, kBoth);
  world_.Run(8);
  EXPECT_THAT(world_.Lines("dc1"), SizeIs(6));
  EXPECT_THAT(Facts()["backlog"], IsEmpty());
  EXPECT_EQ(Facts()["spool_bytes"], 0);
}

TEST_F(SteeredTest, ARedirectGoesToTheOtherClustersLivingCollectorsAndBack) {
  EXPECT_EQ(Log("home"), "ok");
  world_.Run(2);
  world_.Steer({kSpoolAll}, {"dc2"});  // where it is stored does not matter
  world_.Run(2);
  EXPECT_EQ(Log("held"), "ok");
  world_.Run(2);
  world_.Steer({kToDc2}, {"dc2"});
  world_.Run(2);
  EXPECT_EQ(Log("away"), "ok");
  world_.Run(6);
  EXPECT_THAT(world_.Lines("dc1"), ElementsAre(Pair("clicks/home", 1)));
  EXPECT_THAT(world_.Lines("dc2"), ElementsAre(Pair("clicks/away", 1), Pair("clicks/held", 1)));
  EXPECT_EQ(Facts()["mode"]["clicks"], "redirect");
  EXPECT_EQ(Facts()["spool_bytes"], 0);
  EXPECT_EQ(Facts()["handed_over"], 2);
  world_.Steer({}, kBoth);
  world_.Run(2);
  EXPECT_EQ(Log("home again"), "ok");
  world_.Run(4);
  EXPECT_THAT(world_.Lines("dc1"),
              ElementsAre(Pair("clicks/home", 1), Pair("clicks/home again", 1)));
}

// Others go on all the time, so that all of it is in cuts.
TEST_F(SteeredTest, OfAStreamThatIsHeldBackTheOlderGoesBeforeTheNewer) {
  const ModeRule held{"dc1", "clicks", DeliveryMode::kSpool};
  const ModeRule away{"dc1", "clicks", DeliveryMode::kRedirect, "dc2"};
  const std::vector<std::vector<ModeRule>> modes = {{}, {held}, {}, {held}, {away}, {held}, {away}};
  int last = 0;
  for (const std::vector<ModeRule>& next : modes) {
    world_.Steer(next, kBoth);
    for (int i = 0; i < 6; ++i) {
      const std::string number = std::to_string(1000 + last++);
      ASSERT_EQ(world_.a.Log({{"clicks", number}, {"orders", number}}), "ok");
      world_.Run(2);
    }
  }
  world_.Run(20);
  EXPECT_EQ(Facts()["spool_bytes"], 0);
  size_t seen = 0;
  for (const char* cluster : {"dc1", "dc2"}) {
    std::map<std::string, std::vector<std::string>> streams;
    for (const auto& [stream, line] : testing_delivery::OrderedLinesIn(*world_.trees.at(cluster))) {
      streams[stream].push_back(line);
    }
    for (const auto& [stream, lines] : streams) {
      EXPECT_TRUE(std::ranges::is_sorted(lines)) << stream << ": " << testing::PrintToString(lines);
      seen += lines.size();
    }
  }
  EXPECT_EQ(seen, static_cast<size_t>(2 * last));
}

TEST_F(SteeredTest, WithoutALivingReceiverMessagesWaitAndSomeoneIsTold) {
  world_.b.Kill();
  world_.Run(20);
  world_.Steer({kToDc2}, kBoth);
  world_.Run(20);
  EXPECT_EQ(Log("one"), "ok");
  world_.Run(4);
  EXPECT_THAT(world_.AllLines(), IsEmpty());
  EXPECT_FALSE(world_.a.Problems().empty());
  world_.b.Start(world_.b.ToCluster());
  world_.Run(8);
  EXPECT_THAT(world_.Lines("dc2"), ElementsAre(Pair("clicks/one", 1)));
}

TEST_F(SteeredTest, WhatItObeyedIsKnownAtAStartWithoutAnyTree) {
  world_.Steer({kSpoolAll}, kBoth);
  world_.Run(2);
  world_.a.Kill();
  world_.away = {"dc1", "dc2"};
  world_.a.Start(world_.a.ToCluster());
  EXPECT_EQ(Facts()["topology_epoch"], 2);
  EXPECT_EQ(Facts()["topology_digest"], world_.epoch.digest);
  EXPECT_EQ(Log("one"), "ok");
  world_.Run(4);
  EXPECT_EQ(Facts()["mode"]["clicks"], "spool");
  world_.away.clear();
  world_.Run(4);
  EXPECT_THAT(world_.AllLines(), IsEmpty());
}

// It may have missed that its cluster is drained (P30): it was stopped, or could not keep what it
// obeyed.
TEST_F(SteeredTest, NothingIsDeliveredBeforeItsOwnTreeSaysWhichTopologyIsTheNewest) {
  EXPECT_EQ(Log("one"), "ok");
  world_.a.Kill();
  world_.Steer({kSpoolAll}, {"dc1"});  // and nobody else tells it
  world_.a.on_call = [](const Call& call) {
    const bool asks = call.verb == Verb::kListNames && call.path == paths::TopologyRoot();
    return asks && call.store.ends_with("dc1") ? Fault::RequestLost() : Fault{};
  };
  world_.a.Start(world_.a.ToCluster());
  world_.Run(4);
  EXPECT_THAT(world_.AllLines(), IsEmpty());
  world_.a.on_call = nullptr;
  world_.Run(4);
  EXPECT_EQ(Facts()["topology_epoch"], 2);
  EXPECT_THAT(world_.AllLines(), IsEmpty());
  world_.Steer({}, kBoth);
  world_.Run(4);
  EXPECT_THAT(world_.Lines("dc1"), ElementsAre(Pair("clicks/one", 1)));
}

TEST_F(SteeredTest, ATopologyThatCannotBeKeptDoesNotLetItFallBehindWhenItStarts) {
  world_.a.on_call = [](const Call& call) {
    return call.path.ends_with("/topology.tmp") ? Fault::Full() : Fault{};
  };
  world_.Steer({kSpoolAll}, kBoth);
  world_.Run(2);
  EXPECT_EQ(Log("one"), "ok");
  world_.Run(2);
  EXPECT_EQ(Facts()["mode"]["clicks"], "spool");
  world_.a.Start(world_.a.ToCluster());
  EXPECT_EQ(Facts()["topology_epoch"], 1) << "as it was kept";
  world_.Run(4);
  EXPECT_EQ(Facts()["topology_epoch"], 2);
  EXPECT_THAT(world_.AllLines(), IsEmpty());
}

TEST_F(SteeredTest, ATopologyInTheSpoolThatCannotBeReadIsReplaced) {
  ASSERT_TRUE(world_.a.disk->Remove("/spool/a/topology").ok());
  world_.a.Start(world_.a.ToCluster());
  world_.a.collector->Step();
  EXPECT_EQ(Facts()["topology_epoch"], 1) << "asked before the first delivery";
  EXPECT_TRUE(world_.a.disk->Open("/spool/a/topology").ok());
}

TEST_F(SteeredTest, WhoIsSteeredShowsItselfInTheOtherTreesAndOnlyThen) {
  EXPECT_FALSE(BeatIn("dc2", "collector-a@dc1"));
  world_.Steer({kSpoolAll}, kBoth);
  world_.Run(5);
  const auto shown = BeatIn("dc2", "collector-a@dc1");
  ASSERT_TRUE(shown);
  EXPECT_EQ(shown->process, "collector-a@dc1");
  EXPECT_EQ(shown->cluster, "dc1");
  EXPECT_EQ(shown->facts["topology_epoch"], 2);
  EXPECT_EQ(shown->facts["mode"]["clicks"], "spool");
  EXPECT_TRUE(BeatIn("dc1", "collector-a"));
  EXPECT_FALSE(BeatIn("dc1", "collector-b@dc2")) << "nobody steers that one";
  world_.Steer({}, kBoth);
  world_.Run(5);
  EXPECT_FALSE(BeatIn("dc2", "collector-a@dc1"));
}

TEST_F(SteeredTest, WhileItsOwnTreeIsAwayItShowsItselfElsewhere) {
  world_.away = {"dc1"};
  world_.Run(15);
  ASSERT_TRUE(BeatIn("dc2", "collector-a@dc1"));
  EXPECT_THAT(BeatIn("dc2", "collector-a@dc1")->waiting_on, HasSubstr("dc1"));
  world_.away.clear();
  world_.Run(10);
  EXPECT_FALSE(BeatIn("dc2", "collector-a@dc1"));
}

TEST_F(SteeredTest, WithItsOwnTreeGoneItIsRedirectedAllTheSame) {
  world_.away = {"dc1"};
  EXPECT_EQ(Log("one"), "ok");
  world_.Run(4);
  world_.Steer({kToDc2}, {"dc2"});
  world_.Run(8);
  EXPECT_THAT(world_.Lines("dc2"), ElementsAre(Pair("clicks/one", 1)));
}

TEST_F(SteeredTest, WhatWasStagedBeforeItsTreeWentAwayIsNotSentElsewhereAsWell) {
  EXPECT_EQ(Log("one"), "ok");
  // Staged and under an intent, but the rename is not answered.
  world_.a.on_call = [](const Call& call) {
    return call.verb == Verb::kRename && call.to.starts_with("data/") ? Fault::RequestLost()
                                                                      : Fault{};
  };
  world_.Run(2);
  world_.a.on_call = nullptr;
  world_.away = {"dc1"};
  world_.Steer({kToDc2}, {"dc2"});
  EXPECT_EQ(Log("two"), "ok");
  world_.Run(10);
  EXPECT_THAT(world_.Lines("dc2"), ElementsAre(Pair("clicks/two", 1)));
  EXPECT_EQ(Facts()["backlog"]["clicks"]["open_intents"], 1);
  world_.away.clear();
  world_.Run(6);
  EXPECT_THAT(world_.Lines("dc1"), ElementsAre(Pair("clicks/one", 1)));
  EXPECT_EQ(Facts()["open_intents"], 0);
}

// The answer is lost and the receiver cannot be reached, but its tree can be read.
TEST_F(SteeredTest, AReceiversHeartbeatSettlesWhatItDoesNotAnswer) {
  world_.Steer({kToDc2}, kBoth);
  EXPECT_EQ(Log("zero"), "ok");
  world_.Run(4);
  Verb last = Verb::kStat;
  world_.a.on_call = [&last](const Call& call) {
    if (call.store != "net") return Fault{};
    const bool lost = last == Verb::kAppend && call.verb == Verb::kRead;
    last = call.verb;
    return lost ? Fault::AnswerLost() : Fault{};
  };
  EXPECT_EQ(Log("one"), "ok");
  world_.Run(1);
  ASSERT_EQ(Facts()["open_intents"], 1);
  world_.a.on_call = [](const Call& call) {
    return call.store == "net" ? Fault::RequestLost() : Fault{};
  };
  world_.Run(10);
  EXPECT_EQ(Facts()["open_intents"], 0);
  EXPECT_EQ(Facts()["handed_over"], 2);
  EXPECT_EQ(Facts()["possible_duplicates"], 0);
  EXPECT_THAT(world_.Lines("dc2"), ElementsAre(Pair("clicks/one", 1), Pair("clicks/zero", 1)));
}

TEST_F(SteeredTest, InAConflictNothingIsRedirected) {
  const TopologyEpoch base = world_.epoch;
  world_.Steer({kToDc2}, {"dc1"});
  world_.Run(2);
  world_.epoch = base;
  world_.Steer({{"dc2", "", DeliveryMode::kRedirect, "dc1"}}, {"dc2"});
  world_.Run(3);
  EXPECT_EQ(Log("one"), "ok");
  world_.Run(6);
  EXPECT_THAT(world_.AllLines(), IsEmpty());
  EXPECT_THAT(world_.a.Problems(), HasSubstr("does not follow"));
  EXPECT_EQ(Facts()["mode"]["clicks"], "spool");
}

TEST_F(SteeredTest, TheAdvertisedAddressIsWhereOthersConnect) {
  std::string conf = world_.b.ToCluster();
  conf = "databus.collector.advertised_host=elsewhere\n" + conf;
  world_.b.Start(conf);
  world_.Steer({kToDc2}, kBoth);
  world_.Run(4);
  EXPECT_EQ(world_.b.Beat().facts["address"], "elsewhere:1463");
  EXPECT_EQ(Log("one"), "ok");
  world_.Run(3);
  EXPECT_THAT(world_.a.Problems(), HasSubstr("elsewhere:1463: nobody answers"));
}

TEST_F(SteeredTest, TheAllowListIsInTheHeartbeat) {
  EXPECT_EQ(Facts()["allow"], "");
  world_.a.Reload("databus.collector.allow=127.0.0.0/8,::1\n" + world_.a.ToCluster());
  world_.Run(1);
  EXPECT_EQ(Facts()["allow"], "127.0.0.0/8,::1");
}

}  // namespace
}  // namespace databus
