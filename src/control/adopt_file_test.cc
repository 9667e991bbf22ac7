#include "control/adopt_file.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace databus {
namespace {

using Kind = FileVerdict::Kind;

Topology File(const std::string& primary, const std::string& hours = "48") {
  const std::string other = primary == "dc1" ? "dc2" : "dc1";
  const std::string text = fmt::format(
      R"(<databus>
  <defaults><rootdir>/databus</rootdir><retentioninhours>{}</retentioninhours></defaults>
  <stream name="clicks">
    <destination><name>{}</name><primary>true</primary></destination>
    <destination><name>{}</name></destination>
  </stream>
  <cluster name="dc1" hdfsurl="file:///a" jturl="local" jobqueuename="default"/>
  <cluster name="dc2" hdfsurl="file:///b" jturl="local" jobqueuename="default"/>
</databus>)",
      hours, primary, other);
  return *ParseTopology(text, "databus.xml");
}

TopologyEpoch FirstOf(const Topology& file) { return JudgeFile(file, nullptr, {}).value().epoch; }

// A command gave the stream to the other cluster.
TopologyEpoch FailedOver(const TopologyEpoch& epoch) {
  StoredTopology next = epoch.stored.Next("failover");
  for (DestinationSpec& destination : next.topology.streams[0].destinations) {
    destination.role = destination.role == Role::kPrimary ? Role::kMirror : Role::kPrimary;
  }
  next.topology.streams[0].cut = Minute::ParseIso("2031-05-06T10:04Z");
  return TopologyEpoch::Of(next);
}

TEST(AdoptFile, TheFirstFileIsTheFirstEpochTheSameForAll) {
  const auto verdict = JudgeFile(File("dc1"), nullptr, {});
  ASSERT_TRUE(verdict.ok());
  EXPECT_EQ(verdict->kind, Kind::kFirst);
  EXPECT_EQ(verdict->epoch.stored.epoch, 1U);
  EXPECT_EQ(verdict->epoch.digest, FirstOf(File("dc1")).digest);
}

TEST(AdoptFile, AFileAsItIsStoredIsFine) {
  const TopologyEpoch first = FirstOf(File("dc1"));
  EXPECT_EQ(JudgeFile(File("dc1"), &first, {}).value().kind, Kind::kStored);
  EXPECT_EQ(JudgeFile(File("dc1"), &first, 1).value().kind, Kind::kStored);
  EXPECT_EQ(JudgeFile(File("dc1"), &first, 7).value().kind, Kind::kStored);
}

TEST(AdoptFile, AFileThatCommandsHaveLeftBehindIsFine) {
  const TopologyEpoch now = FailedOver(FirstOf(File("dc1")));
  const auto verdict = JudgeFile(File("dc1"), &now, {});
  ASSERT_TRUE(verdict.ok()) << verdict.status().ToString();
  EXPECT_EQ(verdict->kind, Kind::kStored);
  EXPECT_EQ(verdict->epoch.digest, now.digest);
  EXPECT_EQ(JudgeFile(File("dc2"), &now, {}).value().kind, Kind::kStored);  // written down since
}

TEST(AdoptFile, AnEditedFileIsRefusedWithTheDifferenceAndTheWayOut) {
  const TopologyEpoch now = FirstOf(File("dc1"));
  const auto verdict = JudgeFile(File("dc2"), &now, {});
  ASSERT_EQ(verdict.code(), Code::kInvalid);
  const std::string message = verdict.status().message();
  EXPECT_NE(message.find("stream 'clicks': primary: dc1 -> dc2"), std::string::npos) << message;
  EXPECT_NE(message.find("--adopt-config=1"), std::string::npos) << message;
}

TEST(AdoptFile, AnAdoptedFileIsTheNextEpoch) {
  const TopologyEpoch now = FirstOf(File("dc1"));
  const auto verdict = JudgeFile(File("dc2"), &now, 1);
  ASSERT_TRUE(verdict.ok());
  EXPECT_EQ(verdict->kind, Kind::kNext);
  EXPECT_EQ(verdict->epoch.stored.epoch, 2U);
  EXPECT_TRUE(verdict->epoch.Follows(now));
  EXPECT_EQ(verdict->epoch.stored.topology.streams[0].Primary(), "dc2");
}

TEST(AdoptFile, AForgottenFileIsCaughtAfterAnotherWasAdopted) {
  const TopologyEpoch first = FirstOf(File("dc1"));
  const TopologyEpoch second = JudgeFile(File("dc2"), &first, 1).value().epoch;
  EXPECT_EQ(JudgeFile(File("dc1"), &second, {}).code(), Code::kInvalid);
  const TopologyEpoch third = FailedOver(second);
  EXPECT_EQ(JudgeFile(File("dc1", "47"), &third, {}).code(), Code::kInvalid);
  const auto kept = JudgeFile(File("dc2"), &third, {});
  ASSERT_TRUE(kept.ok()) << kept.status().ToString();
  EXPECT_EQ(kept->kind, Kind::kStored);
}

TEST(AdoptFile, AFileMadeFromAnOlderEpochIsStale) {
  const TopologyEpoch now = FailedOver(FirstOf(File("dc1")));
  const auto verdict = JudgeFile(File("dc1", "47"), &now, 1);
  ASSERT_EQ(verdict.code(), Code::kInvalid);
  EXPECT_NE(verdict.status().message().find("--adopt-config=2"), std::string::npos);
}

TEST(AdoptFile, WhatTheFileCannotSayStaysForStreamsOfTheSamePrimary) {
  const TopologyEpoch now = FailedOver(FirstOf(File("dc1")));
  const auto same = JudgeFile(File("dc2", "47"), &now, 2);
  ASSERT_TRUE(same.ok()) << same.status().ToString();
  EXPECT_EQ(same->epoch.stored.topology.streams[0].cut, now.stored.topology.streams[0].cut);
  const auto back = JudgeFile(File("dc1", "47"), &now, 2);
  ASSERT_TRUE(back.ok());
  EXPECT_FALSE(back->epoch.stored.topology.streams[0].cut.has_value());
}

TEST(AdoptFile, WhoWasConfirmedToBeAloneStaysItUntilRolesChange) {
  StoredTopology next = FirstOf(File("dc1")).stored.Next("confirm");
  next.alone = "dc1";
  const TopologyEpoch now = TopologyEpoch::Of(next);
  EXPECT_EQ(JudgeFile(File("dc1", "47"), &now, 2)->epoch.stored.alone, "dc1");
  EXPECT_EQ(JudgeFile(File("dc2", "47"), &now, 2)->epoch.stored.alone, "");
}

TEST(AdoptFile, NothingStoredLeavesNothingToAdoptFrom) {
  EXPECT_EQ(JudgeFile(File("dc1"), nullptr, 3).code(), Code::kInvalid);
}

}  // namespace
}  // namespace databus
