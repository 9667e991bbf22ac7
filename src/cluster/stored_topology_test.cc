#include "cluster/stored_topology.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/crc32c.h"

namespace databus {
namespace {

constexpr std::string_view kFile = R"(<databus>
  <defaults><rootdir>/databus</rootdir><retentioninhours>7</retentioninhours></defaults>
  <stream name="clicks" whenalone="wait">
    <source><name>dc1</name></source>
    <source><name>dc2</name><retentioninhours>24</retentioninhours></source>
    <destination><name>dc1</name><primary>true</primary></destination>
    <destination><name>dc2</name><retentioninhours>9</retentioninhours></destination>
  </stream>
  <cluster name="dc1" hdfsurl="file:///a" jturl="local" jobqueuename="default"/>
  <cluster name="dc2" hdfsurl="file:///b" jturl="&lt;x&gt;" jobqueuename="">
    <rootdir>/other</rootdir>
  </cluster>
</databus>)";

Topology FromFile() { return *ParseTopology(kFile, "databus.xml"); }

StoredTopology Everything() {
  StoredTopology stored;
  stored.epoch = 12;
  stored.before = {{11, "0123456789abcdef", "aa", Adopted::kYes}, {10, "1", "b", Adopted::kNo}};
  stored.replaces = {"fedcba9876543210"};
  stored.author = "failover \"1\" <& by hand>";
  stored.cluster_ids = {{"dc1", "aa"}, {"dc2", "bb"}};
  stored.modes = {{"dc1", "", DeliveryMode::kSpool},
                  {"dc1", "clicks", DeliveryMode::kRedirect, "dc2", {{"::1", 7}, {"h2", 1463}}}};
  stored.alone = "dc2";
  stored.topology = FromFile();
  stored.topology.streams[0].publication = Publication::kFrozen;
  stored.topology.streams[0].cut = Minute::ParseIso("2031-05-06T10:04Z");
  stored.topology.streams[0].settled = 9;
  return stored;
}

// With a right checksum.
std::string Sealed(const std::string& body) {
  return fmt::format("{}<!-- crc32c {:08x} -->\n", body, Crc32c(body));
}

std::string Replaced(std::string text, std::string_view what, std::string_view with) {
  text = text.substr(0, text.rfind("<!-- crc32c"));
  const size_t at = text.find(what);
  EXPECT_NE(at, std::string::npos) << what;
  return Sealed(text.replace(at, what.size(), with));
}

TEST(StoredTopology, WhatIsWrittenIsReadBack) {
  const StoredTopology stored = Everything();
  const auto read = StoredTopology::Decode(stored.Encode(), "here");
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  EXPECT_EQ(read->Encode(), stored.Encode());
  EXPECT_EQ(read->epoch, 12U);
  EXPECT_EQ(read->author, stored.author);
  EXPECT_EQ(read->before, stored.before);
  EXPECT_EQ(read->modes, stored.modes);
  EXPECT_EQ(read->cluster_ids, stored.cluster_ids);
  EXPECT_EQ(read->replaces, stored.replaces);
  EXPECT_EQ(read->alone, "dc2");
  EXPECT_EQ(read->Next("again").alone, "dc2");
  EXPECT_EQ(read->topology.streams[0].when_alone, WhenAlone::kWait);
  EXPECT_EQ(read->topology.streams[0].publication, Publication::kFrozen);
  EXPECT_EQ(read->topology.streams[0].cut, stored.topology.streams[0].cut);
  EXPECT_EQ(read->topology.streams[0].settled, 9U);
}

TEST(StoredTopology, AFileAndItsPlainTextAreOneTopology) {
  const std::string text = FormatTopology(FromFile());
  const auto again = ParseTopology(text, "again");
  ASSERT_TRUE(again.ok()) << again.status().ToString();
  EXPECT_EQ(FormatTopology(*again), text);
  EXPECT_EQ(again->clusters[1].RootUrl(), "file:///b/other");
  EXPECT_EQ(again->clusters[1].job_tracker_url, "<x>");
  EXPECT_EQ(again->LocalRetention("dc2", "clicks"), std::chrono::hours(24));
  EXPECT_EQ(again->LocalRetention("dc1", "clicks"), std::chrono::hours(7));
  EXPECT_EQ(again->MergedRetention("dc2", "clicks"), std::chrono::hours(9));
  EXPECT_EQ(again->FindStream("clicks")->Primary(), "dc1");
}

TEST(StoredTopology, WhatOnlyTheStoreSaysIsNotInThePlainText) {
  EXPECT_EQ(FormatTopology(Everything().topology), FormatTopology(FromFile()));
}

TEST(StoredTopology, TheRuleOfAStreamGoesBeforeTheClusters) {
  const StoredTopology stored = Everything();
  EXPECT_EQ(stored.FindMode("dc1", "clicks")->mode, DeliveryMode::kRedirect);
  EXPECT_EQ(stored.FindMode("dc1", "views")->mode, DeliveryMode::kSpool);
  EXPECT_EQ(stored.FindMode("dc2", "clicks"), nullptr);
}

TEST(StoredTopology, TheNextEpochFollowsAllBefore) {
  const StoredTopology stored = Everything();
  StoredTopology next = stored.Next("apply");
  EXPECT_EQ(next.epoch, 13U);
  EXPECT_EQ(next.before[0].digest, TopologyDigest(stored.Encode()));
  EXPECT_TRUE(next.Follows(TopologyDigest(stored.Encode())));
  EXPECT_TRUE(next.Follows("0123456789abcdef"));
  EXPECT_TRUE(next.Follows("fedcba9876543210"));  // of who was away when it was replaced
  EXPECT_FALSE(stored.Follows(TopologyDigest(next.Encode())));
  for (size_t i = 0; i < kPastEpochsMax; ++i) next = next.Next("apply");
  EXPECT_EQ(next.before.size(), kPastEpochsMax);
}

TEST(StoredTopology, AnyByteChangedIsFound) {
  const std::string text = Everything().Encode();
  for (size_t i = 0; i < text.size(); ++i) {
    std::string damaged = text;
    damaged[i] = static_cast<char>(damaged[i] ^ 1);
    EXPECT_FALSE(StoredTopology::Decode(damaged, "here").ok()) << i;
  }
  for (size_t size = 0; size < text.size(); size += 7) {
    EXPECT_EQ(StoredTopology::Decode(text.substr(0, size), "here").code(), Code::kCorrupt) << size;
  }
}

TEST(StoredTopology, ANewerVersionIsRefusedByName) {
  const std::string text = Replaced(Everything().Encode(), "version=\"1\"", "version=\"2\"");
  const auto read = StoredTopology::Decode(text, "dc1: system/topology/12.xml");
  ASSERT_EQ(read.code(), Code::kInvalid);
  EXPECT_EQ(read.status().message(),
            "dc1: system/topology/12.xml: version 2; this program knows versions up to 1: use a "
            "newer one");
}

TEST(StoredTopology, WhatMakesNoSenseIsRefused) {
  const std::string text = Everything().Encode();
  const std::vector<std::pair<std::string, std::string>> changes = {
      {"epoch=\"12\"", "epoch=\"0\""},
      {"adopted=\"no\"", "adopted=\"maybe\""},
      {"mode=\"spool\"", "mode=\"redirect\""},
      {"mode=\"spool\"", "mode=\"fly\""},
      {"to=\"dc2\"", "to=\"dc3\""},
      {"[::1]:7", "::1:7"},
      {"\"frozen\"", "\"melted\""},
      {"2031-05-06T10:04Z", "2031-05-06"},
      {"<merged stream=\"clicks\"", "<merged stream=\"views\""},
      {"<cluster-id", "<cluster-it"}};
  for (const auto& [what, with] : changes) {
    EXPECT_EQ(StoredTopology::Decode(Replaced(text, what, with), "here").code(), Code::kCorrupt)
        << what << " " << with;
  }
}

}  // namespace
}  // namespace databus
