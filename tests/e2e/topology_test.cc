// The stored topology with real processes: what operators change while everything runs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <filesystem>

#include "control/epoch_store.h"
#include "tests/e2e/site.h"

namespace databus {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class TopologyE2eTest : public testing::Test {
 protected:
  void SetUp() override {
    site_.Write("databus.xml", site_.Xml({clicks_}, {"dc1", "dc2"}));
    site_.StartWorker("dc1");
    site_.StartWorker("dc2");
    ASSERT_TRUE(Site::Eventually([&] { return EpochAt("dc1") == 1 && EpochAt("dc2") == 1; }));
  }

  // 0: none.
  uint64_t EpochAt(const std::string& cluster) const {
    const auto tree = OpenStorage("file://" + site_.PathOf(cluster), "databus");
    const auto newest = NewestEpoch(**tree);
    return newest.ok() && *newest ? **newest : 0;
  }
  std::string DigestAt(const std::string& cluster, uint64_t epoch) const {
    const auto tree = OpenStorage("file://" + site_.PathOf(cluster), "databus");
    const auto read = ReadEpoch(**tree, epoch);
    return read.ok() ? read->digest : read.status().ToString();
  }
  // As when the disk of a cluster is unmounted, and mounted again.
  void Move(const std::string& from, const std::string& to) const {
    std::filesystem::rename(site_.PathOf(from), site_.PathOf(to));
  }
  ChildEnd Topology(std::vector<std::string> args) {
    args.insert(args.begin(), "topology");
    args.insert(args.end(), {"--topology", site_.PathOf("databus.xml")});
    return site_.Run(args);
  }
  ChildEnd Apply(const std::string& xml, uint64_t base) {
    site_.Write("edited.xml", xml);
    return Topology({"apply", site_.PathOf("edited.xml"), "--base", std::to_string(base), "--yes"});
  }
  void Produce(const std::string& port, const std::string& stream, const std::string& lines) {
    site_.Write("lines", lines);
    ASSERT_TRUE(Site::Eventually([&] {
      return site_.Run({"produce", "--to", "127.0.0.1:" + port, stream, site_.PathOf("lines")})
                 .exit_code == 0;
    })) << site_.Read("command.log");
  }
  // A file of the stream is in the cluster's local view.
  bool IsPublished(const std::string& cluster, const std::string& stream) const {
    const std::filesystem::path view =
        std::filesystem::path(site_.PathOf(cluster)) / "databus/streams_local" / stream;
    std::error_code error;
    for (std::filesystem::recursive_directory_iterator at(view, error), end; at != end;
         at.increment(error)) {
      if (at->is_regular_file(error)) return true;
    }
    return false;
  }
  bool Arrives(const std::string& stream, const std::string& cluster, const std::string& lines) {
    return Site::Eventually([&] {
      return site_
                 .Run({"cat", stream, "--cluster", cluster, "--view", "streams", "--topology",
                       site_.PathOf("databus.xml")})
                 .output == lines;
    });
  }

