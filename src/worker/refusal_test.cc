// A view that takes nothing of one stream for a while (P11), as with a wrong ACL: its files wait,
// the other streams go on, and all is published once when it does again; whoever dies meanwhile.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fmt/format.h>

#include "commit/manifest.h"
#include "commit/test_world.h"
#include "worker/test_installation.h"

namespace databus {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using Settled = Installation::Settled;

// Nothing can be put below `top` in any minute.
FaultPlan::Callback Refusing(const std::string& top) {
  return [top](const Call& call) {
    const bool into = call.verb == Verb::kRename && call.to.starts_with(top + "/");
    return into ? Fault::Denied() : Fault{};
  };
}

// A file of each stream at each cluster.
void Deliver(Installation& world) {
  for (const std::string stream : {"clicks", "views"}) {
    world.Deliver("dc1", stream, "c1");
    world.Deliver("dc2", stream, "c3");
  }
}

std::string Quarantined(Storage& tree) {
  std::string paths;
  for (const View view : {View::kLocal, View::kMerged}) {
    const auto entries = tree.List(paths::Quarantine(view, "clicks"));
    if (!entries.ok()) continue;
    for (const DirEntry& entry : *entries) paths += entry.name + "\n";
  }
  return paths;
}

// Minutes that a manifest describes though they do not stand. `primary`: of a mirror's manifests.
std::string DescribedTooEarly(Storage& tree, View view, const std::string& primary) {
  std::string paths;
  const auto minutes = ListManifests(tree, view, 0, primary, kFirstMinute, kLastMinute);
  EXPECT_TRUE(minutes.ok()) << minutes.status().ToString();
  if (!minutes.ok()) return paths;
  EXPECT_THAT(*minutes, Not(IsEmpty()));
  for (const Minute minute : *minutes) {
    const auto manifest = ReadManifest(tree, view, 0, minute, primary);
    EXPECT_TRUE(manifest.ok()) << manifest.status().ToString();
    if (!manifest.ok()) continue;
    for (const auto& [stream, files] : manifest->streams) {
      const std::string dir = paths::MinuteDir(view, stream, minute);
      if (!tree.Stat(dir).ok()) paths += dir + "\n";
    }
  }
  return paths;
}

class RefusalTest : public ::testing::TestWithParam<std::string> {
 protected:
  RefusalTest() { processes_.dc1.plan.SetCallback(Refusing(GetParam() + "/clicks")); }

  Installation& world() { return processes_.world; }
  void DeliverAll() { Deliver(world()); }
  std::string Problems() { return processes_.dc1.Problems(); }
  size_t FilesOf(const std::string& stream, View view) {
    const auto files = world().Files("dc1", view);
    return static_cast<size_t>(
        std::ranges::count_if(files, [&](const SeenFile& file) { return file.stream == stream; }));
  }
  View Refused() const { return GetParam() == "streams" ? View::kMerged : View::kLocal; }
  size_t Staged(const std::string& cluster) {
    const Tree staging = ReadTree(world().at(cluster), paths::Tmp());
    return static_cast<size_t>(
        std::ranges::count_if(staging, [](const auto& one) { return !one.first.ends_with("/"); }));
  }
  // After a refusal, and after a death, as long as anything waits.
  void Mend(WorkerProcess& dc1) {
    dc1.plan.Clear();
    world().clock.Advance(minutes(1));
    for (int i = 0; i < 20; ++i) {
      dc1.Step();
      processes_.dc2.Step();
      world().clock.Advance(seconds(1));
    }
  }

