#include "failover/journal_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "failover/test_puppets.h"

namespace databus::failover {
namespace {

using paths::FailoverJournalName;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Journal Revision(uint64_t number, const std::string& token) {
  Journal journal;
  journal.id = "20310506T100405Z-planned-dc1-dc2";
  journal.revision = number;
  journal.token = token;
  journal.driver = "host:" + token;
  journal.change.from = "dc1";
  journal.change.to = "dc2";
  journal.step = Step::kSpool;
  return journal;
}

class JournalStoreTest : public testing::Test {
 protected:
  // One command's view; it has just looked.
  struct View {
    FaultPlan plan{FaultPlan::Trace::kNone};
    TopologyDesk desk;
    JournalStore store{desk};
    explicit View(Puppets& world) : desk(world.Desk(&plan)) { desk.Look(); }
    Status Create(const Journal& journal, Quorum quorum = Quorum::kBoth) {
      return store.Create(journal, quorum, SystemRandom());
    }
    std::string Ruling() {
      const FoundJournals found = store.ReadAll();
      EXPECT_THAT(found.unreadable, IsEmpty());
      EXPECT_EQ(found.by_id.size(), 1U);
      const Journal& journal = found.by_id.begin()->second;
      return fmt::format("{}/{}", journal.revision, journal.token);
    }
  };
  std::vector<uint64_t> RevisionsAt(const std::string& cluster) {
    std::vector<uint64_t> revisions;
    const auto entries = world_.trees[cluster]->List(paths::FailoverRoot());
    if (!entries.ok()) return revisions;
    for (const DirEntry& entry : *entries) {
      revisions.push_back(FailoverJournalName::Parse(entry.name)->revision);
    }
    return revisions;
  }
  void Put(const std::string& cluster, const Journal& journal) {
    world_.Put(cluster, paths::FailoverJournal({journal.id, journal.revision}), journal.Encode());
  }
  // The cluster's tree cannot be told from an unmounted disk.
  void TakeAway(const std::string& cluster) {
    ASSERT_TRUE(world_.trees[cluster]->Rename(paths::ClusterId(), "system/elsewhere").ok());
  }

