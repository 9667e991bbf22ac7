// One whole life of a spool, with senders that repeat what was not acknowledged and a delivery that
// keeps the rules (P20), broken at every call of the disk in every way, with and without a power
// cut, and then continued to the end. In the end every message lies at its destination exactly
// once, and what was refused for certain is nowhere.
#include <gmock/gmock.h>

#include <algorithm>

#include "collector/spool/spool_test_world.h"

namespace databus {
namespace {

constexpr uint64_t kSender = 77;
constexpr int kNumbered = 6;

// What is outside the spool and survives everything.
struct Outside {
  // Staged files by path, and what was renamed into place.
  std::map<std::string, std::vector<std::string>> staged;
  std::multiset<std::string> delivered;
  // Of the sender that numbers its batches.
  uint64_t acknowledged = 0;
  // Of the one that does not.
  std::set<std::string> plain_acknowledged;
  std::set<std::string> plain_refused;
  std::set<uint64_t> numbers;
  uint64_t files = 0;
};

class Life {
 public:
  Life() {
    world.options.segment_bytes = 300;
    world.options.journal_bytes = 900;
  }

  // A run of the process from its start; returns early where a process would stop.
  void Run() {
    ++run_;
    world.spool.reset();
    Result<std::unique_ptr<Spool>> opened = world.TryOpen();
    if (!opened.ok()) return;
    world.spool = *std::move(opened);
    EXPECT_TRUE(world.spool->Stats().missing_segments.empty());
    if (world.spool->identity().cluster_id.empty()) {
      static_cast<void>(world.spool->RememberCluster("cluster"));
    }
    FinishOldCuts();
    for (int step = 0; step < kNumbered; ++step) {
      SendNumbered();
      SendPlain("plain-" + std::to_string(step) + "-" + std::to_string(run_));
      if (step % 2 == 1) Deliver();
    }
    Deliver();
  }

  // Without faults, to the end.
  void Complete() {
    while (outside.acknowledged < kNumbered) Run();
    Run();
    EXPECT_EQ(world.spool->Stats().unsealed_bytes, 0u);
    EXPECT_EQ(world.spool->Stats().sealed_bytes, 0u);
    EXPECT_TRUE(outside.staged.empty());
  }

  void Check() {
    for (int i = 1; i <= kNumbered; ++i) {
      EXPECT_EQ(outside.delivered.count("numbered-" + std::to_string(i)), 1u) << i;
    }
    for (const std::string& message : outside.plain_acknowledged) {
      EXPECT_EQ(outside.delivered.count(message), 1u) << message;
    }
    for (const std::string& message : outside.plain_refused) {
      EXPECT_EQ(outside.delivered.count(message), 0u) << message;
    }
    for (const std::string& message : outside.delivered) {
      EXPECT_EQ(outside.delivered.count(message), 1u) << message;
    }
  }

  SpoolWorld world;
  Outside outside;

 private:
  void SendNumbered() {
    const uint64_t number = outside.acknowledged + 1;
    if (number > kNumbered) return;
    const BatchId id{kSender, number, number};
    const SpoolAnswer answer = world.Put("numbered-" + std::to_string(number), id);
    if (answer == SpoolAnswer::kKept || answer == SpoolAnswer::kRepeat) ++outside.acknowledged;
  }

  void SendPlain(const std::string& message) {
    const SpoolAnswer answer = world.Put(message);
    if (answer == SpoolAnswer::kKept) outside.plain_acknowledged.insert(message);
    if (answer == SpoolAnswer::kTryLater) outside.plain_refused.insert(message);
  }

  void Rename(const std::string& path) {
    const auto staged = outside.staged.find(path);
    if (staged == outside.staged.end()) return;  // done before
    outside.delivered.insert(staged->second.begin(), staged->second.end());
    outside.staged.erase(staged);
  }

  // What is staged under an intent is renamed, the rest of the staging is of no use.
  void FinishOldCuts() {
    std::set<std::string> known;
    std::vector<uint64_t> ids;
    for (const SpoolCut& cut : world.spool->OpenCuts()) {
      for (const SpoolIntent& intent : cut.intents) {
        known.insert(intent.staged_path);
        ids.push_back(intent.id);
      }
    }
    std::erase_if(outside.staged, [&](const auto& file) { return !known.contains(file.first); });
    for (const std::string& path : known) Rename(path);
    static_cast<void>(world.spool->Settle(ids));
  }

