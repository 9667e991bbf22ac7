// Failovers where there are three clusters and streams with different primaries: what does not
// concern the clusters named stays as it is. And streams that wait when their primary is alone
// (P28). Real processes; nothing here is measured.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "cluster/paths.h"
#include "control/epoch_store.h"
#include "tests/e2e/site.h"

namespace databus {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

const std::vector<std::string> kClusters = {"dc1", "dc2", "dc3"};

struct Spec {
  std::string name;
  std::vector<std::string> sources;
  std::string primary;
  std::vector<std::string> mirrors;
};
const std::vector<Spec> kStreams = {
    {"clicks", {"dc1", "dc2", "dc3"}, "dc1", {"dc2", "dc3"}},
    {"views", {"dc1", "dc2"}, "dc1", {"dc2"}},
    {"orders", {"dc1", "dc2", "dc3"}, "dc2", {"dc1", "dc3"}},
    {"logs", {"dc1", "dc3"}, "dc3", {"dc2"}},
};

class ThreeClustersTest : public testing::Test {
 protected:
  // `attributes`: of the streams whose primary is dc1.
  void Begin(const std::string& attributes) {
    std::vector<std::string> streams;
    for (const Spec& spec : kStreams) {
      std::string xml = Site::Stream(spec.name, spec.sources, spec.primary, spec.mirrors);
      if (spec.primary == "dc1") xml.insert(std::string("<stream").size(), " " + attributes);
      streams.push_back(std::move(xml));
    }
    site_.Write("databus.xml", site_.Xml(streams, kClusters));
    for (const std::string& cluster : kClusters) site_.StartWorker(cluster);
    ASSERT_TRUE(Site::Eventually([&] {
      return std::ranges::all_of(kClusters,
                                 [&](const auto& cluster) { return Newest(cluster).has_value(); });
    }));
    for (const std::string& cluster : kClusters) {
      ports_[cluster] = site_.StartCollector(cluster, cluster + "-c1");
    }
  }

  std::optional<StoredTopology> Newest(const std::string& cluster) const {
    const auto tree = OpenStorage("file://" + site_.PathOf(cluster), "databus");
    if (!tree.ok()) return std::nullopt;
    const auto newest = NewestEpoch(**tree);
    if (!newest.ok() || !*newest) return std::nullopt;
    auto read = ReadEpoch(**tree, **newest);
    return read.ok() ? std::optional(read->stored) : std::nullopt;
  }
  std::map<std::string, std::string> Primaries() const {
    std::map<std::string, std::string> primaries;
    const StoredTopology stored = *Newest("dc2");
    for (const StreamSpec& stream : stored.topology.streams) {
      primaries[stream.name] = stream.Primary();
    }
    return primaries;
  }

  // One line of each stream to each of its sources that lives, acknowledged.
  void Produce(const std::string& when, const std::set<std::string>& to) {
    for (const Spec& spec : kStreams) {
      for (const std::string& cluster : spec.sources) {
        if (!to.contains(cluster)) continue;
        const std::string line = fmt::format("{} of {} at {}", when, spec.name, cluster);
        site_.Write("lines", line + "\n");
        ASSERT_TRUE(Site::Eventually([&] {
          return site_
                     .Run({"produce", "--to", "127.0.0.1:" + ports_.at(cluster), spec.name,
                           site_.PathOf("lines")})
                     .exit_code == 0;
        })) << site_.Read("command.log");
        sent_[spec.name].insert(line);
      }
    }
  }
  std::multiset<std::string> Lines(const std::string& stream, const std::string& cluster) {
    std::istringstream text(site_
                                .Run({"cat", stream, "--cluster", cluster, "--view", "streams",
                                      "--topology", site_.PathOf("databus.xml")})
                                .output);
    std::multiset<std::string> lines;
    for (std::string line; std::getline(text, line);) lines.insert(line);
    return lines;
  }
  // All that was sent, once, at each of the clusters that has the stream.
  void ExpectAllThereOnce(const std::set<std::string>& at) {
    for (const Spec& spec : kStreams) {
      std::vector<std::string> holders = spec.mirrors;
      holders.push_back(spec.primary);
      for (const std::string& cluster : holders) {
        if (!at.contains(cluster)) continue;
        std::multiset<std::string> seen;
        EXPECT_TRUE(Site::Eventually([&] {
          seen = Lines(spec.name, cluster);
          return seen == sent_[spec.name];
        })) << spec.name
            << " at " << cluster << ": " << testing::PrintToString(seen) << "\ninstead of "
            << testing::PrintToString(sent_[spec.name]) << site_.Read("worker-" + cluster + ".log");
      }
    }
  }

