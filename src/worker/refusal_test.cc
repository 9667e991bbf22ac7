// A view that takes nothing of one stream for a while (P11), as with a wrong ACL: its files wait,
// the other streams go on, and all is published once when it does again; whoever dies meanwhile.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

std::string Quarantined(Storage& tree) {
  std::string paths;
  for (const View view : {View::kLocal, View::kMerged}) {
    const auto entries = tree.List(paths::Quarantine(view, "clicks"));
    if (!entries.ok()) continue;
    for (const DirEntry& entry : *entries) paths += entry.name + "\n";
  }
  return paths;
}

class RefusalTest : public ::testing::TestWithParam<std::string> {
 protected:
  RefusalTest() { processes_.dc1.plan.SetCallback(Refusing(GetParam() + "/clicks")); }

  Installation& world() { return processes_.world; }
  void DeliverAll() {
    for (const std::string stream : {"clicks", "views"}) {
      world().Deliver("dc1", stream, "c1");
      world().Deliver("dc2", stream, "c3");
    }
  }
  std::string Problems() {
    std::string text;
    for (const Problem& problem : processes_.dc1.of().ListProblems()) {
      text += problem.what + "; " + problem.next + "\n";
    }
    return text;
  }
  size_t FilesOf(const std::string& stream, View view) {
    const auto files = world().Files("dc1", view);
    return static_cast<size_t>(
        std::ranges::count_if(files, [&](const SeenFile& file) { return file.stream == stream; }));
  }
  View Refused() const { return GetParam() == "streams" ? View::kMerged : View::kLocal; }
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
  }
  EXPECT_THAT(Problems(), HasSubstr("they are made later"));
  EXPECT_THAT(world().Violations(Settled::kNo), IsEmpty());
  EXPECT_GT(world().Newest("dc1", "views"), Minute::Of(world().clock.Wall()) + -2);
  Mend(processes_.dc1);
  EXPECT_THAT(world().Violations(Settled::kYes), IsEmpty());
  EXPECT_GT(world().Newest("dc1", "clicks"), Minute::Of(world().clock.Wall()) + -2);
  EXPECT_THAT(Problems(), Not(HasSubstr("they are made later")));
}

TEST_P(RefusalTest, WhoDiesAtAnyCallOfIt) {
  uint64_t number = 0;
  bool died = true;
  while (died) {
    ++number;
    died = false;
    TwoWorkers processes;
    Installation& world = processes.world;
    for (const std::string stream : {"clicks", "views"}) {
      world.Deliver("dc1", stream, "c1");
      world.Deliver("dc2", stream, "c3");
    }
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
