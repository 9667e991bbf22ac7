// A spool that is restored from an older copy, with real processes (P17): what comes afterwards is
// in the merged stream, though the copy would have named it as what was merged before.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "tests/e2e/site.h"

namespace databus {
namespace {

using testing::HasSubstr;
using testing::UnorderedElementsAre;
namespace fs = std::filesystem;

class OlderSpoolTest : public testing::Test {
 protected:
  void Produce(const std::string& line) {
    site_.Write("lines", line + "\n");
    ASSERT_TRUE(Site::Eventually([&] {
      return site_.Run({"produce", "--to", "127.0.0.1:" + port_, "clicks", site_.PathOf("lines")})
                 .exit_code == 0;
    })) << site_.Read("c1.log");
  }
  std::string Merged() {
    return site_
        .Run({"cat", "clicks", "--cluster", "dc1", "--view", "streams", "--topology",
              site_.PathOf("databus.xml")})
        .output;
  }
  // A life of the collector, in which this is taken and merged.
  void Live(const std::string& line) {
    port_ = site_.StartCollector("dc1", "c1");
    Produce(line);
    ASSERT_TRUE(Site::Eventually([&] { return Merged().find(line + "\n") != std::string::npos; }))
        << site_.Read("c1.log");
  }
  void Stop() {
    site_.Process("c1").Terminate();
    ASSERT_TRUE(site_.Process("c1").Wait().ok());
  }

  std::string port_;
  Site site_;
};

TEST_F(OlderSpoolTest, WhatComesAfterwardsIsMergedAndItIsTold) {
  site_.Write("databus.xml", site_.Xml({Site::Stream("clicks", {"dc1"}, "dc1", {})}, {"dc1"}));
  site_.StartWorker("dc1");
  Live("one");
  Stop();
  const std::string spool = site_.PathOf("spool-c1");
  const std::string copy = site_.PathOf("copy");
  fs::copy(spool, copy, fs::copy_options::recursive);
  Live("two");
  Stop();
  fs::rename(spool, site_.PathOf("replaced"));
  fs::rename(copy, spool);
  Live("three");
  const std::string status =
      site_.Run({"status", "--topology", site_.PathOf("databus.xml")}).output;
  EXPECT_THAT(status, HasSubstr("the spool was an older copy of itself"));
  // In the order of their files' names, which are of two incarnations.
  std::istringstream merged(Merged());
  const std::vector<std::string> lines{std::istream_iterator<std::string>(merged), {}};
  EXPECT_THAT(lines, UnorderedElementsAre("one", "two", "three"));
  site_.StopAll();
}

}  // namespace
}  // namespace databus
