#include "cluster/topology.h"

#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

namespace databus {
namespace {

using std::chrono::hours;

std::string ReadExample(const std::string& name) {
  std::ifstream in(std::string(DATABUS_EXAMPLES) + "/" + name);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

std::string Replaced(std::string text, std::string_view from, std::string_view to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

std::string Errors(const std::string& xml) {
  const auto topology = ParseTopology(xml, "t.xml");
  EXPECT_EQ(topology.code(), Code::kInvalid);
  return topology.status().message();
}

// A correct file, line by line, to be damaged in one place.
std::string Correct() {
  return "<databus>\n"                                                                     // 1
         "<defaults><rootdir>/databus</rootdir></defaults>\n"                              // 2
         "<streams><stream name=\"s\">\n"                                                  // 3
         "<sources><source><name>c1</name></source></sources>\n"                           // 4
         "<destinations>\n"                                                                // 5
         "<destination><name>c1</name><primary>true</primary></destination>\n"             // 6
         "<destination><name>c2</name></destination>\n"                                    // 7
         "</destinations></stream></streams>\n"                                            // 8
         "<clusters>\n"                                                                    // 9
         "<cluster name=\"c1\" hdfsurl=\"file:///c1\" jturl=\"j\" jobqueuename=\"q\"/>\n"  // 10
         "<cluster name=\"c2\" hdfsurl=\"hdfs://c2:8020/\" jturl=\"j\" jobqueuename=\"q\"/>\n"
         "</clusters>\n"  // 12
         "</databus>\n";
}

std::string Damaged(std::string_view from, std::string_view to) {
  EXPECT_NE(Correct().find(from), std::string::npos) << from;
  return Replaced(Correct(), from, to);
}

TEST(Topology, OfTheExampleIsUnderstood) {
  const auto topology =
      ParseTopology(Replaced(ReadExample("databus.xml"), "@ROOT@", "/srv"), "databus.xml");
  ASSERT_TRUE(topology.ok()) << topology.status().ToString();
  EXPECT_EQ(topology->file, "databus.xml");
  ASSERT_EQ(topology->clusters.size(), 2u);
  EXPECT_EQ(topology->clusters[0].RootUrl(), "file:///srv/dc1/databus");
  EXPECT_EQ(topology->clusters[0].root_dir, "databus");
  EXPECT_EQ(topology->clusters[1].job_queue, "default");
  ASSERT_EQ(topology->streams.size(), 2u);
  const StreamSpec& clicks = *topology->FindStream("clicks");
  EXPECT_EQ(clicks.Primary(), "dc1");
  EXPECT_EQ(clicks.Mirrors(), std::vector<std::string>{"dc2"});
  EXPECT_TRUE(clicks.HasSource("dc2"));
  EXPECT_EQ(topology->FindStream("orders")->RoleOf("dc1"), Role::kMirror);
  EXPECT_EQ(topology->trash_retention, hours(24));
}

TEST(Topology, RetentionIsTheStreamsOwnElseTheDefault) {
  const auto topology =
      ParseTopology(Replaced(ReadExample("databus.xml"), "@ROOT@", "/srv"), "databus.xml");
  ASSERT_TRUE(topology.ok());
  EXPECT_EQ(topology->LocalRetention("dc1", "clicks"), hours(24));
  EXPECT_EQ(topology->MergedRetention("dc2", "clicks"), hours(48));
  EXPECT_EQ(topology->LocalRetention("dc1", "orders"), hours(48));
  EXPECT_EQ(topology->LocalRetention("dc1", "unknown"), hours(48));
  EXPECT_EQ(topology->MergedRetention("dc9", "clicks"), hours(48));
}

// It may have been one, and become one again: a step of two in a change of the topology costs
// nothing.
TEST(Topology, WhoIsNoDestinationKeepsAStreamAsLongAsAnyDestination) {
  auto topology =
      ParseTopology(Replaced(ReadExample("databus.xml"), "@ROOT@", "/srv"), "databus.xml");
  ASSERT_TRUE(topology.ok());
  StreamSpec& clicks = *topology->FindStream("clicks");
  std::erase_if(clicks.destinations, [](const auto& to) { return to.cluster == "dc1"; });
  clicks.destinations[0].retention = hours(720);
  EXPECT_EQ(topology->MergedRetention("dc1", "clicks"), hours(720));
  clicks.destinations[0].retention = hours(1);
  EXPECT_EQ(topology->MergedRetention("dc1", "clicks"), hours(48)) << "the default";
}

TEST(Topology, FindsNothingForUnknownNames) {
  const auto topology = ParseTopology(Correct(), "t.xml");
  ASSERT_TRUE(topology.ok()) << topology.status().ToString();
  EXPECT_EQ(topology->FindCluster("c3"), nullptr);
  EXPECT_EQ(topology->FindStream("x"), nullptr);
  EXPECT_EQ(topology->streams[0].RoleOf("c3"), std::nullopt);
  EXPECT_FALSE(topology->streams[0].HasSource("c2"));
}

TEST(Topology, KnowsWhereItsStreamsStandWithoutLooking) {
  const auto topology = ParseTopology(Correct(), "t.xml");
  ASSERT_TRUE(topology.ok()) << topology.status().ToString();
  ASSERT_FALSE(topology->streams.empty());
  for (size_t i = 0; i < topology->streams.size(); ++i) {
    EXPECT_EQ(topology->places.Find(topology->streams[i].name), i);
  }
  EXPECT_EQ(topology->places.Find("x"), std::nullopt);
}

TEST(Topology, FindsStreamsWhereverTheyStandByNow) {
  auto topology =
      ParseTopology(Replaced(ReadExample("databus.xml"), "@ROOT@", "/srv"), "databus.xml");
  ASSERT_TRUE(topology.ok());
  std::swap(topology->streams[0], topology->streams[1]);
  EXPECT_EQ(topology->FindStream("clicks"), &topology->streams[1]);
  EXPECT_EQ(topology->FindStream("orders"), &topology->streams[0]);
  topology->streams.push_back(topology->streams[0]);
  topology->streams.back().name = "views";
  EXPECT_EQ(topology->FindStream("views"), &topology->streams[2]);
  topology->streams.erase(topology->streams.begin(), topology->streams.begin() + 2);
  EXPECT_EQ(topology->FindStream("orders"), nullptr);
  EXPECT_EQ(topology->FindStream("views"), &topology->streams[0]);
}

TEST(Topology, UrlsAndRootDirectoriesLoseSurplusSlashes) {
  const auto topology =
      ParseTopology(Damaged("<rootdir>/databus</rootdir>", "<rootdir>//a//b/ </rootdir>"), "t.xml");
  ASSERT_TRUE(topology.ok()) << topology.status().ToString();
  EXPECT_EQ(topology->clusters[1].RootUrl(), "hdfs://c2:8020/a/b");
}

TEST(Topology, AClusterMayHaveItsOwnRootDirectory) {
  const auto topology = ParseTopology(
      Damaged("file:///c1\" jturl=\"j\" jobqueuename=\"q\"/>",
              "file:///c1\" jturl=\"j\" jobqueuename=\"q\"><rootdir>/own</rootdir></cluster>"),
      "t.xml");
  ASSERT_TRUE(topology.ok()) << topology.status().ToString();
  EXPECT_EQ(topology->FindCluster("c1")->RootUrl(), "file:///c1/own");
  EXPECT_EQ(topology->FindCluster("c2")->RootUrl(), "hdfs://c2:8020/databus");
}

TEST(Topology, CrlfByteOrderMarkCommentsAndUpperCaseTrueAreFine) {
  std::string xml = Damaged("<primary>true", "<!-- main --><primary> TRUE ");
  EXPECT_TRUE(ParseTopology("\xef\xbb\xbf" + Replaced(xml, "\n", "\r\n"), "t.xml").ok());
}

TEST(Topology, ConduitFilesAreAcceptedWhereTheyMeanTheSame) {
  std::string xml = Replaced(Correct(), "databus>", "conduit>");
  xml = Replaced(xml, "<stream name=\"s\">", "<stream name=\"s\" hcatenabled=\"false\">");
  xml = Replaced(xml, "<source>", "<source isenabled=\"true\">");
  xml = Replaced(xml, "hdfsurl=\"file:///c1\"",
                 "hdfsurl=\"file:///c1\" readUrl=\"file:///c1\" copyMapperClass=\"x.Y\"");
  const auto topology = ParseTopology(xml, "t.xml");
  EXPECT_TRUE(topology.ok()) << topology.status().ToString();
}

TEST(Topology, AStreamContinuesAloneUnlessItIsToWait) {
  const auto policy = [](const std::string& attributes) {
    const auto topology = ParseTopology(
        Damaged("<stream name=\"s\">", "<stream name=\"s\"" + attributes + ">"), "t.xml");
    EXPECT_TRUE(topology.ok()) << topology.status().ToString();
    return topology->streams.at(0).when_alone;
  };
  EXPECT_EQ(policy(""), WhenAlone::kContinue);
  EXPECT_EQ(policy(" whenalone=\"continue\""), WhenAlone::kContinue);
  EXPECT_EQ(policy(" whenalone=\"wait\""), WhenAlone::kWait);
}

TEST(TopologyError, NotXml) {
  EXPECT_EQ(Errors(""), "t.xml:1: found an empty file, expected an XML document <databus>");
  EXPECT_EQ(Errors(" \r\n\n"), "t.xml:1: found an empty file, expected an XML document <databus>");
  EXPECT_EQ(Errors("port=1463\n"),
            "t.xml:1: found something else (No document element found), expected an XML document "
            "<databus>");
  EXPECT_EQ(Errors("<databus>\n<streams>\n</databus>\n"),
            "t.xml:3: found something else (Start-end tags mismatch), expected an XML document "
            "<databus>");
  EXPECT_EQ(Errors("<html/>"), "t.xml:1: found <html>, expected <databus>");
}

struct ErrorCase {
  std::string_view name;
  std::string_view from;
  std::string_view to;
  std::string_view message;
};

class TopologyErrors : public testing::TestWithParam<ErrorCase> {};

TEST_P(TopologyErrors, NameFileLineKeyFoundAndExpected) {
  EXPECT_EQ(Errors(Damaged(GetParam().from, GetParam().to)), GetParam().message);
}

constexpr std::string_view kNameRule =
    "a name of 1 to 100 letters, digits, '.', '_', '-', not beginning with '.'";

INSTANTIATE_TEST_SUITE_P(
    Defaults, TopologyErrors,
    testing::Values(
        ErrorCase{"NoDefaults", "<defaults><rootdir>/databus</rootdir></defaults>", "",
                  "t.xml:1: defaults rootdir: found nothing, expected "
                  "<defaults><rootdir>/DIRECTORY</rootdir></defaults>"},
        ErrorCase{"NoRootDir", "<rootdir>/databus</rootdir>", "",
                  "t.xml:2: defaults rootdir: found nothing, expected "
                  "<defaults><rootdir>/DIRECTORY</rootdir></defaults>"},
        ErrorCase{"BadRootDir", "/databus</rootdir>", "/a/../b</rootdir>",
                  "t.xml:2: defaults rootdir: found '/a/../b', expected a directory below the "
                  "cluster's URL, as /databus"},
        ErrorCase{"EmptyRootDir", "/databus</rootdir>", "/</rootdir>",
                  "t.xml:2: defaults rootdir: found '/', expected a directory below the cluster's "
                  "URL, as /databus"},
        ErrorCase{"TwoDefaults", "<streams>", "<defaults/><streams>",
                  "t.xml:3: defaults: found a second one (the first is in line 2), expected one"},
        ErrorCase{"TwoRootDirs", "/databus</rootdir>", "/a</rootdir><rootdir>/b</rootdir>",
                  "t.xml:2: defaults: found a second <rootdir> (the first is in line 2), expected "
                  "one"},
        ErrorCase{
            "BadRetention", "</rootdir>", "</rootdir><retentioninhours>2d</retentioninhours>",
            "t.xml:2: defaults retentioninhours: found '2d', expected a whole number of hours "
            "from 0 to 1000000"},
        ErrorCase{"NegativeRetention", "c1</name></source>",
                  "c1</name><retentioninhours>-1</retentioninhours></source>",
                  "t.xml:4: stream 's' source 'c1' retentioninhours: found '-1', expected a whole "
                  "number of hours from 0 to 1000000"},
        ErrorCase{
            "HugeRetention", "c2</name></destination>",
            "c2</name><retentioninhours>99999999999999999999</retentioninhours></destination>",
            "t.xml:7: stream 's' destination 'c2' retentioninhours: found "
            "'99999999999999999999', expected a whole number of hours from 0 to 1000000"}),
    [](const auto& param_info) { return std::string(param_info.param.name); });

INSTANTIATE_TEST_SUITE_P(
    Streams, TopologyErrors,
    testing::Values(
        ErrorCase{
            "UnknownSource", "<source><name>c1", "<source><name>c3",
            "t.xml:4: stream 's' source name: found unknown cluster 'c3', expected one of c1, "
            "c2"},
        ErrorCase{
            "UnknownDestination", "<destination><name>c2", "<destination><name>c3",
            "t.xml:7: stream 's' destination name: found unknown cluster 'c3', expected one of "
            "c1, c2"},
        ErrorCase{"NoPrimary", "<primary>true</primary>", "",
                  "t.xml:3: stream 's' destinations: found no primary, expected one <destination> "
                  "with <primary>true</primary>"},
        ErrorCase{"TwoPrimaries", "c2</name></destination>",
                  "c2</name><primary>true</primary></destination>",
                  "t.xml:3: stream 's' destinations: found 2 primaries (lines 6, 7), expected one "
                  "<destination> with <primary>true</primary>"},
        ErrorCase{"BadPrimary", "<primary>true", "<primary>true</primary><primary>yes",
                  "t.xml:6: stream 's' destination 'c1': found a second <primary> (the first is in "
                  "line 6), expected one"},
        ErrorCase{
            "NotTrueNorFalse", "c2</name></destination>",
            "c2</name><primary>yes</primary></destination>",
            "t.xml:7: stream 's' destination 'c2' primary: found 'yes', expected true or false"},
        ErrorCase{"DuplicateSource", "c1</name></source>",
                  "c1</name></source><source><name>c1</name></source>",
                  "t.xml:4: stream 's' source 'c1': found a second one (the first is in line 4), "
                  "expected one"},
        ErrorCase{"DuplicateDestination", "<destination><name>c2", "<destination><name>c1",
                  "t.xml:7: stream 's' destination 'c1': found a second one (the first is in line "
                  "6), expected one"},
        ErrorCase{"NoSourceName", "<source><name>c1</name></source>", "<source/>",
                  "t.xml:4: stream 's' source name: found nothing, expected a name"},
        ErrorCase{"UnknownElement", "<source><name>c1</name>",
                  "<source><name>c1</name><retentionhours>1</retentionhours>",
                  "t.xml:4: stream 's' source: found unknown element <retentionhours>, expected "
                  "<retentioninhours>"},
        ErrorCase{"UnknownAttribute", "jturl=\"j\" jobqueuename=\"q\"/>\n<cluster",
                  "jturl=\"j\" jobqueuename=\"q\" readurl=\"\"/>\n<cluster",
                  "t.xml:10: cluster 'c1': found unknown attribute 'readurl', expected 'readUrl'"},
        ErrorCase{"StrayText", "<clusters>", "<clusters>oops",
                  "t.xml:9: clusters: found 'oops', expected elements only"},
        ErrorCase{"SourceDisabled", "<source>", "<source isenabled=\"false\">",
                  "t.xml:4: stream 's' source isenabled: found 'false', expected 'true', nothing "
                  "else is supported"},
        ErrorCase{
            "HCatalog", "<stream name=\"s\">", "<stream name=\"s\" hcatenabled=\"true\">",
            "t.xml:3: stream 's' hcatenabled: found 'true', expected 'false', nothing else is "
            "supported"},
        ErrorCase{"WhenAlone", "<stream name=\"s\">", "<stream name=\"s\" whenalone=\"stop\">",
                  "t.xml:3: stream 's' whenalone: found 'stop', expected 'continue' or 'wait'"}),
    [](const auto& param_info) { return std::string(param_info.param.name); });

INSTANTIATE_TEST_SUITE_P(
    Clusters, TopologyErrors,
    testing::Values(
        ErrorCase{"NoUrl", " hdfsurl=\"file:///c1\"", "",
                  "t.xml:10: cluster 'c1' hdfsurl: found nothing, expected a value"},
        ErrorCase{"NoJobQueue", " jobqueuename=\"q\"/>\n<cluster", "/>\n<cluster",
                  "t.xml:10: cluster 'c1' jobqueuename: found nothing, expected a value"},
        ErrorCase{"BadUrl", "file:///c1", "/c1",
                  "t.xml:10: cluster 'c1' hdfsurl: found '/c1', expected file:///DIRECTORY or "
                  "hdfs://HOST:PORT"},
        ErrorCase{
            "FileUrlWithHost", "file:///c1", "file://c1",
            "t.xml:10: cluster 'c1' hdfsurl: found 'file://c1', expected file:///DIRECTORY or "
            "hdfs://HOST:PORT"},
        ErrorCase{
            "OtherReadUrl", "hdfsurl=\"file:///c1\"",
            "hdfsurl=\"file:///c1\" readUrl=\"file:///x\"",
            "t.xml:10: cluster 'c1' readUrl: found 'file:///x', expected 'file:///c1', nothing "
            "else is supported"},
        ErrorCase{
            "NoName", "cluster name=\"c2\"", "cluster name=\"c1\"",
            "t.xml:7: stream 's' destination name: found unknown cluster 'c2', expected one of "
            "c1, c1\n"
            "t.xml:11: cluster 'c1': found a second one (the first is in line 10), expected "
            "one"},
        ErrorCase{"SameTree", "hdfs://c2:8020/", "file:///c1/",
                  "t.xml:11: cluster 'c2': found 'file:///c1/databus', the tree of cluster 'c1', "
                  "expected a tree of its own"}),
    [](const auto& param_info) { return std::string(param_info.param.name); });

TEST(TopologyError, InvalidNames) {
  const std::string rule(kNameRule);
  EXPECT_EQ(Errors(Damaged("stream name=\"s\"", "stream name=\"a/b\"")),
            "t.xml:3: stream name: found 'a/b', expected " + rule);
  EXPECT_EQ(Errors(Damaged("stream name=\"s\"", "stream")),
            "t.xml:3: stream name: found nothing, expected a name");
  EXPECT_EQ(Errors(Damaged("<source><name>c1", "<source><name>..")),
            "t.xml:4: stream 's' source name: found '..', expected " + rule);
  EXPECT_EQ(Errors(Damaged("</clusters>",
                           "<cluster name=\"c&#233;\" hdfsurl=\"file:///x\" jturl=\"\" "
                           "jobqueuename=\"\"/></clusters>")),
            "t.xml:12: cluster name: found 'c\\xc3\\xa9', expected " + rule);
}

TEST(TopologyError, DuplicateStream) {
  EXPECT_EQ(
      Errors(Damaged("</streams>",
                     "<stream name=\"s\"><destinations><destination><name>c1</name>"
                     "<primary>true</primary></destination></destinations></stream></streams>")),
      "t.xml:8: stream 's': found a second one (the first is in line 3), expected one");
}

TEST(TopologyError, NoClusters) {
  EXPECT_EQ(Errors("<databus><defaults><rootdir>/d</rootdir></defaults></databus>"),
            "t.xml:1: cluster: found nothing, expected at least one");
}

TEST(TopologyError, AllAtOnceInTheOrderOfLines) {
  std::string xml = Damaged("<rootdir>/databus</rootdir>", "<rootdir></rootdir>");
  xml = Replaced(xml, "<primary>true</primary>", "");
  xml = Replaced(xml, " jturl=\"j\"", "");
  const std::string errors = Errors(xml);
  EXPECT_EQ(std::count(errors.begin(), errors.end(), '\n') + 1, 4) << errors;
  EXPECT_LT(errors.find("t.xml:2:"), errors.find("t.xml:3:"));
  EXPECT_LT(errors.find("t.xml:3:"), errors.find("t.xml:10:"));
  EXPECT_LT(errors.find("t.xml:10:"), errors.find("t.xml:11:"));
}

}  // namespace
// Quadratic in the lines, this would take longer than the program may.
TEST(TopologyError, AHundredThousandElementsCostNoMoreThanTheirLength) {
  std::string xml = "<databus>\n<clusters>\n";
  for (int i = 0; i < 100'000; ++i) {
    xml += "<cluster name=\"c" + std::to_string(i) + "\" hdfsurl=\"file:///d\" odd=\"1\"/>\n";
  }
  xml += "</clusters>\n</databus>\n";
  EXPECT_EQ(ParseTopology(xml, "databus.xml").code(), Code::kInvalid);
}

}  // namespace databus
