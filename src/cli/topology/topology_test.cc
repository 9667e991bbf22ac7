// The subcommands of `databus topology`, over trees in memory.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <streambuf>

#include "cli/test_world.h"
#include "control/adopt_file.h"
#include "control/epoch_store.h"
#include "failover/journal.h"

namespace databus {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

// `kTestTopology` with something else in the place of a part.
std::string Edited(std::string xml, const std::string& part, const std::string& with) {
  const size_t at = xml.find(part);
  EXPECT_NE(at, std::string::npos) << part;
  return xml.replace(at, part.size(), with);
}
constexpr const char* kOrders = R"(<streams><stream name="orders">
    <sources><source><name>dc2</name></source></sources>
    <destinations><destination><name>dc2</name><primary>true</primary></destination></destinations>
  </stream>)";

class TopologyTest : public testing::Test {
 protected:
  TopologyTest() {
    first_ = JudgeFile(*ParseTopology(kTestTopology, "databus.xml"), nullptr, {})->epoch;
    Store("dc1", first_);
    Store("dc2", first_);
    world_.files["edited.xml"] = Edited(kTestTopology, "<streams>", kOrders);
  }

  void Store(const std::string& cluster, const TopologyEpoch& epoch) {
    ASSERT_TRUE(StoreEpoch(*world_.trees.at(cluster), SystemRandom(), epoch).ok());
  }
  Ran Topology(std::vector<std::string> args, const std::string& input = "") {
    args.insert(args.begin(), "topology");
    return world_.Run(args, input);
  }
  Ran On(std::vector<std::string> args) {
    args.insert(args.end(), {"--topology", "databus.xml"});
    return Topology(args);
  }
  TopologyEpoch At(const std::string& cluster) {
    Storage& tree = *world_.trees.at(cluster);
    return *ReadEpoch(tree, **NewestEpoch(tree));
  }
  // Two epochs of the same number, of which dc2's gives clicks to dc2.
  void MakeConflict() {
    Store("dc1", TopologyEpoch::Of(first_.stored.Next("here")));
    StoredTopology there = first_.stored.Next("there");
    there.topology.streams[0].destinations[0].role = Role::kMirror;
    there.topology.streams[0].destinations[1].role = Role::kPrimary;
    Store("dc2", TopologyEpoch::Of(there));
  }

  TestWorld world_;
  TopologyEpoch first_;
};

TEST_F(TopologyTest, ValidateListsAllThatIsWrong) {
  EXPECT_EQ(Topology({"validate", "databus.xml"}).code, 0);
  world_.files["bad.xml"] = Edited(Edited(kTestTopology, "<name>dc2</name>", "<name>dc9</name>"),
                                   "<primary>true", "<primary>maybe");
  const Ran ran = Topology({"validate", "bad.xml"});
  EXPECT_EQ(ran.code, 2);
  EXPECT_THAT(ran.err, AllOf(HasSubstr("bad.xml:6: "), HasSubstr("maybe"), HasSubstr("dc9")));
}

