#include "telemetry/problems.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace databus {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class ProblemsTest : public testing::Test {
 protected:
  static std::vector<std::string> Whats(const ProblemBoard& board) {
    std::vector<std::string> whats;
    for (const Problem& problem : board.List()) whats.push_back(problem.what);
    return whats;
  }
  ManualClock clock_{WallTime(std::chrono::hours(9))};
  ProblemBoard places_{clock_, "worker", ShowTopic::kYes};
  ProblemBoard plain_{clock_, "collector", ShowTopic::kNo};
};

TEST_F(ProblemsTest, AProblemIsThereOnceFromItsFirstRaiseUntilItIsCleared) {
  const WallTime since = clock_.Wall();
  plain_.Raise("disk", "4 bytes free", "free some");
  clock_.Advance(std::chrono::seconds(7));
  plain_.Raise("disk", "3 bytes free", "free some more");
  const std::vector<Problem> list = plain_.List();
  ASSERT_EQ(list.size(), 1u);
  EXPECT_EQ(list[0].what, "3 bytes free");
  EXPECT_EQ(list[0].next, "free some more");
  EXPECT_EQ(list[0].since, since);
  plain_.Clear("disk");
  EXPECT_THAT(plain_.List(), IsEmpty());
}

TEST_F(ProblemsTest, TheOldestComesFirst) {
  plain_.Raise("z", "first", "");
  clock_.Advance(std::chrono::seconds(1));
  plain_.Report("second", "");
  clock_.Advance(std::chrono::seconds(1));
  plain_.Raise("a", "third", "");
  EXPECT_THAT(Whats(plain_), ElementsAre("first", "second", "third"));
}

TEST_F(ProblemsTest, ATopicThatIsAPlaceIsShown) {
  places_.Raise("merge group 3", "away", "");
  places_.Report("a file was set aside", "");
  EXPECT_THAT(Whats(places_), ElementsAre("merge group 3: away", "a file was set aside"));
}

TEST_F(ProblemsTest, NamedThingsAreOneProblemWhileThereAreAny) {
  plain_.RaiseEach("queue", {"q1"}, "");
  EXPECT_THAT(Whats(plain_), ElementsAre("q1"));
  plain_.RaiseEach("queue", {"q1", "q2", "q3"}, "");
  EXPECT_THAT(Whats(plain_), ElementsAre("q1 and 2 more"));
  plain_.RaiseEach("queue", {}, "");
  EXPECT_THAT(plain_.List(), IsEmpty());
}

TEST_F(ProblemsTest, OfReportsTheNewestFiftyAreKept) {
  for (int i = 0; i < 60; ++i) plain_.Report(std::to_string(i), "");
  const std::vector<std::string> whats = Whats(plain_);
  ASSERT_EQ(whats.size(), 50u);
  EXPECT_EQ(whats.front(), "10");
  EXPECT_EQ(whats.back(), "59");
}

TEST_F(ProblemsTest, TheLogHearsOfAChangedTextOnceAMinuteAtMost) {
  testing::internal::CaptureStderr();
  plain_.Raise("disk", "text 1", "");
  plain_.Raise("disk", "text 2", "");
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              AllOf(HasSubstr("text 1"), Not(HasSubstr("text 2"))));
  testing::internal::CaptureStderr();
  clock_.Advance(std::chrono::minutes(1));
  plain_.Raise("disk", "text 2", "");
  clock_.Advance(std::chrono::minutes(1));
  plain_.Raise("disk", "text 2", "");
  const std::string log = testing::internal::GetCapturedStderr();
  const size_t first = log.find("text 2");
  ASSERT_NE(first, log.npos);
  EXPECT_THAT(log.substr(first + 1), Not(HasSubstr("text 2")));
}

}  // namespace
}  // namespace databus
