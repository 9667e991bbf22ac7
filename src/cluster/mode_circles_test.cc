#include "cluster/mode_circles.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace databus {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

ModeRule Redirect(const std::string& from, const std::string& stream, const std::string& to) {
  return {from, stream, DeliveryMode::kRedirect, to};
}

TEST(ModeCircles, OfTwoOrOfManyEachIsFoundOnce) {
  EXPECT_THAT(FindCircles({Redirect("a", "", "b"), Redirect("b", "", "c")}), IsEmpty());
  EXPECT_THAT(FindCircles({Redirect("b", "", "a"), Redirect("a", "", "b")}),
              ElementsAre(ModeCircle{"", {"a", "b"}}));
  const std::vector<ModeRule> three = {Redirect("c", "", "a"), Redirect("a", "", "b"),
                                       Redirect("b", "", "c"), Redirect("d", "", "a")};
  ASSERT_THAT(FindCircles(three), ElementsAre(ModeCircle{"", {"a", "b", "c"}}));
  EXPECT_EQ(FindCircles(three)[0].Describe(), "all streams: a -> b -> c -> a");
}

TEST(ModeCircles, ARuleOfAStreamMakesOneAndBreaksOne) {
  const std::vector<ModeRule> made = {Redirect("b", "", "a"), Redirect("a", "clicks", "b")};
  EXPECT_THAT(FindCircles(made), ElementsAre(ModeCircle{"clicks", {"a", "b"}}));
  const std::vector<ModeRule> other = {Redirect("a", "", "b"),
                                       Redirect("b", "", "a"),
                                       {"b", "clicks", DeliveryMode::kSpool},
                                       {"c", "views", DeliveryMode::kSpool}};
  EXPECT_THAT(FindCircles(other), ElementsAre(ModeCircle{"", {"a", "b"}}));
  EXPECT_THAT(FindCircles({Redirect("b", "", "a"), {"a", "", DeliveryMode::kRedirect, "", {{}}}}),
              IsEmpty())
      << "by address";
}

TEST(ModeCircles, OnlyThoseThatAreNewAreTold) {
  const std::vector<ModeRule> before = {Redirect("a", "", "b"), Redirect("b", "", "a")};
  std::vector<ModeRule> after = before;
  after.push_back(Redirect("c", "clicks", "a"));
  EXPECT_THAT(NewCircles(before, after), IsEmpty());
  after.push_back(Redirect("a", "clicks", "c"));
  EXPECT_THAT(NewCircles(before, after), ElementsAre(ModeCircle{"clicks", {"a", "c"}}));
}

TEST(ModeCircles, WhoIsNamedFirstDeliversAndNothingElseChanges) {
  const ModeRule back = Redirect("b", "", "a");
  const ModeRule there = Redirect("a", "clicks", "b");
  EXPECT_THAT(WithoutCircles({back, there}, "b"),
              ElementsAre(back, there, ModeRule{"b", "clicks", DeliveryMode::kDeliver}));
  EXPECT_THAT(WithoutCircles({back, there}, "x"), ElementsAre(back));
  EXPECT_THAT(WithoutCircles({back, Redirect("a", "", "b")}, "b"),
              ElementsAre(Redirect("a", "", "b")));
  EXPECT_THAT(WithoutCircles({Redirect("b", "", "b")}, "b"), IsEmpty());
}

}  // namespace
}  // namespace databus