  ChildEnd Failover(std::vector<std::string> args) {
    args.insert(args.end(), {"--topology", site_.PathOf("databus.xml")});
    return site_.Run(args);
  }
  // Plans are refused until all processes have said that they obey.
  std::string Planned(const std::vector<std::string>& args) {
    ChildEnd plan;
    EXPECT_TRUE(Site::Eventually([&] {
      plan = Failover(args);
      return plan.exit_code == 0;
    })) << plan.output
        << site_.Read("command.log");
    return plan.output;
  }
  void Move(const std::string& from, const std::string& to) const {
    std::filesystem::rename(site_.PathOf(from), site_.PathOf(to));
  }
  void Kill(const std::string& process, int signal) {
    ASSERT_EQ(::kill(site_.Process(process).pid(), signal), 0);
  }
  void ExpectEqualViews() {
    const ChildEnd verified = Failover({"verify", "--wait", "60s", "--deep"});
    EXPECT_EQ(verified.exit_code, 0) << verified.output;
  }
  void FailBack() {
    const auto tree = OpenStorage("file://" + site_.PathOf("dc1"), "databus");
    const auto before = PlainDigest(ReadEpoch(**tree, 1)->stored.topology);
    Planned({"failback", "plan", "--to", "dc1"});
    const ChildEnd back = Failover({"failback", "run", "--to", "dc1", "--yes"});
    ASSERT_EQ(back.exit_code, 0) << back.output << site_.Read("command.log");
    EXPECT_EQ(PlainDigest(Newest("dc1")->topology), before);
    EXPECT_THAT(Newest("dc1")->modes, IsEmpty());
  }