  void Deliver() {
    for (const UnsealedRange& unsealed : world.spool->UnsealedRanges()) {
      std::vector<std::string> messages;
      const auto read = world.spool->Read(unsealed.range, 200, [&](const SpoolRecord& record) {
        for (std::string& message : MessagesOf(record.entries)) {
          messages.push_back(std::move(message));
        }
      });
      if (!read.ok()) return;
      const std::vector<std::string> stream{"clicks"};
      const auto number = world.spool->NextCounters(stream);
      if (!number.ok()) return;
      EXPECT_TRUE(outside.numbers.insert(number->front()).second) << "counter used twice";
      const std::string path = "staged-" + std::to_string(++outside.files);
      outside.staged[path] = messages;
      const auto cut = world.spool->AddCut(
          {*read}, {.intents = {{.stream = "clicks", .staged_path = path, .final_path = path}}});
      if (cut.unknown()) return;  // stays staged until a restart tells
      if (!cut.ok()) {
        if (!world.spool->MakeCertain().ok()) return;  // may come true by a restart
        outside.staged.erase(path);
        continue;
      }
      Rename(path);
      const uint64_t ids[] = {cut->intents[0].id};
      static_cast<void>(world.spool->Settle(ids));
    }
  }

  int run_ = 0;
};

enum class PowerCut : uint8_t { kNone, kAtOnce, kAfterTheNextRun };

struct Ending {
  uint64_t call = 0;
  Fault fault;
  PowerCut power_cut = PowerCut::kNone;
  uint64_t seed = 0;
};

void CheckEnding(const Ending& ending) {
  Life life;
  life.world.plan.Add({.number = ending.call, .fault = ending.fault});
  try {
    life.Run();
  } catch (const Crash&) {
  }
  life.world.spool.reset();
  life.world.machine = &life.world.disk;
  const auto random = SeededRandom(ending.seed);
  if (ending.power_cut == PowerCut::kAfterTheNextRun) {
    life.Run();
    life.world.spool.reset();
  }
  if (ending.power_cut != PowerCut::kNone) life.world.disk.PowerCut(*random);
  life.Complete();
  life.Check();
}

uint64_t CallsOfALife() {
  Life life;
  life.Run();
  life.Check();
  return life.world.plan.calls();
}

// Every call of a life meets the fault, with every kind of end.
void CheckEverywhere(const Fault& fault) {
  const uint64_t calls = CallsOfALife();
  const std::vector<std::pair<PowerCut, uint64_t>> ends{{PowerCut::kNone, 0},
                                                        {PowerCut::kAtOnce, 1},
                                                        {PowerCut::kAtOnce, 2},
                                                        {PowerCut::kAtOnce, 3},
                                                        {PowerCut::kAfterTheNextRun, 4}};
  for (uint64_t call = 1; call <= calls; ++call) {
    for (const auto& [power_cut, seed] : ends) {
      SCOPED_TRACE("call " + std::to_string(call) + ", seed " + std::to_string(seed));
      CheckEnding({call, fault, power_cut, seed});
      if (::testing::Test::HasFailure()) return;
    }
  }
}

TEST(SpoolCrash, ALifeWithoutFaultsUsesEveryPartOfTheSpool) {
  Life life;
  life.Run();
  life.Check();
  std::map<Verb, int> verbs;
  std::set<std::string> journals, segments;
  for (const Call& call : life.world.plan.trace()) {
    ++verbs[call.verb];
    if (call.verb == Verb::kRename && call.to.find("/journal-") != call.to.npos) {
      journals.insert(call.to);
    }
    if (call.verb == Verb::kRemove && call.path.find("/segment-") != call.path.npos) {
      segments.insert(call.path);
    }
  }
  EXPECT_GE(journals.size(), 3u);  // the journal is written anew in between
  EXPECT_GE(segments.size(), 2u);
  EXPECT_GE(life.world.plan.calls(), 150u);
}

TEST(SpoolCrash, DeathBeforeACallLosesAndDoublesNothing) { CheckEverywhere(Fault::CrashBefore()); }
TEST(SpoolCrash, DeathAfterACallLosesAndDoublesNothing) { CheckEverywhere(Fault::CrashAfter()); }
TEST(SpoolCrash, DeathInTheMiddleOfAWriteLosesAndDoublesNothing) {
  for (const uint64_t bytes : {1, 40, 70, 100}) CheckEverywhere(Fault::CrashTorn(bytes));
}
TEST(SpoolCrash, ACallThatIsRefusedLosesAndDoublesNothing) {
  CheckEverywhere(Fault::Refused(Code::kRefused));
}
TEST(SpoolCrash, AFullDiskAtAnyCallLosesAndDoublesNothing) { CheckEverywhere(Fault::Full()); }

// From some call on there is no room, until some later call; then it heals, or the process dies.
TEST(SpoolCrash, ADiskThatIsFullForAWhileLosesAndDoublesNothing) {
  const uint64_t calls = CallsOfALife();
  for (uint64_t from = 1; from <= calls; ++from) {
    for (const uint64_t length : {2, 3, 4, 6, 9, 20}) {
      for (const Fault& then : {Fault{}, Fault::CrashBefore()}) {
        SCOPED_TRACE("calls " + std::to_string(from) + " and " + std::to_string(length) + " more");
        Life life;
        life.world.plan.SetCallback([&](const Call& call) {
          const uint64_t number = call.number;
          if (number < from) return Fault{};
          if (number == from + length) return then;
          const bool needs_room = call.verb == Verb::kAppend || call.verb == Verb::kCreate;
          if (number > from + length || !needs_room) return Fault{};
          // What was written has a whole copy of a record, or nothing.
          return call.verb == Verb::kAppend && number == from ? Fault::Torn(150, Code::kNoSpace)
                                                              : Fault::Full();
        });
        try {
          life.Run();
          EXPECT_TRUE(life.world.spool == nullptr || life.world.spool->Stats().retired.empty());
        } catch (const Crash&) {
        }
        life.world.spool.reset();
        life.world.machine = &life.world.disk;
        life.Complete();
        life.Check();
        if (::testing::Test::HasFailure()) return;
      }
    }
  }
}

TEST(SpoolCrash, ACallWhoseAnswerIsLostLosesAndDoublesNothing) {
  CheckEverywhere(Fault::AnswerLost());
}
TEST(SpoolCrash, ACallThatIsLostLosesAndDoublesNothing) { CheckEverywhere(Fault::RequestLost()); }
TEST(SpoolCrash, ATornWriteLosesAndDoublesNothing) {
  for (const uint64_t bytes : {1, 70, 100}) {
    CheckEverywhere(Fault::Torn(bytes));
    CheckEverywhere(Fault::Torn(bytes, Code::kNoSpace));
  }
}

// A sync fails; the process goes on for some calls, of which those that need room may be refused
// too, and dies before, in the middle of or after recording that the flush is dead.
TEST(SpoolCrash, DeathSoonAfterASyncThatFailedLosesAndDoublesNothing) {
  enum class Room : uint8_t { kThere, kNone };
  Life whole;
  whole.Run();
  for (const Call& sync : whole.world.plan.trace()) {
    if (sync.verb != Verb::kSync) continue;
    for (uint64_t later = 1; later <= 12; ++later) {
      for (const Room room : {Room::kThere, Room::kNone}) {
        SCOPED_TRACE("call " + std::to_string(sync.number) + ", death at " + std::to_string(later));
        Life life;
        life.world.plan.SetCallback([&](const Call& call) {
          if (call.number == sync.number) return Fault::RequestLost();
          if (call.number == sync.number + later) return Fault::CrashBefore();
          const bool needs_room = call.verb == Verb::kAppend || call.verb == Verb::kCreate;
          const bool full = room == Room::kNone && call.number > sync.number && needs_room;
          return full ? Fault::Full() : Fault{};
        });
        try {
          life.Run();
        } catch (const Crash&) {
        }
        life.world.spool.reset();
        life.world.machine = &life.world.disk;
        if (later % 2 == 0) life.world.disk.PowerCut(*SeededRandom(later));
        life.Complete();
        life.Check();
        if (::testing::Test::HasFailure()) return;
      }
    }
  }
}

// The kernel may take pages for clean that it could not write: they can be read, the next sync of
// the file succeeds, and the power takes them. The process dies before it recorded the end (P21).
TEST(SpoolCrash, WhatAFailedSyncLeftBehindIsNeverTrustedInPlace) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    SpoolWorld world;
    world.Open();
    const BatchId first{kSender, 1, 1};
    const BatchId second{kSender, 2, 2};
    ASSERT_EQ(world.Put("first", first), SpoolAnswer::kKept);
    world.disk.FailNextSync();
    bool synced = false;
    world.plan.SetCallback([&synced](const Call& call) {
      if (synced) return Fault::CrashBefore();
      synced = call.verb == Verb::kSync;
      return Fault{};
    });
    EXPECT_THROW(world.Put("second", second), Crash);
    world.spool.reset();
    world.machine = &world.disk;
    world.Open();
    EXPECT_EQ(world.Put("second", second), SpoolAnswer::kRepeat);
    world.spool.reset();
    world.disk.PowerCut(*SeededRandom(seed));
    world.Open();
    EXPECT_THAT(world.ReadAll(), ::testing::UnorderedElementsAre("first", "second"));
    EXPECT_EQ(world.Put("first", first), SpoolAnswer::kRepeat);
    EXPECT_EQ(world.Put("second", second), SpoolAnswer::kRepeat);
    if (::testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace databus
