#include "storage/calls.h"

#include <gtest/gtest.h>

#include "storage/call_rates.h"

namespace databus {
namespace {

TEST(StorageCallsTest, AreCountedByTreeAndKind) {
  StorageCalls calls;
  calls.Add("hdfs://a/x", "rename2");
  calls.Add("hdfs://a/x", "rename2");
  calls.Add("hdfs://b/x", "create");
  EXPECT_EQ(calls.Sum(), 3u);
  EXPECT_EQ(calls.All().at("hdfs://a/x").at("rename2"), 2u);
  EXPECT_EQ(calls.All().at("hdfs://b/x").at("create"), 1u);
}

TEST(CallRatesTest, AFileCostsWhatTheRunWouldNotHaveCostAnyway) {
  CallRates rates;
  rates.Note({.calls = 500, .runs = 3, .files = 7});  // whatever was before
  EXPECT_FALSE(rates.PerIdleRun());
  rates.Note({.calls = 700, .runs = 23, .files = 7});
  EXPECT_EQ(rates.PerIdleRun(), 10);
  EXPECT_FALSE(rates.PerFile()) << "there was none";
  rates.Note({.calls = 760, .runs = 24, .files = 17});
  EXPECT_EQ(rates.PerFile(), 5);
  rates.Note({.calls = 790, .runs = 24, .files = 17});  // the run is not over
  rates.Note({.calls = 800, .runs = 25, .files = 20});
  EXPECT_EQ(rates.PerFile(), 80.0 / 13);
  EXPECT_EQ(rates.PerIdleRun(), 10);
}

}  // namespace
}  // namespace databus
