#include "commit/recovery_table.h"

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include <gtest/gtest.h>

namespace databus {
namespace {

std::string RenderedTable() {
  std::string table = "| found | what is done |\n|---|---|\n";
  for (const RecoveryRule& rule : kRecoveryTable) {
    table.append("| ").append(rule.found).append(" | ").append(rule.done).append(" |\n");
  }
  return table;
}

std::string Page(const std::string& name) {
  const std::ifstream file(std::filesystem::path(DATABUS_DOCS) / name);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

TEST(RecoveryTablePageTest, HoldsTheTableOfTheCode) {
  EXPECT_NE(Page("recovery-table.md").find("\n" + RenderedTable()), std::string::npos)
      << "docs/recovery-table.md should hold:\n"
      << RenderedTable();
}

}  // namespace
}  // namespace databus
