// Delivery through every fault at every call: whatever was acknowledged is in data/ exactly once.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "collector/deliver/test_delivery_world.h"

namespace databus {
namespace {

using testing_delivery::Entries;
using testing_delivery::Process;
using testing_delivery::World;

// What a run has done so far, also when it ends by a crash.
struct Ledger {
  Entries acknowledged;
  Entries refused;
};

void LogAndNote(Process& process, const Entries& entries, Ledger& ledger) {
  // Until the answer comes, nobody knows.
  Entries& refused = ledger.refused;
  const size_t before = refused.size();
  refused.insert(refused.end(), entries.begin(), entries.end());
  if (!process.Log(entries)) return;
  refused.resize(before);
  ledger.acknowledged.insert(ledger.acknowledged.end(), entries.begin(), entries.end());
}

// Two deliveries of three streams, of two groups at least, with messages that come in between.
void TwoDeliveries(Process& process, Ledger& ledger) {
  process.Start();
  if (testing::Test::HasFatalFailure()) return;
  LogAndNote(process, {{"clicks", "c1"}, {"orders", "o1"}, {"clicks", "c2"}}, ledger);
  LogAndNote(process, {{"views", "v1"}}, ledger);
  process.Run(4);
  LogAndNote(process, {{"orders", "o2"}, {"clicks", "c3"}}, ledger);
  process.Run(4);
}

void ExpectExactlyOnce(World& world, const Ledger& ledger) {
  const auto lines = world.Lines();
  for (const auto& [stream, message] : ledger.acknowledged) {
    const auto at = lines.find(stream + "/" + message);
    EXPECT_EQ(at == lines.end() ? 0 : at->second, 1) << stream << "/" << message;
  }
  for (const auto& [line, times] : lines) EXPECT_EQ(times, 1) << line;
}

// Every file in data/ was announced, and nothing is left behind in staging.
void ExpectTidy(World& world, Process& process) {
  std::set<std::string> announced;
  for (const AnnouncedFile& file : world.Announced()) announced.insert(file.path);
  for (const auto& [path, bytes] : world.DataFiles()) EXPECT_TRUE(announced.contains(path)) << path;
  EXPECT_THAT(world.Staged(), testing::IsEmpty());
  EXPECT_EQ(process.spool->Stats().open_intents, 0U);
  EXPECT_EQ(process.spool->Stats().unsealed_bytes, 0U);
}

// The run with `fault` at call `number`, a restart, and the check. False: there is no such call.
bool TryFault(uint64_t number, const Fault& fault) {
  World world;
  Ledger ledger;
  bool reached = false;
  {
    Process process(world);
    process.plan.Add({.number = number, .fault = fault});
    try {
      TwoDeliveries(process, ledger);
    } catch (const Crash&) {
    }
    reached = process.plan.calls() >= number;
    if (testing::Test::HasFatalFailure()) return false;
  }
  Process after(world);
  after.Start();
  if (testing::Test::HasFatalFailure()) return false;
  after.Run(8);
  ExpectExactlyOnce(world, ledger);
  ExpectTidy(world, after);
  return reached;
}

uint64_t TryEverywhere(const Fault& fault) {
  uint64_t number = 1;
  for (; TryFault(number, fault); ++number) {
    if (testing::Test::HasFailure()) {
      ADD_FAILURE() << "at call " << number;
      break;
    }
  }
  return number - 1;
}

TEST(DeliveryCrash, BeforeAnyCallLosesAndDoublesNothing) {
  EXPECT_GT(TryEverywhere(Fault::CrashBefore()), 100U);
}

TEST(DeliveryCrash, AfterAnyCallLosesAndDoublesNothing) {
  EXPECT_GT(TryEverywhere(Fault::CrashAfter()), 100U);
}

TEST(DeliveryCrash, InTheMiddleOfAnyWriteLosesAndDoublesNothing) {
  EXPECT_GT(TryEverywhere(Fault::CrashTorn(7)), 100U);
}

// A fault of the cluster that the process lives through; the same run must get over it.
uint64_t LiveThroughEverywhere(const Fault& fault) {
  for (uint64_t nth = 1;; ++nth) {
    World world;
    Ledger ledger;
    Process process(world);
    uint64_t seen = 0;
    process.plan.SetCallback([&](const Call& call) {
      if (call.store == "disk") return Fault{};
      return ++seen == nth ? fault : Fault{};
    });
    TwoDeliveries(process, ledger);
    process.Run(8);
    ExpectExactlyOnce(world, ledger);
    ExpectTidy(world, process);
    EXPECT_EQ(ledger.acknowledged.size(), 6U);
    if (testing::Test::HasFailure()) {
      ADD_FAILURE() << "at the cluster's call " << nth;
      return nth;
    }
    if (seen < nth) return nth - 1;
  }
}

TEST(DeliveryFault, AnyLostAnswerIsSettledByLooking) {
  EXPECT_GT(LiveThroughEverywhere(Fault::AnswerLost()), 50U);
}

TEST(DeliveryFault, AnyLostRequestIsMadeGood) {
  EXPECT_GT(LiveThroughEverywhere(Fault::RequestLost()), 50U);
}

TEST(DeliveryFault, AFullClusterIsWaitedFor) {
  EXPECT_GT(LiveThroughEverywhere(Fault::Full()), 50U);
}

TEST(DeliveryFault, ATornWriteIsNeverDelivered) {
  EXPECT_GT(LiveThroughEverywhere(Fault::Torn(5)), 50U);
}

// A rename of a process that died before its sync can be undone by a power cut.
TEST(DeliveryCrash, WhatIsAbsentFromStagingIsDeliveredOnlyOnceTheClusterIsSynced) {
  World world;
  Ledger ledger;
  {
    Process process(world);
    process.plan.Add(
        {.verb = Verb::kRename, .path_part = "data/clicks", .fault = Fault::CrashAfter()});
    EXPECT_THROW(TwoDeliveries(process, ledger), Crash);
  }
  Process after(world);
  bool refused = true;
  after.plan.SetCallback([&](const Call& call) {
    const bool sync = call.verb == Verb::kSync && call.store != "disk";
    return sync && refused ? Fault::RequestLost() : Fault{};
  });
  after.Start();
  ASSERT_FALSE(HasFatalFailure());
  after.Run(8);
  EXPECT_GT(after.spool->Stats().open_intents, 0U);
  refused = false;
  after.Run(8);
  ExpectExactlyOnce(world, ledger);
  ExpectTidy(world, after);
}

// The run with a spool's disk that has no room from call `from` of the journal on, until the
// process dies (`length` calls later) or there is room again. False: there is no such call.
bool TryFullDisk(uint64_t from, uint64_t length, const Fault& then) {
  World world;
  Ledger ledger;
  uint64_t seen = 0;
  {
    Process process(world);
    bool full = false;
    uint64_t cluster_calls = 0;
    process.plan.SetCallback([&](const Call& call) {
      if (call.store != "disk") return full && ++cluster_calls == length ? then : Fault{};
      const bool needs_room = call.verb == Verb::kAppend || call.verb == Verb::kCreate;
      if (call.path.find("journal-") == call.path.npos || !needs_room) return Fault{};
      if (++seen < from || cluster_calls >= length) return Fault{};
      // The worst: the record is whole, and refused.
      if (!full && call.verb == Verb::kAppend) {
        full = true;
        return Fault::Torn(10'000, Code::kNoSpace);
      }
      full = true;
      return Fault::Full();
    });
    try {
      TwoDeliveries(process, ledger);
      process.Run(30);
      EXPECT_EQ(process.spool->Stats().retired, "");
      if (seen >= from) ExpectTidy(world, process);
    } catch (const Crash&) {
    }
    if (testing::Test::HasFatalFailure()) return false;
  }
  Process after(world);
  after.Start();
  if (testing::Test::HasFatalFailure()) return false;
  after.Run(8);
  ExpectExactlyOnce(world, ledger);
  ExpectTidy(world, after);
  return seen >= from;
}

TEST(DeliveryCrash, ASpoolDiskThatIsFullForAWhileLosesAndDoublesNothing) {
  for (const uint64_t length : {1, 2, 5, 10, 15, 20, 30}) {
    for (const Fault& then : {Fault{}, Fault::CrashAfter()}) {
      uint64_t from = 3;  // after the first file, which Open needs
      for (; TryFullDisk(from, length, then); ++from) {
        ASSERT_FALSE(HasFailure()) << "from " << from << " for " << length;
      }
      EXPECT_GT(from, 6U);
    }
  }
}

// The answer to a rename is lost, and then the process dies at any later call.
TEST(DeliveryCrash, AfterALostAnswerOfARenameLosesAndDoublesNothing) {
  for (uint64_t number = 1;; ++number) {
    World world;
    Ledger ledger;
    bool reached = false;
    {
      Process process(world);
      process.plan.Add(
          {.verb = Verb::kRename, .path_part = "data/clicks", .fault = Fault::AnswerLost()});
      process.plan.Add({.number = number, .fault = Fault::CrashAfter()});
      try {
        TwoDeliveries(process, ledger);
      } catch (const Crash&) {
      }
      reached = process.plan.calls() >= number;
    }
    Process after(world);
    after.Start();
    ASSERT_FALSE(HasFatalFailure());
    after.Run(8);
    ExpectExactlyOnce(world, ledger);
    ExpectTidy(world, after);
    ASSERT_FALSE(HasFailure()) << "at call " << number;
    if (!reached) break;
  }
}

}  // namespace
}  // namespace databus
