#include "storage/hdfs/hadoop_conf.h"

#include <gmock/gmock.h>

#include <fstream>

#include "storage/contract.h"
#include "storage/hdfs/hdfs_options.h"
#include "storage/open.h"
#include "storage/test_directory.h"

namespace databus::hdfs {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class HadoopConfTest : public testing::Test {
 protected:
  void Write(const std::string& name, const std::string& text) const {
    std::ofstream(directory_.path() + "/" + name) << text;
  }
  // hdfs-site.xml with these properties.
  void Site(const std::vector<std::pair<std::string, std::string>>& properties) const {
    std::string text = "<configuration>\n";
    for (const auto& [name, value] : properties) {
      text += "<property><name>" + name + "</name><value>" + value + "</value></property>\n";
    }
    Write("hdfs-site.xml", text + "</configuration>\n");
  }
  HadoopConf Read() const {
    const auto conf = HadoopConf::Read(directory_.path());
    EXPECT_TRUE(conf.ok()) << conf.status().ToString();
    return conf.ok() ? *conf : HadoopConf();
  }
  Result<HdfsOptions> Options(const std::string& url) const {
    return HdfsOptionsOf({url, "/databus", "me"}, Read());
  }
  // "a:1,b:2", or the failure in words.
  std::string NameNodes(const std::string& url) const {
    const auto options = Options(url);
    if (!options.ok()) return options.status().ToString();
    std::string text;
    for (const Endpoint& endpoint : options->name_nodes.name_nodes) {
      text += (text.empty() ? "" : ",") + endpoint.ToString();
    }
    return text;
  }

