// docs/metrics.md is made from the declarations. DATABUS_UPDATE_DOCS=1 writes it.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "cli/all_metrics.h"

namespace databus {
namespace {

TEST(MetricsDocTest, ThePageIsWhatTheDeclarationsSay) {
  constexpr const char* path = DATABUS_SOURCE "/docs/metrics.md";
  const std::string page = RenderMetricsPage(AllMetrics());
  if (std::getenv("DATABUS_UPDATE_DOCS") != nullptr) std::ofstream(path) << page;
  std::stringstream written;
  written << std::ifstream(path).rdbuf();
  EXPECT_EQ(written.str(), page) << "run this test with DATABUS_UPDATE_DOCS=1";
}

}  // namespace
}  // namespace databus
