#include "telemetry/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <fstream>
#include <sstream>

namespace databus {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;

TEST(LogTest, AnEventIsOneLineOfKeysAndValues) {
  EXPECT_EQ(FormatLogEvent("worker", "minute published", {{"stream", "clicks"}, {"files", 3}}),
            "worker: minute published stream=clicks files=3");
}

TEST(LogTest, AValueThatIsNoPlainWordIsQuotedAndEscaped) {
  EXPECT_EQ(FormatLogEvent("c", "m", {{"a", ""}, {"b", "x y"}, {"c", "say \"hi\"\n"}}),
            "c: m a=\"\" b=\"x y\" c=\"say \\\"hi\\\"\\n\"");
  EXPECT_EQ(FormatLogEvent("c", "m", {{"url", "file:///a?b=c"}}), "c: m url=file:///a?b=c");
}

TEST(LogTest, AStatusIsWrittenWithItsCode) {
  EXPECT_THAT(FormatLogEvent("c", "m", {{"error", Status(Code::kNotFound, "data/x")}}),
              HasSubstr("error=\"data/x (not found)\""));
}

RC_GTEST_PROP(LogTest, NoBytesCanBreakTheLineOrTheTerminal, (const std::string& bytes)) {
  const std::string line = FormatLogEvent("c", bytes, {{"k", bytes}});
  RC_ASSERT(std::ranges::all_of(line, [](char c) { return c >= ' ' && c <= '~'; }));
}

TEST(LogTest, LevelsHaveNames) {
  EXPECT_EQ(ParseLogLevel("warning"), LogLevel::kWarning);
  EXPECT_EQ(ParseLogLevel("loud"), std::nullopt);
}

TEST(LogTest, AFileThatCannotBeOpenedIsNamed) {
  const Status status = StartLog({.file = "/proc/no/such/databus.log"});
  EXPECT_EQ(status.code(), Code::kRefused);
  EXPECT_THAT(status.message(), HasSubstr("/proc/no/such/databus.log"));
}

TEST(LogTest, TheFileGetsWhatTheLevelLetsThrough) {
  const std::string path = testing::TempDir() + "databus_log_test.log";
  std::remove(path.c_str());
  ASSERT_TRUE(StartLog({.level = LogLevel::kWarning, .file = path}).ok());
  LogInfo("c", "too quiet");
  LogWarning("c", "disk is slow", {{"ms", 12}});
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  EXPECT_THAT(text.str(),
              MatchesRegex("....-..-..T..:..:..\\....Z warning c: disk is slow ms=12\n"));
  EXPECT_THAT(text.str(), Not(HasSubstr("too quiet")));
}

}  // namespace
}  // namespace databus