  Site site_;
  std::map<std::string, std::string> ports_;  // by cluster
  std::map<std::string, std::multiset<std::string>> sent_;
};

TEST_F(ThreeClustersTest, OnlyWhatConcernsTheClustersNamedChanges) {
  ASSERT_NO_FATAL_FAILURE(Begin(""));
  ASSERT_NO_FATAL_FAILURE(Produce("before", {"dc1", "dc2", "dc3"}));
  Planned({"failover", "plan", "--from", "dc1", "--to", "dc2"});
  const ChildEnd over = Failover({"failover", "run", "--from", "dc1", "--to", "dc2", "--yes"});
  ASSERT_EQ(over.exit_code, 0) << over.output << site_.Read("command.log");
  EXPECT_EQ(Primaries(),
            (std::map<std::string, std::string>{
                {"clicks", "dc2"}, {"views", "dc2"}, {"orders", "dc2"}, {"logs", "dc3"}}));
  const Topology topology = Newest("dc3")->topology;
  for (const StreamSpec& stream : topology.streams) {
    EXPECT_FALSE(stream.HasSource("dc1")) << stream.name;
    EXPECT_EQ(stream.publication, Publication::kOpen) << stream.name;
  }
  EXPECT_TRUE(topology.FindStream("logs")->HasSource("dc2")) << "what dc1's collectors send on";
  // To dc1 as well: its collectors send on.
  ASSERT_NO_FATAL_FAILURE(Produce("between", {"dc1", "dc2", "dc3"}));
  ExpectAllThereOnce({"dc1", "dc2", "dc3"});
  ASSERT_NO_FATAL_FAILURE(FailBack());
  ASSERT_NO_FATAL_FAILURE(Produce("after", {"dc1", "dc2", "dc3"}));
  ExpectAllThereOnce({"dc1", "dc2", "dc3"});
  ExpectEqualViews();
  EXPECT_TRUE(site_.AllRun());
  site_.StopAll();
}

// dc1 is cut off with its worker asleep, with something to merge in a queue that it can reach again
// when it wakes up.
TEST_F(ThreeClustersTest, OfAStreamThatWaitsAStalePrimaryPublishesNothingAfterTheSwap) {
  ASSERT_NO_FATAL_FAILURE(Begin("whenalone=\"wait\""));
  ASSERT_NO_FATAL_FAILURE(Produce("before", {"dc1", "dc2", "dc3"}));
  ExpectAllThereOnce({"dc1", "dc2", "dc3"});
  Kill("worker-dc1", SIGSTOP);
  Kill("dc1-c1", SIGKILL);
  ASSERT_NO_FATAL_FAILURE(Produce("asleep", {"dc2", "dc3"}));
  const std::string queue = paths::Join("databus", paths::Consumers("dc1"));
  ASSERT_TRUE(Site::Eventually([&] {
    std::error_code error;
    const auto entries =
        std::filesystem::directory_iterator(paths::Join(site_.PathOf("dc3"), queue), error);
    return !error && entries != std::filesystem::directory_iterator();
  }));
  Move("dc1", "gone");

  const std::vector<std::string> unplanned = {"--unplanned", "--from", "dc1", "--to", "dc2"};
  std::vector<std::string> plan = {"failover", "plan", "--json"};
  plan.insert(plan.end(), unplanned.begin(), unplanned.end());
  // What was being mirrored when dc1 died may arrive in between: then it is another statement.
  ChildEnd over;
  ASSERT_TRUE(Site::Eventually([&] {
    const auto planned = nlohmann::json::parse(Planned(plan), nullptr, false);
    std::vector<std::string> run = {"failover", "run", "--yes", "--accept-loss",
                                    planned.value("loss_id", "none")};
    run.insert(run.end(), unplanned.begin(), unplanned.end());
    over = Failover(run);
    return over.exit_code == 0 ||
           site_.Read("command.log").find("another one by now") == std::string::npos;
  }));
  ASSERT_EQ(over.exit_code, 0) << over.output << site_.Read("command.log");
  // "No primary" first, on a majority; then what a primary takes at most to notice.
  EXPECT_THAT(site_.Read("command.log"), HasSubstr("may publish for another"));
  const StoredTopology stored = *Newest("dc2");
  EXPECT_EQ(stored.epoch, 3U);
  const auto tree = OpenStorage("file://" + site_.PathOf("dc3"), "databus");
  const Topology fenced = ReadEpoch(**tree, 2)->stored.topology;
  EXPECT_EQ(fenced.FindStream("clicks")->publication, Publication::kFrozen);
  EXPECT_EQ(fenced.FindStream("orders")->publication, Publication::kOpen);
  EXPECT_EQ(stored.topology.FindStream("clicks")->Primary(), "dc2");
  EXPECT_EQ(stored.topology.FindStream("logs")->Primary(), "dc3");
  ExpectAllThereOnce({"dc2", "dc3"});

  // The return.
  Move("gone", "dc1");
  Kill("worker-dc1", SIGCONT);
  ports_["dc1"] = site_.StartCollector("dc1", "dc1-c1");
  ASSERT_NO_FATAL_FAILURE(Produce("back", {"dc1", "dc2", "dc3"}));
  ExpectAllThereOnce({"dc1", "dc2", "dc3"});
  ASSERT_NO_FATAL_FAILURE(FailBack());
  ASSERT_NO_FATAL_FAILURE(Produce("after", {"dc1", "dc2", "dc3"}));
  ExpectAllThereOnce({"dc1", "dc2", "dc3"});
  ExpectEqualViews();
  std::error_code error;
  const std::string set_aside =
      paths::Join(paths::Join(site_.PathOf("dc1"), "databus"), paths::DivergentRoot());
  for (const auto& each : std::filesystem::recursive_directory_iterator(set_aside, error)) {
    EXPECT_FALSE(each.is_regular_file() && each.path().string().find("clicks") != std::string::npos)
        << each.path() << ": the stale primary had published it";
  }
  site_.StopAll();
}

}  // namespace
}  // namespace databus