  TwoWorkers processes_;
};
INSTANTIATE_TEST_SUITE_P(View, RefusalTest, ::testing::Values("streams_local", "streams"));

TEST_P(RefusalTest, FilesWaitAndTheOtherStreamsGoOn) {
  DeliverAll();
  processes_.Step(5);
  EXPECT_EQ(FilesOf("views", View::kMerged), 2U);
  EXPECT_EQ(FilesOf("clicks", Refused()), 0U);
  EXPECT_THAT(Problems(), HasSubstr("permission denied by plan"));
  EXPECT_THAT(Problems(), HasSubstr("let the worker's user"));
  world().clock.Advance(minutes(1));
  DeliverAll();
  processes_.Step(15);
  EXPECT_EQ(FilesOf("views", View::kMerged), 4U);
  EXPECT_THAT(world().Violations(Settled::kNo), IsEmpty());

  Mend(processes_.dc1);
  EXPECT_THAT(world().Violations(Settled::kYes), IsEmpty());
  EXPECT_THAT(Problems(), Not(HasSubstr("permission denied")));
  EXPECT_EQ(Quarantined(world().at("dc1")), "");
}

TEST_P(RefusalTest, ItIsTriedOnceAMinute) {
  DeliverAll();
  processes_.Step(1);
  const auto tries = [&] {
    const auto trace = processes_.dc1.plan.trace();
    return std::ranges::count_if(trace, [&](const Call& call) {
      return call.verb == Verb::kRename && call.to.starts_with(GetParam() + "/clicks/");
    });
  };
  const auto at_first = tries();
  EXPECT_GT(at_first, 0);
  processes_.Step(20);
  EXPECT_EQ(tries(), at_first);
}

TEST_P(RefusalTest, MinutesOfAnIdleStreamAreMadeLaterWithoutAHole) {
  processes_.dc1.plan.Clear();
  DeliverAll();
  processes_.Step(3);
  processes_.dc1.plan.SetCallback(Refusing(GetParam() + "/clicks"));
  for (int minute = 0; minute < 3; ++minute) {
    world().clock.Advance(minutes(1));
    processes_.Step(15);  // after such a pause the lease is taken anew
    EXPECT_EQ(DescribedTooEarly(world().at("dc1"), Refused(), ""), "");
  }
  EXPECT_THAT(Problems(), HasSubstr("they are made later"));
  EXPECT_THAT(world().Violations(Settled::kNo), IsEmpty());
  EXPECT_GT(world().Newest("dc1", "views"), Minute::Of(world().clock.Wall()) + -2);
  Mend(processes_.dc1);
  EXPECT_THAT(world().Violations(Settled::kYes), IsEmpty());
  EXPECT_GT(world().Newest("dc1", "clicks"), Minute::Of(world().clock.Wall()) + -2);
  EXPECT_THAT(Problems(), Not(HasSubstr("they are made later")));
}

// More minutes than one record describes; and what is tried does not grow with them.
TEST_P(RefusalTest, AfterHoursNoMinuteIsMissingAndLittleWasTried) {
  processes_.dc1.plan.Clear();
  DeliverAll();
  processes_.Step(3);
  processes_.dc1.plan.SetCallback(Refusing(GetParam() + "/clicks"));
  uint64_t before = 0;
  for (int minute = 0; minute < 230; ++minute) {
    world().clock.Advance(minutes(1));
    if (minute == 225) before = processes_.dc1.plan.calls();
    processes_.Step(minute == 0 ? 15 : 2);
  }
  EXPECT_LT((processes_.dc1.plan.calls() - before) / 5, 500U) << "calls a minute";
  EXPECT_LT(Staged("dc1"), 400U);
  Mend(processes_.dc1);
  for (int i = 0; i < 3; ++i) Mend(processes_.dc1);
  EXPECT_THAT(world().Violations(Settled::kNo), IsEmpty());  // its files are past their retention
  EXPECT_GT(world().Newest("dc1", "clicks"), Minute::Of(world().clock.Wall()) + -2);
}

// A new file a minute of a stream that is refused puts off no claim of another.
TEST_P(RefusalTest, OneThatIsMendedDoesNotWaitForAnother) {
  processes_.dc1.plan.SetCallback([this](const Call& call) {
    const auto clicks = Refusing(GetParam() + "/clicks")(call);
    return clicks.kind == Fault::Kind::kNone ? Refusing(GetParam() + "/views")(call) : clicks;
  });
  DeliverAll();
  processes_.Step(3);
  EXPECT_EQ(FilesOf("views", Refused()), 0U);
  processes_.dc1.plan.SetCallback(Refusing(GetParam() + "/clicks"));
  for (int minute = 0; minute < 3; ++minute) {
    world().clock.Advance(minutes(1));
    world().Deliver("dc1", "clicks", "c1");
    processes_.Step(15);
  }
  EXPECT_GT(FilesOf("views", Refused()), 0U);
  EXPECT_EQ(FilesOf("clicks", Refused()), 0U);
  Mend(processes_.dc1);
  EXPECT_THAT(world().Violations(Settled::kYes), IsEmpty());
}

// The minute can be made, and takes no file.
TEST_P(RefusalTest, AMinuteThatTakesNoFileIsFollowedByEveryOther) {
  processes_.dc1.plan.SetCallback([this](const Call& call) {
    const bool is_file = call.verb == Verb::kRename && call.to.ends_with(".gz") &&
                         call.to.starts_with(GetParam() + "/clicks/");
    return is_file ? Fault::Denied() : Fault{};
  });
  DeliverAll();
  processes_.Step(2);
  for (int minute = 0; minute < 3; ++minute) {
    world().clock.Advance(minutes(1));
    processes_.Step(15);
  }
  EXPECT_EQ(FilesOf("clicks", Refused()), 0U);
  Mend(processes_.dc1);
  EXPECT_THAT(world().Violations(Settled::kYes), IsEmpty());
}

// Not even the directories above its minutes.
TEST_P(RefusalTest, AnHourThatMayNotBeMadeHoldsUpItsStreamOnly) {
  processes_.dc1.plan.SetCallback([this](const Call& call) {
    const bool above = call.verb == Verb::kMakeDir && call.path.starts_with(GetParam() + "/clicks");
    return above ? Fault::Denied() : Fault{};
  });
  DeliverAll();
  processes_.Step(5);
  EXPECT_EQ(FilesOf("views", View::kMerged), 2U);
  EXPECT_EQ(FilesOf("clicks", Refused()), 0U);
  EXPECT_THAT(Problems(), HasSubstr("permission denied by plan"));
  EXPECT_THAT(Problems(), Not(HasSubstr("streams of this group wait")));
  Mend(processes_.dc1);
  EXPECT_THAT(world().Violations(Settled::kYes), IsEmpty());
}

// Something else has the name of a minute. The whole group goes on, run after run.
TEST_P(RefusalTest, AFileInTheWayOfAMinuteHoldsUpItsStreamOnly) {
  processes_.dc1.plan.Clear();
  DeliverAll();
  processes_.Step(3);
  const Minute next = Minute::Of(world().clock.Wall()).Next();
  const std::string in_the_way = paths::MinuteDir(Refused(), "clicks", next);
  ASSERT_TRUE(world().at("dc1").WriteFile(in_the_way, "").ok());
  for (int minute = 0; minute < 3; ++minute) {
    world().clock.Advance(minutes(1));
    DeliverAll();
    processes_.Step(15);
  }
  EXPECT_EQ(FilesOf("views", Refused()), Refused() == View::kLocal ? 4U : 8U);
  EXPECT_EQ(Problems().find("streams of this group wait"), std::string::npos) << Problems();
  ASSERT_TRUE(world().at("dc1").Remove(in_the_way).ok());
  Mend(processes_.dc1);
  EXPECT_THAT(world().Violations(Settled::kYes), IsEmpty());
}

// P16: its manifest is the primary's, and stands whole or not at all.
TEST(RefusalAtAMirrorTest, AMinuteOfWhichAStreamMayNotBeMadeIsNotClosed) {
  TwoWorkers processes;
  Deliver(processes.world);
  processes.Step(3);
  processes.world.clock.Advance(minutes(1));
  processes.Step(15);
  processes.dc2.plan.SetCallback(Refusing("streams/clicks"));
  for (int minute = 0; minute < 3; ++minute) {
    processes.world.clock.Advance(minutes(1));
    processes.Step(15);
    EXPECT_EQ(DescribedTooEarly(processes.world.at("dc2"), View::kMerged, "dc1"), "");
  }
  processes.dc2.plan.Clear();
  for (int minute = 0; minute < 2; ++minute) {
    processes.world.clock.Advance(minutes(1));
    processes.Step(20);
  }
  EXPECT_THAT(processes.world.Violations(Settled::kYes), IsEmpty());
}

// Two collectors of the original, of which one's name ends as the other's.
TEST(RefusalOfConvertedFilesTest, TheRightOriginalIsKept) {
  TwoWorkers processes;
  Storage& tree = processes.world.at("dc1");
  processes.Step(2);
  ASSERT_TRUE(EnsureDir(tree, "data/clicks").ok());
  for (const std::string collector : {"web1", "dc1-web1"}) {
    ASSERT_TRUE(EnsureDir(tree, "data/clicks/" + collector).ok());
    for (const char* number : {"50", "51"}) {
      const std::string name = fmt::format("clicks-2031-05-06-10-{}_00000", number);
      ASSERT_TRUE(
          tree.WriteFile(paths::DataFile("clicks", collector, name), collector + number + "\n")
              .ok());
    }
  }
  processes.dc1.plan.SetCallback([](const Call& call) {
    const bool is_it = call.verb == Verb::kRename && call.to.starts_with("streams_local/clicks/") &&
                       call.to.find("/dc1-web1-") != std::string::npos;
    return is_it ? Fault::Denied() : Fault{};
  });
  processes.world.clock.Advance(minutes(11));  // the next full scan
  processes.Step(15);
  processes.dc1.plan.Clear();
  processes.world.clock.Advance(minutes(11));
  processes.Step(15);
  std::multiset<std::string> names;
  for (const SeenFile& file : processes.world.Files("dc1", View::kLocal)) names.insert(file.name);
  EXPECT_THAT(names, ::testing::UnorderedElementsAre("web1-clicks-2031-05-06-10-50_00000.gz",
                                                     "web1-clicks-2031-05-06-10-51_00000.gz",
                                                     "dc1-web1-clicks-2031-05-06-10-50_00000.gz",
                                                     "dc1-web1-clicks-2031-05-06-10-51_00000.gz"));
}

TEST_P(RefusalTest, WhoDiesAtAnyCallOfIt) {
  uint64_t number = 0;
  bool died = true;
  while (died) {
    ++number;
    died = false;
    TwoWorkers processes;
    Installation& world = processes.world;
    Deliver(world);
    const auto refusing = Refusing(GetParam() + "/clicks");
    processes.dc1.plan.SetCallback([&](const Call& call) {
      return call.number == number ? Fault::CrashAfter() : refusing(call);
    });
    try {
      processes.Step(3);
    } catch (const Crash&) {
      died = true;
    }
    WorkerProcess next(world, {"dc1"}, 3);
    if (!died) break;
    world.clock.Advance(minutes(1));
    for (int i = 0; i < 25; ++i) {
      next.Step();
      processes.dc2.Step();
      world.clock.Advance(seconds(1));
    }
    ASSERT_THAT(world.Violations(Settled::kYes), IsEmpty()) << "after call " << number;
    ASSERT_EQ(Quarantined(world.at("dc1")), "") << "after call " << number;
  }
  EXPECT_GT(number, 100U);
}

}  // namespace
}  // namespace databus
