#include "cli/demo/story.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/sync.h"

namespace databus {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class StoryTest : public testing::Test {
 protected:
  Tell Told() {
    return [this](const std::string& line) { told_.push_back(line); };
  }
  CommandLine Shell(const std::string& script) const {
    return {
        .program = "sh",
        .args = [script]() -> Result<std::vector<std::string>> {
          return std::vector<std::string>{"-c", script};
        },
    };
  }
  // Steps until the story is over, or does not go on.
  Status PlayOut(Story& story) {
    StopFlag pause;
    for (Status stepped = story.Step(Told());; stepped = story.Step(Told())) {
      if (!stepped.ok() || story.IsOver()) return stepped;
      pause.SleepUntil(SystemClock(), SystemClock().Boot() + Milliseconds(1));
    }
  }

  ManualClock clock_{WallTime()};
  std::vector<std::string> told_;
};

TEST_F(StoryTest, ASceneBeginsWhenTheOneBeforeItIsOver) {
  bool over = false;
  int begun = 0;
  Story story({{.title = "one", .is_over = [&]() -> Result<bool> { return over; }},
               {.title = "two", .begin = [&] {
                  ++begun;
                  return Status::Ok();
                }}});
  EXPECT_TRUE(story.Step(Told()).ok());
  EXPECT_TRUE(story.Step(Told()).ok());
  EXPECT_EQ(begun, 0);
  EXPECT_FALSE(story.IsOver());
  over = true;
  EXPECT_TRUE(story.Step(Told()).ok());
  EXPECT_EQ(begun, 1);
  EXPECT_TRUE(story.IsOver());
  EXPECT_THAT(told_, ElementsAre("one", "two"));
}

TEST_F(StoryTest, APauseIsAsLongAsItIs) {
  Story story({Pause(clock_, Milliseconds(500))});
  EXPECT_TRUE(story.Step(Told()).ok());
  clock_.Advance(Milliseconds(499));
  EXPECT_TRUE(story.Step(Told()).ok());
  EXPECT_FALSE(story.IsOver());
  clock_.Advance(Milliseconds(1));
  EXPECT_TRUE(story.Step(Told()).ok());
  EXPECT_TRUE(story.IsOver());
}

TEST_F(StoryTest, ACommandIsHeardLineByLine) {
  std::string said;
  Story story({Play(Shell("echo a; echo b >&2"), Told(), &said)});
  EXPECT_TRUE(PlayOut(story).ok());
  EXPECT_THAT(told_, ElementsAre("databus -c echo a; echo b >&2", "  a", "  b"));
  EXPECT_EQ(said, "a\nb\n");
}

TEST_F(StoryTest, ACommandFollowsFromWhatWasSaidBefore) {
  std::string said;
  CommandLine second = Shell("");
  second.args = [&said]() -> Result<std::vector<std::string>> {
    return std::vector<std::string>{"-c", "echo heard " + said};
  };
  Story story({Play(Shell("echo 17"), Told(), &said), Play(second, Told())});
  EXPECT_TRUE(PlayOut(story).ok());
  EXPECT_EQ(told_.back(), "  heard 17");
}

TEST_F(StoryTest, ACommandThatDiesIsBegunAgainWithOtherArguments) {
  CommandLine command = Shell("echo begun; exec sleep 600");
  int asked = 0;
  command.dies = [&]() -> Result<bool> { return !told_.empty() && ++asked == 3; };
  command.again = {"-c", "echo again; exit 3"};
  Story story({Play(command, Told())});
  EXPECT_TRUE(PlayOut(story).ok()) << "3: nothing was left to do";
  EXPECT_EQ(told_.back(), "  again");
}

TEST_F(StoryTest, ACommandThatFailsEndsTheStory) {
  Story story({Play(Shell("exit 3"), Told()), {.title = "never"}});
  const Status played = PlayOut(story);
  EXPECT_EQ(played.code(), Code::kUnavailable);
  EXPECT_THAT(played.message(), HasSubstr(": ended with 3"));
  EXPECT_FALSE(story.IsOver());
}

}  // namespace
}  // namespace databus
