// The spool's pure parts.
#include <gmock/gmock.h>
#include <rapidcheck/gtest.h>

#include "collector/spool/intervals.h"
#include "collector/spool/marks.h"
#include "collector/spool/spool_test_world.h"
#include "collector/spool/state.h"

namespace databus {
namespace {

using ::testing::ElementsAre;

RC_GTEST_PROP(IntervalSet, IsTheUnionOfWhatWasAdded, ()) {
  IntervalSet set;
  std::vector<bool> covered(64);
  const auto pairs = *rc::gen::container<std::vector<std::pair<uint8_t, uint8_t>>>(
      rc::gen::pair(rc::gen::inRange<uint8_t>(0, 64), rc::gen::inRange<uint8_t>(0, 64)));
  for (const auto& [begin, end] : pairs) {
    set.Add({begin, end});
    for (size_t i = begin; i < end; ++i) covered[i] = true;
  }
  std::vector<bool> gaps(64);
  for (const Interval& gap : set.Gaps({0, 64})) {
    for (size_t i = gap.begin; i < gap.end; ++i) gaps[i] = true;
  }
  for (size_t i = 0; i < 64; ++i) {
    RC_ASSERT(gaps[i] != covered[i]);
    RC_ASSERT(set.Touches({i, i + 1}) == covered[i]);
    RC_ASSERT((set.Find(i).end > i) == covered[i]);
  }
}

SpoolChange Cut(uint64_t id, const SpoolRange& range, std::vector<uint64_t> intents) {
  SpoolChange change;
  SpoolCut& cut = change.cuts.emplace_back(SpoolCut{id, {range}, {}});
  for (const uint64_t intent : intents) cut.intents.push_back({.id = intent, .stream = "s"});
  return change;
}

TEST(SpoolState, ASnapshotIsTheStateAlsoThroughItsBytes) {
  SpoolState state;
  state.Apply(Cut(1, {4, 32, 99}, {1, 2}));
  state.Apply(Cut(2, {4, 99, 120}, {}));
  SpoolChange more;
  more.counters = {{"clicks", 64}};
  more.marks = {{9, 3, WallTime(Milliseconds(5))}};
  more.voids = {{3, 50, kOffsetMax}};
  more.settled = {1};
  more.begun = {4, 5};
  SpoolChange gone;
  gone.removed = {5};
  more.names_segments = true;
  more.changed = {{1, {{"views", 9, WallTime(Milliseconds(4))}}, {{.id = 3, .stream = "s"}}}};
  state.Apply(more);
  state.Apply(*DecodeChange(EncodeChange(gone)));
  const std::string bytes = EncodeChange(state.Snapshot());
  const auto decoded = DecodeChange(bytes);
  ASSERT_TRUE(decoded);
  SpoolState again;
  again.Apply(*decoded);
  EXPECT_EQ(EncodeChange(again.Snapshot()), bytes);
  EXPECT_EQ(again.last_segment, 5u);
  EXPECT_THAT(again.begun, ElementsAre(4));
  EXPECT_TRUE(again.names_segments);
  EXPECT_EQ(again.last_intent, 3u);
  EXPECT_THAT(again.freed[4].pieces(), ElementsAre(Interval{99, 120}));
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(DecodeChange(std::string_view(bytes).substr(0, size))) << size;
  }
}

TEST(SpoolState, AChangeOfVersionTwoIsRead) {
  SpoolChange change = Cut(1, {4, 32, 99}, {1});
  change.changed = {{1, {{"views", 9, WallTime(Milliseconds(4))}}, {{.id = 3, .stream = "s"}}}};
  const std::string bytes = EncodeAsVersionTwo(change);
  EXPECT_FALSE(DecodeChange(bytes));
  const auto decoded = DecodeChange(bytes, 2);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(EncodeChange(*decoded), EncodeChange(change));
}

TEST(SpoolState, AChangeOfVersionOneIsRead) {
  SpoolChange change = Cut(1, {4, 32, 99}, {1});
  change.settled = {7};
  std::string bytes = EncodeAsVersionTwo(change);
  // Without what version 2 added: the deferred streams of the cut, the changes of cuts.
  constexpr size_t kCount = 4;
  constexpr size_t kAmendedAndSettled = 2 * kCount + 8;
  bytes.erase(bytes.size() - kAmendedAndSettled - 2 * kCount, 2 * kCount);
  EXPECT_FALSE(DecodeChange(bytes));
  const auto decoded = DecodeChange(bytes, 1);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(EncodeChange(*decoded), EncodeChange(change));
}

TEST(SpoolState, ACutIsFreedWhenItsLastIntentIsSettledAndNoStreamIsDeferred) {
  SpoolState state;
  state.Apply(Cut(1, {1, 32, 99}, {1}));
  SpoolChange held, settled, resolved;
  held.changed = {{1, {{"views", 9, WallTime(Milliseconds(4))}}, {}}};
  settled.settled = {1};
  resolved.changed = {{1, {}, {}}};
  state.Apply(held);
  state.Apply(settled);
  EXPECT_TRUE(state.freed.empty());
  state.Apply(resolved);
  EXPECT_TRUE(state.freed[1].Covers({32, 99}));
  EXPECT_TRUE(state.cuts.empty());
}

TEST(SpoolState, ACutIsFreedWhenItsLastIntentIsSettled) {
  SpoolState state;
  state.Apply(Cut(1, {1, 32, 99}, {1, 2}));
  SpoolChange first, second;
  first.settled = {1};
  second.settled = {2};
  state.Apply(first);
  EXPECT_TRUE(state.freed.empty());
  state.Apply(second);
  EXPECT_TRUE(state.freed[1].Covers({32, 99}));
  EXPECT_TRUE(state.cuts.empty());
}

TEST(MarkTable, TheSendersSilentLongestAreForgottenFirst) {
  MarkTable marks(10);
  for (uint64_t sender = 1; sender <= 11; ++sender) {
    EXPECT_EQ(marks.Judge({sender, 1, 1}), MarkTable::Verdict::kAccept);
    marks.Commit(1, WallTime(Milliseconds(100 - static_cast<int64_t>(sender))));
  }
  EXPECT_LE(marks.All().size(), 10u);
  EXPECT_EQ(marks.Find(11), std::nullopt);
  EXPECT_EQ(marks.Find(1), 1u);
}

}  // namespace
}  // namespace databus
