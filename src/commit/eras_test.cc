#include "commit/eras.h"

#include <gtest/gtest.h>

#include "commit/test_world.h"

namespace databus {
namespace {

Eras Some() {
  Eras eras;
  eras.streams["clicks"] = {"dc1", Minute::ParseIso("2031-05-06T10:04Z")};
  eras.streams["views"] = {"dc2", std::nullopt};
  eras.streams["orders"] = {"dc2", std::nullopt, 7};
  eras.salvaged[{"dc1", "clicks"}] = {0xabcd, *Minute::ParseIso("2031-05-06T10:58Z")};
  eras.missed["dc1"]["streams_local/clicks/a b"] = {"clicks", "a b"};
  return eras;
}

class ErasTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(process_.Open().ok()); }

  World world_;
  Process process_{world_, Process::Remote::kReachable, View::kMerged};
};

TEST_F(ErasTest, WhatIsWrittenIsReadBack) {
  EXPECT_EQ(*ReadEras(world_.dc1, 0), Eras()) << "nothing was said yet";
  ASSERT_TRUE(WriteEras(process_.writer(), Some()).ok());
  EXPECT_EQ(*ReadEras(world_.dc1, 0), Some());
  EXPECT_EQ(*ReadEras(world_.dc1, 1), Eras()) << "another group";
}

TEST_F(ErasTest, TheFirstIsNoneWhetherItWasWrittenDownOrNot) {
  EXPECT_EQ(Some().Of("views"), std::nullopt);
  EXPECT_EQ(Some().Of("unknown"), std::nullopt);
  EXPECT_EQ(Some().Of("orders"), (Era{"dc2", std::nullopt, 7}));
}

TEST_F(ErasTest, TheLastWordRulesAndTheOthersGo) {
  ASSERT_TRUE(WriteEras(process_.writer(), Some()).ok());
  Eras later = Some();
  later.streams.erase("views");
  ASSERT_TRUE(WriteEras(process_.writer(), later).ok());
  EXPECT_EQ(*ReadEras(world_.dc1, 0), later);
  EXPECT_EQ(world_.dc1.List(paths::Eras())->size(), 1U);
}

TEST_F(ErasTest, AStaleHolderSaysNothing) {
  Process next(world_, Process::Remote::kReachable, View::kMerged);
  ASSERT_TRUE(next.Open().ok());
  EXPECT_EQ(WriteEras(process_.writer(), Some()).code(), Code::kStale);
  EXPECT_EQ(*ReadEras(world_.dc1, 0), Eras());
}

TEST_F(ErasTest, ADamagedFileSaysNothing) {
  ASSERT_TRUE(WriteEras(process_.writer(), Some()).ok());
  const std::string path = paths::Join(paths::Eras(), world_.dc1.List(paths::Eras())->at(0).name);
  ASSERT_TRUE(world_.dc1.Replace(path, "rotten").ok());
  EXPECT_EQ(*ReadEras(world_.dc1, 0), Eras());
}

TEST_F(ErasTest, ATreeWithoutTheDirectoryGetsIt) {
  ASSERT_TRUE(world_.dc1.Remove(paths::Eras()).ok());
  ASSERT_TRUE(WriteEras(process_.writer(), Some()).ok());
  EXPECT_EQ(*ReadEras(world_.dc1, 0), Some());
}

}  // namespace
}  // namespace databus
