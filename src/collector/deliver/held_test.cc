#include "collector/deliver/held.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace databus {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

SpoolDeferral Share(const std::string& stream, uint64_t bytes = 10, int64_t second = 1) {
  return {stream, bytes, WallTime(std::chrono::seconds(second))};
}

SpoolCut Cut(uint64_t id, uint64_t offset, std::vector<SpoolDeferral> deferred) {
  return {id, {{1, offset, offset + 100}}, {}, std::move(deferred)};
}

class DeferredBookTest : public testing::Test {
 protected:
  // The id of the oldest cut with something ready, 0 when there is none, and what is ready.
  std::pair<uint64_t, std::set<std::string>> Ready(const std::set<std::string>& may_go,
                                                   uint64_t but_not_of_cut = 0) {
    std::set<std::string> ready;
    const SpoolCut* const cut = book_.FindReady(
        [&](std::string_view stream, uint64_t id) {
          return may_go.contains(std::string(stream)) && id != but_not_of_cut;
        },
        ready);
    return {cut == nullptr ? 0 : cut->id, ready};
  }

  DeferredBook book_;
};

TEST_F(DeferredBookTest, TheOldestCutThatCanGoIsFoundWithAllOfItThatCan) {
  book_.Add(Cut(2, 100, {Share("a"), Share("b"), Share("c")}));
  book_.Add(Cut(1, 0, {Share("x")}));
  EXPECT_THAT(Ready({"a", "b"}), Pair(2, ElementsAre("a", "b")));
  EXPECT_THAT(Ready({"a", "x"}), Pair(1, ElementsAre("x")));
  EXPECT_EQ(Ready({}).first, 0U);
}

TEST_F(DeferredBookTest, OfAStreamOnlyItsOldestIsReady) {
  book_.Add(Cut(1, 0, {Share("a")}));
  book_.Add(Cut(2, 100, {Share("a"), Share("b")}));
  EXPECT_THAT(Ready({"a"}), Pair(1, ElementsAre("a")));
  EXPECT_THAT(Ready({"a", "b"}, /*but_not_of_cut=*/1), Pair(2, ElementsAre("b")))
      << "what waits in the older cut holds up the newer";
  book_.Keep(1, {});
  EXPECT_THAT(Ready({"a", "b"}), Pair(2, ElementsAre("a", "b")));
}

TEST_F(DeferredBookTest, WhatCameBeforeAPlaceIsKnown) {
  book_.Add(Cut(1, 100, {Share("a")}));
  EXPECT_FALSE(book_.Before("a", {1, 100}));
  EXPECT_TRUE(book_.Before("a", {1, 101}));
  EXPECT_TRUE(book_.Before("a", {2, 0}));
  EXPECT_FALSE(book_.Before("b", {2, 0}));
}

TEST_F(DeferredBookTest, AHandOverThatIsGivenBackIsAddedToItsCut) {
  book_.Add(Cut(1, 0, {Share("a", 5)}));
  book_.Add(Cut(1, 0, {Share("b", 7)}));
  EXPECT_THAT(book_.Bytes(), ElementsAre(Pair("a", 5), Pair("b", 7)));
  EXPECT_THAT(Ready({"a", "b"}), Pair(1, ElementsAre("a", "b")));
}

TEST_F(DeferredBookTest, WhatIsKeptStaysAndTheRestIsForgotten) {
  book_.Add(Cut(1, 0, {Share("a", 5), Share("b", 7)}));
  book_.Keep(1, {Share("b", 7)});
  EXPECT_THAT(book_.Bytes(), ElementsAre(Pair("b", 7)));
  book_.Keep(1, {});
  EXPECT_TRUE(book_.empty());
  book_.Keep(1, {});  // again: nothing
  book_.Add(Cut(3, 0, {}));
  EXPECT_TRUE(book_.empty());
}

TEST(HeldBookTest, HeldRangesAreLeftOutAndTheirStreamsCounted) {
  HeldBook book;
  EXPECT_TRUE(book.empty());
  EXPECT_THAT(book.Without({1, 0, 100}), ElementsAre(SpoolRange{1, 0, 100}));
  book.Add({{1, 20, 40}, {2, 0, 10}}, {Share("a", 5, 9), Share("b", 1)});
  book.Add({{1, 60, 70}}, {Share("a", 2, 4)});
  EXPECT_THAT(book.Without({1, 0, 100}),
              ElementsAre(SpoolRange{1, 0, 20}, SpoolRange{1, 40, 60}, SpoolRange{1, 70, 100}));
  EXPECT_THAT(book.Without({2, 0, 10}), IsEmpty());
  EXPECT_EQ(book.begin(), (LogPlace{1, 20}));
  EXPECT_EQ(book.end(), (LogPlace{2, 10}));
  EXPECT_EQ(book.streams().at("a"), Share("a", 7, 4));
  book.Clear();
  EXPECT_TRUE(book.empty());
  EXPECT_THAT(book.Without({1, 0, 100}), ElementsAre(SpoolRange{1, 0, 100}));
}

}  // namespace
}  // namespace databus
