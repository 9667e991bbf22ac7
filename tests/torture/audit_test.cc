// A judge who finds nothing is worth what he would have found: each promise is broken once, by
// hand.
#include "tests/torture/audit.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "audit/gzip.h"
#include "cli/installation.h"
#include "cluster/paths.h"
#include "storage/open.h"
#include "storage/test_directory.h"

namespace databus {
namespace {

using testing::HasSubstr;

constexpr Minute kMinute{30'000'000};
constexpr std::string_view kGzipHeader("\x1f\x8b\x08\0\0\0\0\0\0\xff", 10);

class AuditTest : public testing::Test {
 protected:
  AuditTest()
      : seams_{.clock = SystemClock(),
               .random = *random_,
               .disk = LocalDisk(),
               .network = TcpNetwork(),
               .open_storage = &OpenStorage,
               .create_root = &CreateRoot,
               .read_file = &ReadTextFile,
               .host = "test"} {}

  void SetUp() override {
    auto made = MakeInstallation(directory_.path(), {.preload = "", .torture = ""}, SmallDisks::kNo,
                                 *random_);
    ASSERT_TRUE(made.ok()) << made.status().ToString();
    installation_ = *std::move(made);
    for (const ClusterSpec& cluster : installation_->site.topology.clusters) {
      std::filesystem::create_directories(installation_->ClusterRoot(cluster.name));
    }
    audit_ = std::make_unique<Audit>(*installation_, seams_);
  }

  // dc1-c1's producer of clicks used the numbers 1 to `last` in one life.
  void Recorded(uint64_t last, uint64_t acknowledged, uint32_t in_flight_max = 1) {
    RecordFile& file = *installation_->records.front().file;
    file->lives = 1;
    file->in_flight_max = in_flight_max;
    file->life[0].first = 1;
    file->life[0].last = last;
    file->life[0].acknowledged = acknowledged;
  }

  std::string Message(uint64_t number) const {
    return installation_->input->Message(installation_->records.front().source, number) + "\n";
  }

  std::string PathOf(const std::string& cluster, View view, Minute minute,
                     const std::string& name) const {
    return paths::Join(installation_->ClusterRoot(cluster),
                       paths::MinuteFile(view, "clicks", minute, name));
  }

  void Publish(const std::string& path, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    GzipCompressor gzip;
    gzip.Start();
    gzip.Append(text);
    std::ofstream(path, std::ios::binary) << kGzipHeader << gzip.Finish();
  }

  // In all three views: the primary of clicks is dc1.
  void PublishEverywhere(Minute minute, const std::string& name, const std::string& text) {
    Publish(PathOf("dc1", View::kLocal, minute, name), text);
    Publish(PathOf("dc1", View::kMerged, minute, name), text);
    Publish(PathOf("dc2", View::kMerged, minute, name), text);
  }

  std::string Verdict() {
    for (const Status& status : {audit_->Read(), audit_->Complete(), audit_->CheckTrees()}) {
      if (!status.ok()) return status.ToString();
    }
    return "ok";
  }