  Site site_;
  const std::string clicks_ = Site::Stream("clicks", {"dc1"}, "dc1", {"dc2"});
};

TEST_F(TopologyE2eTest, AStreamAndAClusterAreAddedWhileEverythingRuns) {
  const std::string port = site_.StartCollector("dc1", "c1");
  Produce(port, "orders", "zero\n");  // nobody merges it yet
  ASSERT_TRUE(Site::Eventually([&] { return IsPublished("dc1", "orders"); }));
  const std::string orders = Site::Stream("orders", {"dc1"}, "dc2", {"dc1"});
  const ChildEnd added = Apply(site_.Xml({clicks_, orders}, {"dc1", "dc2"}), 1);
  EXPECT_EQ(added.exit_code, 0) << site_.Read("command.log");
  EXPECT_THAT(added.output, HasSubstr("stream 'orders': added"));
  EXPECT_TRUE(Arrives("orders", "dc2", "zero\n")) << site_.Read("worker-dc2.log");
  Produce(port, "orders", "one\ntwo\n");
  EXPECT_TRUE(Arrives("orders", "dc2", "zero\none\ntwo\n")) << site_.Read("worker-dc1.log");

  const std::string wider = Site::Stream("orders", {"dc1"}, "dc2", {"dc1", "dc3"});
  EXPECT_EQ(Apply(site_.Xml({clicks_, wider}, {"dc1", "dc2", "dc3"}), 2).exit_code, 0);
  site_.StartWorker("dc3");  // its databus.xml is the first one still
  ASSERT_TRUE(Site::Eventually([&] { return EpochAt("dc3") == 3; }))
      << site_.Read("worker-dc3.log");
  Produce(port, "orders", "three\n");
  EXPECT_TRUE(Arrives("orders", "dc3", "zero\none\ntwo\nthree\n")) << site_.Read("worker-dc3.log");
  EXPECT_TRUE(site_.AllRun());
  site_.StopAll();
}

TEST_F(TopologyE2eTest, ARemovedClusterEndsNothingOfTheOthers) {
  const std::string both = site_.Xml({clicks_}, {"dc1", "dc2"});
  ASSERT_EQ(Apply(site_.Xml({clicks_}, {"dc1", "dc2", "dc3"}), 1).exit_code, 0);
  site_.WriteWorkerConfig("dc2,dc3", "both.cfg");
  site_.Start("worker-both", {"worker", "--config", site_.PathOf("both.cfg")});
  ASSERT_TRUE(Site::Eventually([&] { return EpochAt("dc3") == 2; }));
  EXPECT_EQ(Apply(both, 2).exit_code, 0) << site_.Read("command.log");
  ASSERT_TRUE(Site::Eventually([&] {
    return site_.Read("worker-both.log").find("has no such cluster any more") != std::string::npos;
  }));
  EXPECT_TRUE(site_.AllRun());
  site_.StopAll();
}

TEST_F(TopologyE2eTest, OfTwoOperatorsWhoApplyAtOnceOneIsRefused) {
  for (uint64_t base = 1; base <= 5; ++base) {
    std::vector<Child> operators;
    for (int i = 0; i < 2; ++i) {
      const std::string file = site_.PathOf(fmt::format("operator{}.xml", i));
      const std::string added = Site::Stream(fmt::format("s{}-{}", base, i), {"dc1"}, "dc1", {});
      site_.Write(fmt::format("operator{}.xml", i), site_.Xml({clicks_, added}, {"dc1", "dc2"}));
      auto started = site_.StartCommand(
          DATABUS_PROGRAM, {"topology", "apply", file, "--base", std::to_string(base), "--yes"});
      ASSERT_TRUE(started.ok());
      operators.push_back(*std::move(started));
    }
    std::array<int, 2> codes{};
    for (int i = 0; i < 2; ++i) codes.at(i) = operators[i].Wait()->exit_code;
    EXPECT_THAT(codes, testing::UnorderedElementsAre(0, 1)) << site_.Read("command.log");
    EXPECT_EQ(EpochAt("dc1"), base + 1);
    EXPECT_EQ(DigestAt("dc1", base + 1), DigestAt("dc2", base + 1));
  }
  EXPECT_EQ(Topology({"show"}).exit_code, 0);
  site_.StopAll();
}

// Each side is changed while the other's tree is away.
TEST_F(TopologyE2eTest, AConflictIsShownAndWhatItIsAboutIsPublishedAgainWhenOneSideIsChosen) {
  const std::string port = site_.StartCollector("dc1", "c1");
  Produce(port, "clicks", "one\n");
  ASSERT_TRUE(Arrives("clicks", "dc2", "one\n"));
  Move("dc2", "away");
  EXPECT_EQ(Topology({"mode", "dc2", "spool", "--yes"}).exit_code, 0);
  Move("dc1", "dc1-away");
  Move("away", "dc2");
  const std::string other = Site::Stream("orders", {"dc1"}, "dc2", {"dc1"});
  site_.Write("edited.xml", site_.Xml({other}, {"dc1", "dc2"}));
  EXPECT_EQ(
      Topology({"apply", site_.PathOf("edited.xml"), "--base", "1", "--yes", "--force"}).exit_code,
      0);
  Move("dc1-away", "dc1");
  EXPECT_THAT(Topology({"show"}).output,
              HasSubstr("no merged minutes until one is chosen: clicks, orders"));
  EXPECT_THAT(
      site_.Run({"status", "--topology", site_.PathOf("databus.xml")}).output,
      AllOf(HasSubstr("CONFLICT of epoch 2"), HasSubstr("no merged minutes of: clicks, orders")));
  Produce(port, "clicks", "two\n");
  EXPECT_EQ(Topology({"choose", "2/" + DigestAt("dc1", 2), "--yes"}).exit_code, 0);
  EXPECT_EQ(DigestAt("dc1", 3), DigestAt("dc2", 3));
  EXPECT_TRUE(Arrives("clicks", "dc2", "one\ntwo\n")) << site_.Read("worker-dc2.log");
  EXPECT_TRUE(Arrives("clicks", "dc1", "one\ntwo\n")) << site_.Read("worker-dc1.log");
  EXPECT_TRUE(site_.AllRun());
  site_.StopAll();
}

}  // namespace
}  // namespace databus
