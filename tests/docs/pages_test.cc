// What the pages name is there: tests in history.md, messages in operations.md.
#include <cctype>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace databus {
namespace {

namespace fs = std::filesystem;

std::string Text(const fs::path& path) {
  const std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// Of all sources below `folder`, those that are tests or those that are not.
enum class Which : uint8_t { kTests, kProgram };
std::string Sources(const std::string& folder, Which which) {
  std::string all;
  for (const auto& entry : fs::recursive_directory_iterator(fs::path(DATABUS_SOURCE) / folder)) {
    const std::string name = entry.path().filename().string();
    const bool source = name.ends_with(".cc") || name.ends_with(".h");
    const bool test = name.ends_with("_test.cc");
    if (source && test == (which == Which::kTests)) all += Text(entry.path());
  }
  return all;
}

// Lines may be broken anywhere.
std::string WithoutBlanks(std::string text) {
  std::erase_if(text, [](unsigned char c) { return std::isspace(c) != 0; });
  return text;
}

// What stands in backquotes in one cell of each row of a page's tables. 1 is the first.
std::vector<std::string> Quoted(const std::string& page, size_t column) {
  std::vector<std::string> quoted;
  std::istringstream lines(Text(fs::path(DATABUS_DOCS) / page));
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("| ")) continue;
    std::istringstream cells(line);
    std::string cell;
    for (size_t i = 0; i <= column; ++i) std::getline(cells, cell, '|');
    std::istringstream parts(cell);
    std::string part;
    for (size_t i = 0; std::getline(parts, part, '`'); ++i) {
      if (i % 2 == 1) quoted.push_back(part);
    }
  }
  return quoted;
}

TEST(HistoryPageTest, EveryTestItNamesExists) {
  const std::string tests = WithoutBlanks(Sources("src", Which::kTests));
  const std::vector<std::string> named = Quoted("history.md", 4);
  EXPECT_GE(named.size(), 35u);
  for (const std::string& name : named) {
    std::string declared = name;
    declared.replace(declared.find('.'), 1, ",");
    EXPECT_NE(tests.find("(" + declared + "){"), std::string::npos) << name;
  }
}

TEST(OperationsPageTest, EveryTextItQuotesIsSaidByTheProgram) {
  const std::string program = Sources("src", Which::kProgram);
  const std::vector<std::string> quoted = Quoted("operations.md", 1);
  EXPECT_GE(quoted.size(), 8u);
  for (const std::string& text : quoted) {
    EXPECT_NE(program.find(text), std::string::npos) << text;
  }
}

TEST(RunbookTest, EveryReasonToWaitThatItExplainsIsGivenByTheProgram) {
  const std::string program = Sources("src", Which::kProgram);
  const std::vector<std::string> quoted = Quoted("runbook.md", 2);
  EXPECT_GE(quoted.size(), 12u);
  for (const std::string& text : quoted) {
    EXPECT_NE(program.find(text), std::string::npos) << text;
  }
}

}  // namespace
}  // namespace databus
