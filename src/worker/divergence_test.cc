// What it costs a cluster that comes back to become as the new primary (P32).
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "worker/test_site.h"

namespace databus {
namespace {

using std::chrono::minutes;
using ::testing::IsEmpty;

constexpr int kMinutes = 4;

// Streams of one group, all moving together, beside those of every test.
std::vector<std::string> NamesOfOneGroup(size_t count) {
  std::vector<std::string> names;
  for (int i = 0; names.size() < count; ++i) {
    const std::string name = fmt::format("many{}", i);
    if (GroupOf(name, 2) == 0) names.push_back(name);
  }
  return names;
}

struct Cost {
  size_t commits = 0;
  size_t set_aside = 0;       // files
  size_t manifests_read = 0;  // at the new primary
};

// dc1 published `kMinutes` minutes that dc2 has not got. Then dc2 is the primary, without them, or
// with dc1's help.
class Story {
 public:
  explicit Story(size_t streams) : names_(NamesOfOneGroup(streams)) {
    StreamSpec like = *site_.world.topology.FindStream("clicks");
    site_.world.topology.streams.clear();
    for (const std::string& name : names_) {
      like.name = name;
      site_.world.topology.streams.push_back(like);
    }
    site_.Start("dc1");
    site_.Start("dc2");
    Publish("dc1");
    site_.Step(4);
    site_.Stop("dc2");
    site_.CutOff("dc1", "dc2");
    for (int i = 0; i < kMinutes; ++i) Publish("dc1");
    site_.Stop("dc1");
  }

  Cost ComeBack() {
    site_.Swap("dc1", "dc2", "dc2");
    site_.Start("dc2");
    for (int i = 0; i < kMinutes; ++i) Publish("dc2");
    site_.Start("dc1");
    const Cost cost = StepAndCount("dc1", "dc2");
    EXPECT_GE(cost.set_aside, names_.size() * kMinutes);
    ExpectSettled();
    return cost;
  }

  Cost TakeOver() {
    site_.Swap("dc1", "dc2", "dc1");
    site_.Start("dc2");
    const Cost cost = StepAndCount("dc2", "dc1");
    EXPECT_EQ(site_.world.Files("dc2", View::kMerged).size(),
              site_.world.Files("dc1", View::kMerged).size());
    site_.Start("dc1");
    ExpectSettled();
    return cost;
  }

 private:
  void Publish(const std::string& cluster) {
    for (size_t i = 0; i < names_.size(); ++i) {
      site_.world.Deliver(cluster, names_[i], fmt::format("c{}", i));
    }
    site_.Step(4);
    site_.world.clock.Advance(minutes(1));
  }
  Cost StepAndCount(const std::string& cluster, const std::string& other) {
    Cost cost;
    const std::string manifests = paths::ManifestRoot(View::kMerged, 0);
    site_.of(cluster).plan.SetCallback([&, other](const Call& call) {
      if (call.verb == Verb::kRename && call.to.starts_with(manifests) &&
          call.to.find('~') != std::string::npos) {
        ++cost.commits;
      }
      if (call.verb == Verb::kRename && call.to.starts_with(paths::DivergentRoot())) {
        ++cost.set_aside;
      }
      const bool is_other = call.store.starts_with(other);
      if (call.verb == Verb::kOpen && is_other && call.path.starts_with(manifests)) {
        ++cost.manifests_read;
      }
      return Fault{};
    });
    site_.Step(2);
    site_.of(cluster).plan.Clear();
    return cost;
  }
  void ExpectSettled() {
    site_.Step(15);
    site_.world.clock.Advance(minutes(11));  // the next scans and passes
    site_.Step(20);
    EXPECT_THAT(site_.world.Violations(Installation::Settled::kYes), IsEmpty());
  }

  const std::vector<std::string> names_;
  Site site_;
};

TEST(DivergenceTest, AMinuteThatIsSetAsideOrFetchedIsOneCommitHoweverManyStreamsItHas) {
  const Cost few = Story(2).ComeBack();
  const Cost many = Story(12).ComeBack();
  EXPECT_GE(few.commits, static_cast<size_t>(kMinutes));
  EXPECT_EQ(many.commits, few.commits);
}

TEST(DivergenceTest, AMinuteThatANewPrimaryCopiesIsOneCommitHoweverManyStreamsItHas) {
  const Cost few = Story(2).TakeOver();
  const Cost many = Story(12).TakeOver();
  EXPECT_GE(few.commits, static_cast<size_t>(kMinutes));
  EXPECT_EQ(many.commits, few.commits);
  EXPECT_EQ(many.manifests_read, few.manifests_read);
}

// The paths in a cluster's merged view.
std::set<std::string> MergedPaths(const Installation& world, const std::string& cluster) {
  std::set<std::string> all;
  for (const SeenFile& file : world.Files(cluster, View::kMerged)) {
    all.insert(
        paths::MinuteFile(View::kMerged, file.stream, *Minute::ParseIso(file.minute), file.name));
  }
  return all;
}

// A failback's bootstrap: dc1 was switched off at the swap, with a long history that dc2 has, too,
// so that all of it is compared (P32); three minutes came since.
TEST(DivergenceTest, WhoComesBackReadsAndCopiesTheFilesOfTheMinutesThatItLacksAndNoOthers) {
  constexpr int kEqualMinutes = 20;
  constexpr int kMissingMinutes = 3;
  Site site;
  site.Start("dc1");
  site.Start("dc2");
  site.Minutes(kEqualMinutes);
  site.Freeze("dc1");
  site.Stop("dc1");
  site.Swap("dc1", "dc2", "dc1");
  const std::set<std::string> equal = MergedPaths(site.world, "dc1");
  ASSERT_GE(equal.size(), 3U * kEqualMinutes);
  for (int i = 0; i < kMissingMinutes; ++i) {
    site.world.Deliver("dc2", "clicks", "cdc2");
    site.Step(6);
    site.world.clock.Advance(minutes(1));
    site.Step(4);
  }
  std::set<std::string> missing = MergedPaths(site.world, "dc2");
  for (const std::string& path : equal) missing.erase(path);
  ASSERT_EQ(missing.size(), static_cast<size_t>(kMissingMinutes));

  site.Start("dc1");
  std::multiset<std::string> read;
  std::multiset<std::string> published;
  site.of("dc1").plan.SetCallback([&](const Call& call) {
    const std::string& path = call.verb == Verb::kRename ? call.to : call.path;
    const auto place = paths::ParseMinutePath(path);
    if (!place || place->file.empty() || place->view != View::kMerged) {
      return Fault{};
    }
    const bool is_of_dc2 = call.store.starts_with("dc2");
    if (call.verb == Verb::kOpen && is_of_dc2) read.insert(path);
    if (call.verb == Verb::kRename && !is_of_dc2) published.insert(path);
    return Fault{};
  });
  site.Step(30);
  site.of("dc1").plan.Clear();
  EXPECT_EQ(MergedPaths(site.world, "dc1"), MergedPaths(site.world, "dc2"));
  const std::multiset<std::string> once(missing.begin(), missing.end());
  EXPECT_EQ(read, once);
  EXPECT_EQ(published, once);
  EXPECT_THAT(site.Divergent("dc1"), IsEmpty());
}

}  // namespace
}  // namespace databus
