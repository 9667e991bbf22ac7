#include "base/status.h"

#include <memory>
#include <string>

#include <gtest/gtest.h>

namespace databus {
namespace {

Result<int> Half(int number) {
  if (number % 2 != 0) return {Code::kInvalid, "odd"};
  return number / 2;
}

Result<int> Quarter(int number) {
  DATABUS_ASSIGN_OR_RETURN(const int half, Half(number));
  return Half(half);
}

Status Check(int number) {
  DATABUS_RETURN_IF_ERROR(Half(number).status());
  return Status::Ok();
}

TEST(StatusTest, OnlyUnavailableIsUnknown) {
  for (const Code code : {Code::kOk, Code::kNotFound, Code::kExists, Code::kRefused, Code::kNoSpace,
                          Code::kInvalid, Code::kCorrupt, Code::kStale, Code::kStopped}) {
    EXPECT_FALSE(Status(code, "x").unknown()) << CodeName(code);
  }
  EXPECT_TRUE(Status(Code::kUnavailable, "x").unknown());
}

TEST(StatusTest, ContextGoesBeforeTheMessageAndKeepsTheCode) {
  const Status status = Status(Code::kExists, "/b").WithContext("rename /a");
  EXPECT_EQ(status.code(), Code::kExists);
  EXPECT_EQ(status.message(), "rename /a: /b");
  EXPECT_EQ(status.ToString(), "rename /a: /b (" + std::string(CodeName(Code::kExists)) + ")");
}

TEST(StatusTest, ContextLeavesOkAlone) {
  EXPECT_TRUE(Status::Ok().WithContext("anything").ok());
  EXPECT_EQ(Status::Ok().WithContext("anything").ToString(), "ok");
}

TEST(ResultTest, AnErrorLeavesTheFunctionAtOnceWithItsCode) {
  EXPECT_EQ(Quarter(12).value(), 3);
  EXPECT_EQ(Quarter(6).code(), Code::kInvalid);
  EXPECT_EQ(Quarter(5).status().message(), "odd");
  EXPECT_TRUE(Check(2).ok());
  EXPECT_EQ(Check(3).code(), Code::kInvalid);
}

TEST(ResultTest, AValueCanBeMovedOut) {
  Result<std::unique_ptr<int>> result(std::make_unique<int>(7));
  const std::unique_ptr<int> value = std::move(result).value();
  EXPECT_EQ(*value, 7);
}

}  // namespace
}  // namespace databus
