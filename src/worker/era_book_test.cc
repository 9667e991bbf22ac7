#include "worker/era_book.h"

#include <gtest/gtest.h>

#include "commit/test_world.h"
#include "control/epoch_store.h"

namespace databus {
namespace {

// P27: who slept over a swap, and took the lease when it woke up.
TEST(EraBookTest, WhoObeysAnOlderTopologyThanIsStoredBeginsNoEra) {
  World world;
  Process process(world, Process::Remote::kReachable, View::kMerged);
  ASSERT_TRUE(process.Open().ok());
  Eras eras;
  eras.streams["clicks"] = {"dc1", Minute::ParseIso("2031-05-06T10:04Z")};
  eras.salvaged[{"dc1", "clicks"}] = {0xabcd, *Minute::ParseIso("2031-05-06T10:58Z")};
  const Eras before = eras;
  StoredTopology stored;
  stored.epoch = 2;
  ASSERT_TRUE(StoreEpoch(world.dc1, SystemRandom(), TopologyEpoch::Of(stored)).ok());
  EraBook newest(2);
  ASSERT_TRUE(newest.Set(process.writer(), before).ok());
  EraBook older(1);
  eras.salvaged.clear();
  EXPECT_TRUE(older.Set(process.writer(), eras).ok()) << "no other era";
  eras.streams["clicks"] = {"dc2", std::nullopt};
  EXPECT_EQ(older.Set(process.writer(), eras).code(), Code::kUnavailable);
  EXPECT_EQ(ReadEras(world.dc1, 0)->streams, before.streams);
}

}  // namespace
}  // namespace databus