  const TestDirectory directory_;
};

TEST_F(HadoopConfTest, NameServiceStandsForItsNameNodes) {
  Site({{"dfs.nameservices", "other, ns1"},
        {"dfs.ha.namenodes.ns1", "nn1, nn2"},
        {"dfs.namenode.rpc-address.ns1.nn1", "one.example:9000"},
        {"dfs.namenode.rpc-address.ns1.nn2", " two.example "},
        {"dfs.namenode.rpc-address.other", "three.example:1"}});
  EXPECT_EQ(NameNodes("hdfs://ns1"), "one.example:9000,two.example:8020");
  EXPECT_EQ(NameNodes("hdfs://ns1/a"), "one.example:9000,two.example:8020");
  EXPECT_EQ(NameNodes("hdfs://other"), "three.example:1");
  EXPECT_EQ(NameNodes("hdfs://ns2"), "ns2:8020");
  EXPECT_EQ(Options("hdfs://ns1/a")->url, "hdfs://ns1");
  EXPECT_EQ(Options("hdfs://ns1/a")->root, "/a/databus");
  EXPECT_THAT(NameNodes("hdfs://ns1:8020"),
              HasSubstr("'ns1' is a name service, which has no port"));
}

TEST_F(HadoopConfTest, NameNodeWithoutAnAddressSaysWhichAndWhere) {
  Site({{"dfs.nameservices", "ns1"}, {"dfs.ha.namenodes.ns1", "nn1"}});
  EXPECT_EQ(Options("hdfs://ns1").code(), Code::kInvalid);
  EXPECT_THAT(NameNodes("hdfs://ns1"),
              HasSubstr(directory_.path() + ": dfs.namenode.rpc-address.ns1.nn1: found nothing"));
  Site({{"dfs.nameservices", "ns1"}, {"dfs.namenode.rpc-address.ns1", "host:port"}});
  EXPECT_THAT(NameNodes("hdfs://ns1"), HasSubstr("found 'host:port', expected host:port"));
}

TEST_F(HadoopConfTest, SettingsOfHadoopsClientsHold) {
  Site({{"dfs.replication", "2"},
        {"dfs.blocksize", "64m"},
        {"dfs.client.use.datanode.hostname", "true"},
        {"ipc.client.connect.timeout", "1500"},
        {"dfs.client.socket-timeout", "0"}});
  const auto options = Options("hdfs://nn");
  ASSERT_TRUE(options.ok());
  EXPECT_EQ(options->replication, 2u);
  EXPECT_EQ(options->block_bytes, 64u << 20);
  EXPECT_EQ(options->data_nodes.addressing, DataNodes::Addressing::kByName);
  EXPECT_EQ(options->name_nodes.patience.connect, 1500ms);
  EXPECT_EQ(options->name_nodes.patience.transfer, Patience().transfer);
  Site({{"dfs.client.socket-timeout", "60000"}});
  EXPECT_EQ(Options("hdfs://nn")->name_nodes.patience.transfer, 75s);
  Site({{"dfs.blocksize", "64 apples"}});
  EXPECT_THAT(Options("hdfs://nn").status().message(), HasSubstr("found '64 apples'"));
}

TEST_F(HadoopConfTest, DataNodesCanBeGivenOtherAddresses) {
  Site({{"databus.datanode.hosts", "dn1.inside=192.0.2.1, dn2.inside = gate.example"}});
  const auto options = Options("hdfs://nn");
  ASSERT_TRUE(options.ok());
  EXPECT_THAT(options->data_nodes.hosts,
              testing::ElementsAre(testing::Pair("dn1.inside", "192.0.2.1"),
                                   testing::Pair("dn2.inside", "gate.example")));
  Site({{"databus.datanode.hosts", "dn1.inside"}});
  EXPECT_THAT(Options("hdfs://nn").status().message(),
              HasSubstr("found 'dn1.inside', expected name=address"));
}

TEST_F(HadoopConfTest, LaterFileWinsAndVariablesAreReplaced) {
  Write("core-site.xml",
        "<?xml version=\"1.0\"?><configuration><property><name>a</name><value>core</value>"
        "</property><property><name>b</name><value>${a}/${c}</value></property>"
        "<property><name>loop</name><value>${loop}</value></property></configuration>");
  Site({{"a", "site"}});
  const HadoopConf conf = Read();
  EXPECT_EQ(conf.Find("a"), "site");
  EXPECT_EQ(conf.Find("b"), "site/${c}");
  EXPECT_EQ(conf.Find("loop"), "${loop}");
  EXPECT_EQ(conf.Find("c"), std::nullopt);
}

TEST_F(HadoopConfTest, WhatIsNotSupportedIsNamed) {
  Site({{"hadoop.security.authentication", "kerberos"}});
  EXPECT_EQ(Options("hdfs://nn").code(), Code::kRefused);
  EXPECT_THAT(Options("hdfs://nn").status().message(), HasSubstr("Kerberos is not supported"));
  Site({{"dfs.encrypt.data.transfer", "true"}});
  EXPECT_THAT(Options("hdfs://nn").status().message(),
              HasSubstr("encrypted transfer is not supported"));
  Site({{"hadoop.security.authentication", "simple"}, {"dfs.encrypt.data.transfer", "false"}});
  EXPECT_TRUE(Options("hdfs://nn").ok());
}

TEST_F(HadoopConfTest, DamagedFileSaysWhichAndWhere) {
  for (const char* text : {"", "garbage", "<configuration><property>", "<other/>"}) {
    Write("hdfs-site.xml", text);
    const auto conf = HadoopConf::Read(directory_.path());
    EXPECT_EQ(conf.code(), Code::kInvalid) << text;
    EXPECT_THAT(conf.status().message(), HasSubstr(directory_.path() + "/hdfs-site.xml"));
  }
}

TEST_F(HadoopConfTest, NoFilesAreNoConfiguration) {
  EXPECT_EQ(NameNodes("hdfs://nn:1"), "nn:1");
  EXPECT_EQ(NameNodes("hdfs://nn/a/../b"),
            "hdfs://nn/a/../b: a/../b/databus: not a path below the "
            "root (invalid)");
}

TEST_F(HadoopConfTest, EnvironmentOpensANameService) {
  Site({{"dfs.nameservices", "ns1"}, {"dfs.namenode.rpc-address.ns1", "one.example"}});
  const auto storage = OpenStorageIn({.hadoop_conf_dir = directory_.path()}, "hdfs://ns1", "x");
  ASSERT_TRUE(storage.ok()) << storage.status().ToString();
  EXPECT_EQ((*storage)->Describe(), "hdfs://ns1/x");
}

}  // namespace
}  // namespace databus::hdfs
