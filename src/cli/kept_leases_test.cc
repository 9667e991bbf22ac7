#include "cli/kept_leases.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace databus {
namespace {

using ::testing::ElementsAre;

class CountedLease final : public Lease {
 public:
  CountedLease(std::vector<std::string>& skipped, std::string cluster)
      : skipped_(skipped), cluster_(std::move(cluster)) {}
  bool Held(View /*view*/, Group /*group*/) override { return true; }
  std::string Holder() override { return ""; }
  Status Tick() override { return Status::Ok(); }
  Status Skip() override {
    skipped_.push_back(cluster_);
    return Status::Ok();
  }
  Status Release() override { return Status::Ok(); }
  std::chrono::nanoseconds Pace() override { return std::chrono::seconds(1); }
  std::string Where() const override { return ""; }

 private:
  std::vector<std::string>& skipped_;
  const std::string cluster_;
};

TEST(KeptLeasesTest, GoOnFromLifeToLifeAndAreSkippedWhileNobodyAsksForThem) {
  std::vector<std::string> skipped;
  KeptLeases leases([&](const LeaseRequest& request) {
    return std::make_shared<CountedLease>(skipped, request.cluster);
  });
  leases.BeginLife();
  const auto dc1 = leases.Of({.cluster = "dc1", .holder = "a"});
  const auto dc2 = leases.Of({.cluster = "dc2", .holder = "a"});
  EXPECT_NE(dc1, dc2);
  leases.SkipUnused();
  EXPECT_THAT(skipped, ElementsAre());
  leases.BeginLife();
  EXPECT_EQ(leases.Of({.cluster = "dc1", .holder = "a"}), dc1);
  leases.SkipUnused();
  EXPECT_THAT(skipped, ElementsAre("dc2"));
  EXPECT_EQ(leases.Of({.cluster = "dc2", .holder = "a"}), dc2);
  leases.SkipUnused();
  EXPECT_THAT(skipped, ElementsAre("dc2"));
}

}  // namespace
}  // namespace databus