  Puppets world_;
};

TEST_F(JournalStoreTest, OfTwoWhoWriteTheSameRevisionOneDoesAndTheOtherIsToldWho) {
  View one(world_);
  View other(world_);
  EXPECT_TRUE(one.Create(Revision(1, "a")).ok());
  const Status second = other.Create(Revision(1, "b"));
  EXPECT_EQ(second.code(), Code::kExists);
  EXPECT_THAT(second.message(), HasSubstr("host:a has taken over"));
  EXPECT_EQ(other.Ruling(), "1/a");
  EXPECT_TRUE(one.Create(Revision(1, "a")).ok()) << "the same again does no harm";
}

TEST_F(JournalStoreTest, TheTwoNewestRevisionsAreKeptEverywhere) {
  View view(world_);
  for (uint64_t i = 1; i <= 4; ++i) ASSERT_TRUE(view.Create(Revision(i, "a")).ok());
  for (const char* cluster : {"dc1", "dc2", "dc3"}) {
    EXPECT_THAT(RevisionsAt(cluster), ElementsAre(3, 4)) << cluster;
  }
}

// Its name is free again: not overwriting alone would not stop it.
TEST_F(JournalStoreTest, WhoSleptUntilItsRevisionWasRemovedIsToldThatItIsLate) {
  View sleeper(world_);
  View others(world_);
  for (uint64_t i = 1; i <= 4; ++i) ASSERT_TRUE(others.Create(Revision(i, "b")).ok());
  EXPECT_EQ(sleeper.Create(Revision(1, "a")).code(), Code::kExists);
  EXPECT_EQ(sleeper.Ruling(), "4/b");
}

TEST_F(JournalStoreTest, AnAnswerThatIsLostIsSettledByLooking) {
  for (const Fault& fault : {Fault::AnswerLost(), Fault::RequestLost()}) {
    for (const char* cluster : {"dc1", "dc2", "dc3"}) {
      Puppets world;
      View view(world);
      view.plan.Add({.verb = Verb::kRename,
                     .store_part = std::string("memory:") + cluster,
                     .path_part = paths::FailoverRoot(),
                     .fault = fault});
      const Status first = view.Create(Revision(1, "a"));
      if (!first.ok()) {
        EXPECT_TRUE(first.unknown()) << first.ToString();
        EXPECT_EQ(fault.kind, Fault::Kind::kRequestLost) << cluster;
        EXPECT_TRUE(view.Create(Revision(1, "a")).ok()) << cluster;
      }
      EXPECT_EQ(view.Ruling(), "1/a");
    }
  }
}

TEST_F(JournalStoreTest, AReaderWhoseFileIsRemovedMeanwhileFindsALaterRevision) {
  View writer(world_);
  for (uint64_t i = 1; i <= 2; ++i) ASSERT_TRUE(writer.Create(Revision(i, "a")).ok());
  View reader(world_);
  reader.plan.Add({.verb = Verb::kOpen,
                   .store_part = "memory:dc3",  // the last one: no other tells of what is newer
                   .path_part = paths::FailoverJournal({Revision(2, "").id, 2}),
                   .fault = Fault::Delayed([&] {
                     for (uint64_t i = 3; i <= 5; ++i) {
                       ASSERT_TRUE(writer.Create(Revision(i, "a")).ok());
                     }
                   })});
  EXPECT_EQ(reader.Ruling(), "5/a");
}

TEST_F(JournalStoreTest, AClusterThatWasAwayHoldsAnOldRevisionWhichCountsNoMore) {
  Put("dc3", Revision(4, "a"));
  Journal done = Revision(9, "b");
  done.step = Step::kDone;
  Put("dc1", done);
  Put("dc2", done);
  View view(world_);
  EXPECT_EQ(view.Ruling(), "9/b");
  ASSERT_TRUE(view.store.Spread(done, SystemRandom()).ok());
  EXPECT_THAT(RevisionsAt("dc3"), ElementsAre(9));
}

TEST_F(JournalStoreTest, WhereClustersDifferAboutARevisionTheOneThatTakesOverIsBelieved) {
  for (const auto& [dc1, dc2, dc3] : {std::tuple{"a", "b", "a"}, std::tuple{"b", "a", "b"}}) {
    Puppets world;
    for (const auto& [cluster, token] : {std::pair{"dc1", dc1}, {"dc2", dc2}, {"dc3", dc3}}) {
      const Journal journal = Revision(3, token);
      world.Put(cluster, paths::FailoverJournal({journal.id, 3}), journal.Encode());
    }
    View view(world);
    EXPECT_EQ(view.Ruling(), fmt::format("3/{}", dc2));
  }
}

TEST_F(JournalStoreTest, WhatCannotBeReadIsReportedUnlessALaterRevisionCan) {
  const Journal good = Revision(7, "a");
  const std::string damaged = good.Encode().substr(0, 100);
  world_.Put("dc1", paths::FailoverJournal({good.id, 7}), damaged);
  View view(world_);
  FoundJournals found = view.store.ReadAll();
  ASSERT_EQ(found.unreadable.size(), 1U);
  EXPECT_THAT(found.unreadable[0], HasSubstr("no journal of a failover"));
  Put("dc2", Revision(6, "a"));
  EXPECT_EQ(view.store.ReadAll().unreadable.size(), 1U) << "an earlier one tells nothing";
  Put("dc3", good);
  found = view.store.ReadAll();
  EXPECT_THAT(found.unreadable, IsEmpty());
  EXPECT_EQ(found.by_id.at(good.id).revision, 7U);
  // Of another make, or nothing of ours at all.
  world_.Put("dc3", paths::Join(paths::FailoverRoot(), good.id + ".json"), good.Encode());
  world_.Put("dc3", paths::Join(paths::FailoverRoot(), "notes.txt"), "x");
  world_.Put("dc3", paths::FailoverJournal({"another", 1}), good.Encode());
  found = view.store.ReadAll();
  EXPECT_THAT(found.unreadable,
              testing::UnorderedElementsAre(HasSubstr(good.id + ".json: not named like"),
                                            HasSubstr("notes.txt: not named like"),
                                            HasSubstr("holds revision 7 of " + good.id)));
}

TEST_F(JournalStoreTest, BeforeTheSwapWhoGetsARevisionOnOneOfTheTwoHasStoppedTheOther) {
  for (const char* away : {"dc1", "dc2"}) {
    Puppets world;
    View driver(world);  // looks before, and reaches both
    ASSERT_TRUE(driver.Create(Revision(1, "driver")).ok());
    ASSERT_TRUE(world.trees[away]->Rename(paths::ClusterId(), "system/elsewhere").ok());
    View aborter(world);
    EXPECT_EQ(aborter.Create(Revision(2, "other"), Quorum::kBoth).code(), Code::kUnavailable);
    EXPECT_TRUE(aborter.Create(Revision(2, "aborter"), Quorum::kEither).ok()) << away;
    EXPECT_EQ(driver.Create(Revision(2, "driver")).code(), Code::kExists) << away;
  }
}

TEST_F(JournalStoreTest, OneThatIsNeededAndDoesNotAnswerIsNamed) {
  TakeAway("dc2");
  View view(world_);
  const Status none = view.Create(Revision(1, "a"), Quorum::kTo);
  EXPECT_EQ(none.code(), Code::kUnavailable);
  EXPECT_THAT(none.message(), HasSubstr("cluster dc2 does not answer"));
  TakeAway("dc3");
  View two_away(world_);
  EXPECT_TRUE(two_away.Create(Revision(1, "a"), Quorum::kEither).ok());
}

}  // namespace
}  // namespace databus::failover