TEST_F(TopologyTest, ShowTellsTheNewestEpochWhoHasItAndWhoIsBehind) {
  StoredTopology next = first_.stored.Next("by hand");
  next.modes.push_back({"dc1", "clicks", DeliveryMode::kRedirect, "dc2"});
  next.topology.streams[0].publication = Publication::kFrozen;
  next.topology.streams[0].cut = Minute::ParseIso("2031-05-06T10:04Z");
  Store("dc2", TopologyEpoch::Of(next));
  const Ran ran = On({"show"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("Topology epoch 2, digest " + TopologyEpoch::Of(next).digest));
  EXPECT_THAT(ran.out, AllOf(HasSubstr("1, behind"), HasSubstr("redirect to dc2"),
                             HasSubstr("FROZEN"), HasSubstr("2031-05-06T10:04Z")));
  const auto json = nlohmann::json::parse(On({"show", "--json"}).out);
  EXPECT_EQ(json["heads"][0]["modes"][0]["to"], "dc2");
  EXPECT_EQ(json["heads"][0]["streams"][0]["cut"], "2031-05-06T10:04Z");
  EXPECT_EQ(json["clusters"][0]["epoch"], 1);
}

TEST_F(TopologyTest, ShownXmlIsAFileThatChangesNothing) {
  const Ran xml = On({"show", "--xml"});
  EXPECT_EQ(xml.code, 0);
  world_.files["shown.xml"] = xml.out;
  EXPECT_EQ(Topology({"validate", "shown.xml"}).code, 0) << xml.out;
  EXPECT_EQ(Topology({"diff", "shown.xml"}).code, 3);
  EXPECT_EQ(Topology({"apply", "shown.xml", "--base", "1", "--yes"}).code, 3);
}

TEST_F(TopologyTest, ShowOfWhatIsNotThereSaysWhy) {
  EXPECT_THAT(On({"show", "--epoch", "7"}).err, HasSubstr("has an epoch 7"));
  world_.trees.clear();
  const Ran away = On({"show"});
  EXPECT_EQ(away.code, 1);
  EXPECT_THAT(away.err, HasSubstr("dc2: file:///dc2: unmounted?"));
  const Ran nothing = TestWorld().Run({"topology", "show", "--topology", "databus.xml"});
  EXPECT_EQ(nothing.code, 1);
  EXPECT_THAT(nothing.err, HasSubstr("no topology is stored yet"));
}

TEST_F(TopologyTest, DiffTellsWhatAFileWouldChangeAndWhatHasChanged) {
  const Ran file = Topology({"diff", "edited.xml"});
  EXPECT_EQ(file.code, 0);
  EXPECT_THAT(file.out, HasSubstr("stream 'orders': added, with "));
  StoredTopology next = first_.stored.Next("by hand");
  next.modes.push_back({"dc1", "", DeliveryMode::kSpool});
  Store("dc1", TopologyEpoch::Of(next));
  EXPECT_EQ(On({"diff", "--epoch", "1"}).out, "collectors of dc1: every stream: none -> spool\n");
  EXPECT_EQ(On({"diff", "--epoch", "2"}).code, 3);
  EXPECT_EQ(On({"diff"}).code, 2);
}

TEST_F(TopologyTest, ApplyStoresTheNextEpochEverywhereAndKeepsWhatAFileCannotSay) {
  StoredTopology second = first_.stored.Next("by hand");
  second.modes.push_back({"dc1", "", DeliveryMode::kSpool});
  second.topology.streams[0].cut = Minute::ParseIso("2031-05-06T10:04Z");
  Store("dc1", TopologyEpoch::Of(second));
  const Ran ran = Topology({"apply", "edited.xml", "--base", "2", "--yes"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("Stored as epoch 3 on dc1, dc2."));
  const TopologyEpoch third = At("dc2");
  EXPECT_EQ(third.digest, At("dc1").digest);
  EXPECT_EQ(third.stored.modes, second.modes);
  EXPECT_NE(third.stored.topology.FindStream("orders"), nullptr);
  EXPECT_EQ(third.stored.topology.FindStream("clicks")->cut, second.topology.streams[0].cut);
  EXPECT_EQ(third.stored.adopted, Adopted::kNo) << "an older databus.xml must not be refused now";
}

TEST_F(TopologyTest, ADryRunAndANoChangeNothing) {
  const Ran dry = Topology({"apply", "edited.xml", "--base", "1", "--dry-run"});
  EXPECT_EQ(dry.code, 0);
  EXPECT_THAT(dry.out, HasSubstr("stream 'orders': added"));
  for (const char* answer : {"n\n", "", "maybe\n"}) {
    const Ran asked = Topology({"apply", "edited.xml", "--base", "1"}, answer);
    EXPECT_EQ(asked.code, 1);
    EXPECT_THAT(asked.err, HasSubstr("Store it as epoch 2? [y/N]"));
  }
  EXPECT_EQ(At("dc1").digest, first_.digest);
  EXPECT_EQ(Topology({"apply", "edited.xml", "--base", "1"}, "y\n").code, 0);
  EXPECT_EQ(At("dc1").stored.epoch, 2U);
}

TEST_F(TopologyTest, AStaleBaseIsRefusedWithWhatHasChangedSince) {
  ASSERT_EQ(Topology({"apply", "edited.xml", "--base", "1", "--yes"}).code, 0);
  const Ran stale = Topology({"apply", "databus.xml", "--base", "1", "--yes"});
  EXPECT_EQ(stale.code, 1);
  EXPECT_THAT(stale.err, AllOf(HasSubstr("--base 1: epoch 2 (topology apply, on h1)"),
                               HasSubstr("stream 'orders': added"), HasSubstr("use --base 2")));
  EXPECT_EQ(At("dc1").stored.epoch, 2U);
}

TEST_F(TopologyTest, AnotherPrimaryIsAFailoverForcedOrNot) {
  world_.files["moved.xml"] = Edited(
      Edited(kTestTopology, "<name>dc1</name><primary>true</primary>", "<name>dc1</name>"),
      "<destination><name>dc2</name>", "<destination><name>dc2</name><primary>true</primary>");
  std::vector<std::string> apply = {"apply", "moved.xml", "--base", "1", "--yes"};
  const Ran refused = Topology(apply);
  EXPECT_EQ(refused.code, 1);
  EXPECT_THAT(refused.out, HasSubstr("databus failover run --from dc1 --to dc2"));
  apply.emplace_back("--force");
  EXPECT_EQ(Topology(apply).code, 1);
  EXPECT_EQ(At("dc1").stored.epoch, 1U);
}

TEST_F(TopologyTest, AStreamThatHasDataOnItsWayIsNotRemovedUnlessForced) {
  ASSERT_EQ(Topology({"apply", "edited.xml", "--base", "1", "--yes"}).code, 0);
  ASSERT_TRUE(world_.Put("dc2", "data/orders/c1/orders-2031-05-06-10-04_00001.gz", "x").ok());
  const Ran refused = Topology({"apply", "databus.xml", "--base", "2", "--yes"});
  EXPECT_EQ(refused.code, 1);
  EXPECT_THAT(refused.out,
              HasSubstr("REFUSED: dc2: stream orders has data on its way: 1 file in data/"));
  EXPECT_EQ(Topology({"apply", "databus.xml", "--base", "2", "--yes", "--force"}).code, 0);
}

TEST_F(TopologyTest, AStreamWithoutDataIsRemovedButNotWhileAClusterIsAway) {
  ASSERT_EQ(Topology({"apply", "edited.xml", "--base", "1", "--yes"}).code, 0);
  auto dc2 = std::move(world_.trees.at("dc2"));
  world_.trees.erase("dc2");
  const Ran refused = Topology({"apply", "databus.xml", "--base", "2", "--yes"});
  EXPECT_EQ(refused.code, 1);
  EXPECT_THAT(refused.out, HasSubstr("cluster dc2: it cannot be known whether it holds data"));
  world_.trees["dc2"] = std::move(dc2);
  EXPECT_EQ(Topology({"apply", "databus.xml", "--base", "2", "--yes"}).code, 0);
}

TEST_F(TopologyTest, NothingIsChangedWhileAFailoverIsUnderWay) {
  failover::Journal journal;
  journal.id = "20310506T100405Z-planned-dc1-dc2";
  journal.revision = 1;
  journal.step = failover::Step::kDrain;
  ASSERT_TRUE(
      world_.Put("dc1", paths::FailoverJournal({journal.id, journal.revision}), journal.Encode())
          .ok());
  const Ran apply = Topology({"apply", "edited.xml", "--base", "1", "--yes", "--json"});
  EXPECT_EQ(apply.code, 1);
  EXPECT_THAT(nlohmann::json::parse(apply.out)["objections"][0]["what"],
              AllOf(HasSubstr(journal.id), HasSubstr("drain")));
  EXPECT_EQ(On({"mode", "dc1", "spool", "--yes"}).code, 1);
  journal.revision = 2;
  journal.step = failover::Step::kDone;
  ASSERT_TRUE(
      world_.Put("dc2", paths::FailoverJournal({journal.id, journal.revision}), journal.Encode())
          .ok());
  EXPECT_EQ(On({"mode", "dc1", "spool", "--yes"}).code, 0);
}

// Answers "y", and something happens before it does.
class LateAnswer final : public std::streambuf {
 public:
  explicit LateAnswer(std::function<void()> before) : before_(std::move(before)) {}

 private:
  int_type underflow() override {
    if (before_) std::exchange(before_, nullptr)();
    setg(text_, text_, text_ + 2);
    return traits_type::to_int_type(text_[0]);
  }
  std::function<void()> before_;
  char text_[3] = "y\n";
};

TEST_F(TopologyTest, AFailoverThatBeginsWhileTheOperatorIsAskedIsNotRunOver) {
  LateAnswer answer([this] {
    failover::Journal journal;
    journal.id = "20310506T100405Z-planned-dc1-dc2";
    journal.revision = 1;
    ASSERT_TRUE(world_.Put("dc2", paths::FailoverJournal({journal.id, 1}), journal.Encode()).ok());
  });
  std::istream in(&answer);
  std::ostringstream out;
  std::ostringstream err;
  Io io{.in = in, .out = out, .err = err};
  Seams seams = world_.MakeSeams();
  EXPECT_EQ(RunProgram({"topology", "apply", "edited.xml", "--base", "1"}, io, seams), 1);
  EXPECT_THAT(err.str(), AllOf(HasSubstr("is under way"), HasSubstr("databus failover abort")));
  EXPECT_EQ(At("dc1").stored.epoch, 1U);
}

TEST_F(TopologyTest, AStreamThatAFailoverLeftFrozenIsPublishedAgainByApply) {
  StoredTopology frozen = first_.stored.Next("failover");
  frozen.topology.streams[0].publication = Publication::kFrozen;
  Store("dc1", TopologyEpoch::Of(frozen));
  Store("dc2", TopologyEpoch::Of(frozen));
  world_.files["shown.xml"] = On({"show", "--xml"}).out;
  const Ran applied = Topology({"apply", "shown.xml", "--base", "2", "--yes"});
  EXPECT_EQ(applied.code, 0) << applied.out << applied.err;
  EXPECT_THAT(applied.out, HasSubstr("left the merged stream of clicks frozen"));
  EXPECT_EQ(At("dc1").stored.topology.streams[0].publication, Publication::kOpen);
}

TEST_F(TopologyTest, AClusterBecomesAMirrorWithoutAnEditorAndNothingElseChanges) {
  StoredTopology second = first_.stored.Next("by hand");
  second.modes.push_back({"dc1", "clicks", DeliveryMode::kSpool});
  second.topology.streams[0].cut = Minute::ParseIso("2031-05-06T10:04Z");
  for (const char* name : {"orders", "views"}) {
    second.topology.streams.push_back(
        {.name = name,
         .sources = {{"dc1", std::chrono::hours(5)}},
         .destinations = {{"dc2", Role::kPrimary, std::chrono::hours(7)}}});
  }
  Store("dc1", TopologyEpoch::Of(second));
  const Ran dry = On({"mirror", "dc1", "--stream", "orders", "--dry-run"});
  EXPECT_EQ(dry.code, 0) << dry.err;
  EXPECT_THAT(dry.out, AllOf(HasSubstr("dc1 fetches all that is retained of orders; a failover to "
                                       "it waits until it has caught up"),
                             Not(HasSubstr("views"))));
  EXPECT_EQ(At("dc1").stored.epoch, 2U);
  const Ran one = On({"mirror", "dc1", "--stream", "orders", "--yes"});
  EXPECT_EQ(one.code, 0) << one.err;
  StoredTopology stored = At("dc2").stored;
  const StreamSpec* const orders = stored.topology.FindStream("orders");
  ASSERT_EQ(orders->destinations.size(), 2U);
  EXPECT_EQ(orders->RoleOf("dc1"), Role::kMirror);
  EXPECT_EQ(stored.topology.MergedRetention("dc1", "orders"), std::chrono::hours(48));
  EXPECT_FALSE(stored.topology.FindStream("views")->RoleOf("dc1"));
  EXPECT_EQ(stored.modes, second.modes);
  EXPECT_EQ(stored.topology.FindStream("clicks")->cut, second.topology.streams[0].cut);

  EXPECT_EQ(On({"mirror", "dc1", "--of", "dc1", "--yes"}).code, 3) << "of its own streams";
  EXPECT_EQ(On({"mirror", "dc1", "--of", "dc2", "--yes"}).code, 0);
  EXPECT_TRUE(At("dc1").stored.topology.FindStream("views")->RoleOf("dc1"));
  EXPECT_EQ(On({"mirror", "dc1", "--yes"}).code, 3) << "it has them all";
}

TEST_F(TopologyTest, AMirrorThatCannotBeIsAUsageErrorAndNoneIsAddedDuringAFailover) {
  EXPECT_THAT(On({"mirror", "dc9"}).err, HasSubstr("no cluster 'dc9'; did you mean"));
  EXPECT_THAT(On({"mirror", "dc2", "--of", "dc9"}).err, HasSubstr("no cluster 'dc9'"));
  const Ran stream = On({"mirror", "dc2", "--stream", "click"});
  EXPECT_EQ(stream.code, 2);
  EXPECT_THAT(stream.err, HasSubstr("no stream 'click'; did you mean 'clicks'?"));
  StoredTopology second = first_.stored.Next("by hand");
  std::erase_if(second.topology.streams[0].destinations,
                [](const DestinationSpec& destination) { return destination.cluster == "dc2"; });
  Store("dc1", TopologyEpoch::Of(second));
  failover::Journal journal;
  journal.id = "20310506T100405Z-planned-dc1-dc2";
  journal.revision = 1;
  journal.step = failover::Step::kDrain;
  ASSERT_TRUE(world_.Put("dc1", paths::FailoverJournal({journal.id, 1}), journal.Encode()).ok());
  const Ran refused = On({"mirror", "dc2", "--yes"});
  EXPECT_EQ(refused.code, 1);
  EXPECT_THAT(refused.out, AllOf(HasSubstr("REFUSED"), HasSubstr(journal.id)));
  EXPECT_EQ(At("dc1").stored.epoch, 2U);
}

TEST_F(TopologyTest, AModeIsSetAndTakenBack) {
  EXPECT_EQ(On({"mode", "dc1", "spool", "--yes"}).code, 0);
  EXPECT_EQ(On({"mode", "dc1", "spool", "--yes"}).code, 3);
  EXPECT_EQ(On({"mode", "dc1/clicks", "deliver", "--yes"}).code, 0);
  const std::vector<ModeRule> both = {{"dc1", "", DeliveryMode::kSpool},
                                      {"dc1", "clicks", DeliveryMode::kDeliver}};
  EXPECT_EQ(At("dc2").stored.modes, both);
  EXPECT_EQ(
      On({"mode", "dc1", "redirect", "--to", "dc2", "--redirect-to", "h1:1463", "--yes"}).code, 0);
  EXPECT_EQ(At("dc2").stored.FindMode("dc1", "other")->receivers[0].ToString(), "h1:1463");
  EXPECT_EQ(On({"mode", "dc1", "deliver", "--yes"}).code, 0);
  EXPECT_EQ(At("dc2").stored.FindMode("dc1", "other"), nullptr);
}

TEST_F(TopologyTest, AModeThatCannotBeIsAUsageErrorThatSaysWhatIsExpected) {
  const std::map<std::vector<std::string>, std::string> wrong = {
      {{"dc", "spool"}, "there is no cluster 'dc'; did you mean 'dc1'?"},
      {{"dc1", "redirect"}, "redirect needs --to CLUSTER"},
      {{"dc1", "redirect", "--to", "dc1"}, "redirected to itself"},
      {{"dc1", "redirect", "--redirect-to", "h1"}, "is no HOST:PORT"},
      {{"dc1", "spool", "--to", "dc2"}, "for redirect only"},
      {{"dc1/.clicks", "spool"}, ".clicks"},
      {{"dc1", "sleep"}, "sleep"},
  };
  for (const auto& [args, message] : wrong) {
    std::vector<std::string> all = {"mode"};
    all.insert(all.end(), args.begin(), args.end());
    const Ran ran = On(all);
    EXPECT_EQ(ran.code, 2) << message;
    EXPECT_THAT(ran.err, HasSubstr(message));
  }
}

TEST_F(TopologyTest, TwoClustersThatRedirectToEachOtherAreRefused) {
  ASSERT_EQ(On({"mode", "dc1", "redirect", "--to", "dc2", "--yes"}).code, 0);
  const Ran circle = On({"mode", "dc2", "redirect", "--to", "dc1", "--yes"});
  EXPECT_EQ(circle.code, 1);
  EXPECT_THAT(circle.out, AllOf(HasSubstr("round in a circle, of all streams: dc1 -> dc2 -> dc1"),
                                HasSubstr("let dc1 deliver first")));
  const Ran of_one = On({"mode", "dc2/clicks", "redirect", "--to", "dc1", "--yes"});
  EXPECT_EQ(of_one.code, 1);
  EXPECT_THAT(of_one.out, HasSubstr("clicks: dc1 -> dc2 -> dc1"));
}

TEST_F(TopologyTest, AConflictIsShownAndNothingButAChoiceEndsIt) {
  MakeConflict();
  const Ran shown = On({"show"});
  EXPECT_EQ(shown.code, 0);
  EXPECT_THAT(shown.out, AllOf(HasSubstr("CONFLICT"), HasSubstr("by there, on dc2"),
                               HasSubstr("no merged minutes until one is chosen: clicks"),
                               HasSubstr("2, in CONFLICT")));
  for (const auto& args : {std::vector<std::string>{"apply", "edited.xml", "--base", "2", "--yes"},
                           {"mode", "dc1", "spool", "--yes", "--topology", "databus.xml"}}) {
    const Ran refused = Topology(args);
    EXPECT_EQ(refused.code, 1);
    EXPECT_THAT(refused.err, HasSubstr("databus topology choose"));
  }
  const std::string digest = At("dc2").digest;
  EXPECT_EQ(On({"choose", "2", "--yes"}).code, 2) << "both have that number";
  EXPECT_EQ(On({"choose", "2/ffff", "--yes"}).code, 2);
  const Ran chosen = On({"choose", "2/" + digest, "--yes"});
  EXPECT_EQ(chosen.code, 0) << chosen.err;
  EXPECT_EQ(At("dc1").digest, At("dc2").digest);
  EXPECT_EQ(At("dc1").stored.topology.streams[0].Primary(), "dc2");
  EXPECT_THAT(On({"show"}).out, Not(HasSubstr("CONFLICT")));
  EXPECT_EQ(On({"choose", "2", "--yes"}).code, 3);
}

TEST_F(TopologyTest, AClusterIsConfirmedToBeAloneAndThatIsTakenBack) {
  world_.files["waits.xml"] = Edited(kTestTopology, "<stream name=\"clicks\">",
                                     "<stream name=\"clicks\" whenalone=\"wait\">");
  ASSERT_EQ(Topology({"apply", "waits.xml", "--base", "1", "--yes"}).code, 0);
  const Ran alone = On({"confirm", "--alone", "dc1", "--yes"});
  EXPECT_EQ(alone.code, 0) << alone.err;
  EXPECT_THAT(alone.out, AllOf(HasSubstr("confirmed by an operator: alone: none -> cluster dc1"),
                               HasSubstr("dc1 publishes merged minutes of clicks"),
                               HasSubstr("cluster dc2 answers here")));
  EXPECT_EQ(At("dc2").stored.alone, "dc1");
  EXPECT_THAT(On({"show"}).out, HasSubstr("Confirmed to be alone: dc1"));
  EXPECT_EQ(On({"confirm", "--alone", "dc1", "--yes"}).code, 3);
  EXPECT_EQ(On({"confirm", "--not-alone", "--yes"}).code, 0);
  EXPECT_EQ(At("dc1").stored.alone, "");
  EXPECT_EQ(On({"confirm", "--alone", "dc9"}).code, 2);
  EXPECT_EQ(On({"confirm"}).code, 2);
  EXPECT_EQ(On({"confirm", "--alone", "dc1", "--not-alone"}).code, 2);
}

}  // namespace
}  // namespace databus