  const TestDirectory directory_;
  const std::unique_ptr<Random> random_ = SeededRandom(1);
  Seams seams_;
  std::unique_ptr<Installation> installation_;
  std::unique_ptr<Audit> audit_;
};

TEST_F(AuditTest, WhatIsAcknowledgedAndEverywhereOnceIsWell) {
  Recorded(3, 2);
  PublishEverywhere(kMinute, "a", Message(1) + Message(2));
  EXPECT_EQ(Verdict(), "ok");
  PublishEverywhere(kMinute, "b", Message(3));
  EXPECT_EQ(Verdict(), "ok");
  EXPECT_EQ(audit_->seen(), 3u);
  EXPECT_TRUE(audit_->ReadAgain().ok());
}

TEST_F(AuditTest, AMissingNumberIsNamedWithWhereItWasSeenLast) {
  Recorded(2, 2);
  PublishEverywhere(kMinute, "a", Message(1));
  const std::string seen = PathOf("dc1", View::kLocal, kMinute, "b");
  Publish(seen, Message(2));
  EXPECT_THAT(Verdict(), AllOf(HasSubstr("missing in merged: clicks dc1-c1 2"),
                               HasSubstr("local: dc1: "), HasSubstr("merged: nowhere")));
}

TEST_F(AuditTest, WithOneBatchUnderWayTheFirstNumbersAreTheAcknowledgedOnes) {
  PublishEverywhere(kMinute, "a", Message(2));
  Recorded(2, 1, 4);
  EXPECT_EQ(Verdict(), "ok") << "the acknowledged one may be either";
  Recorded(2, 1, 1);
  EXPECT_THAT(Verdict(), HasSubstr("missing in local: clicks dc1-c1 1 "));
}

TEST_F(AuditTest, ADoubledMessageIsFoundAcrossMinutesAndClusters) {
  Recorded(1, 1);
  PublishEverywhere(kMinute, "a", Message(1));
  ASSERT_EQ(Verdict(), "ok");
  Publish(PathOf("dc2", View::kLocal, kMinute.Next(), "b"), Message(1));
  EXPECT_THAT(Verdict(), HasSubstr("doubled in local"));
}

TEST_F(AuditTest, AMessageThatNobodySentIsFound) {
  Recorded(1, 1);
  PublishEverywhere(kMinute, "a", Message(1) + "clicks dc1-c1 1 and something\n");
  EXPECT_THAT(Verdict(), HasSubstr("strange"));
}

TEST_F(AuditTest, AMirrorWithOtherBytesIsFound) {
  Recorded(2, 2);
  PublishEverywhere(kMinute, "a", Message(1) + Message(2));
  Publish(PathOf("dc2", View::kMerged, kMinute, "a"), Message(2) + Message(1));
  EXPECT_THAT(Verdict(), HasSubstr("is not what its primary has"));
}

TEST_F(AuditTest, AChangeOfAClosedMinuteIsFound) {
  Recorded(2, 2);
  PublishEverywhere(kMinute, "a", Message(1));
  PublishEverywhere(kMinute.Next(), "b", Message(2));
  ASSERT_EQ(Verdict(), "ok");
  const std::string late = PathOf("dc1", View::kLocal, kMinute, "late");
  Publish(late, "");
  EXPECT_THAT(Verdict(), HasSubstr("had 1 files and has 2"));
  std::filesystem::remove(late);
  Publish(PathOf("dc1", View::kLocal, kMinute, "a"), Message(1) + Message(1));
  EXPECT_THAT(Verdict(), HasSubstr("is gone or has another length"));
}

TEST_F(AuditTest, AMinuteThatIsNotThereBetweenTwoIsFound) {
  Recorded(2, 2);
  PublishEverywhere(kMinute, "a", Message(1));
  PublishEverywhere(kMinute + 2, "b", Message(2));
  EXPECT_THAT(Verdict(), HasSubstr("a hole after"));
}

TEST_F(AuditTest, WhatSomebodyWouldHaveToRepairIsFound) {
  Recorded(1, 1);
  PublishEverywhere(kMinute, "a", Message(1));
  ASSERT_EQ(Verdict(), "ok");
  const std::string quarantined =
      paths::Join(installation_->ClusterRoot("dc2"),
                  paths::Join(paths::Quarantine(View::kMerged, "clicks"), "a"));
  Publish(quarantined, "");
  EXPECT_THAT(Verdict(), HasSubstr("left over"));
}

TEST_F(AuditTest, OtherBytesOfTheSameLengthAreFoundAtTheEnd) {
  Recorded(1, 1);
  PublishEverywhere(kMinute, "a", Message(1));
  ASSERT_EQ(Verdict(), "ok");
  const std::string path = PathOf("dc1", View::kLocal, kMinute, "a");
  std::fstream(path, std::ios::in | std::ios::out | std::ios::binary) << '\0';
  EXPECT_THAT(audit_->ReadAgain().ToString(), HasSubstr("other bytes"));
}

}  // namespace
}  // namespace databus
