// What the program takes from Hadoop's own variables: HADOOP_CONF_DIR and HADOOP_USER_NAME.
#include <gmock/gmock.h>

#include <cstdlib>

#include "storage/hdfs/test_peer.h"
#include "tests/e2e/site.h"

namespace databus {
namespace {

using testing::HasSubstr;

// A topology of one cluster in HDFS; the children of the test see the two variables.
class HadoopEnvironmentTest : public testing::Test {
 protected:
  void Begin(const std::string& hdfs_site) {
    site_.Write("hdfs-site.xml", "<configuration>" + hdfs_site + "</configuration>");
    std::string topology = site_.Xml({Site::Stream("clicks", {"dc1"}, "dc1", {})}, {"dc1"});
    const std::string local = "file://" + site_.PathOf("dc1");
    topology.replace(topology.find(local), local.size(), "hdfs://lake");
    site_.Write("databus.xml", topology);
    ::setenv("HADOOP_CONF_DIR", site_.root().c_str(), 1);
    ::setenv("HADOOP_USER_NAME", "alice", 1);
  }
  ~HadoopEnvironmentTest() override {
    ::unsetenv("HADOOP_CONF_DIR");
    ::unsetenv("HADOOP_USER_NAME");
  }
  static std::string Property(const std::string& name, const std::string& value) {
    return "<property><name>" + name + "</name><value>" + value + "</value></property>";
  }
  // What a command that needs the cluster's tree says.
  std::string Complaint() {
    const ChildEnd end =
        site_.Run({"ls", "clicks", "--cluster", "dc1", "--topology", site_.PathOf("databus.xml")});
    EXPECT_NE(end.exit_code, 0);
    return end.output + site_.Read("command.log");
  }

  Site site_;
};

TEST_F(HadoopEnvironmentTest, NameServiceIsFoundAndTheUserIsTheOneNamed) {
  std::string greeting;
  {
    const hdfs::TestPeer::Script refuse = [&](hdfs::PeerConnection& c) {
      c.Read(7);
      greeting = c.ReadFrame();
      c.ReadCall();
      c.Fail(-1, {"org.apache.hadoop.security.AccessControlException",
                  "SIMPLE authentication is not enabled.  Available:[TOKEN, KERBEROS]", 2});
      c.AwaitEnd();
    };
    // The command looks for the stored topology first, then for the stream.
    const hdfs::TestPeer name_node({refuse, refuse, refuse, refuse});
    Begin(Property("dfs.nameservices", "lake") +
          Property("dfs.namenode.rpc-address.lake", name_node.endpoint().ToString()));
    EXPECT_THAT(Complaint(), HasSubstr("this cluster wants Kerberos, which is not supported"));
  }
  EXPECT_THAT(greeting, HasSubstr("alice"));
}

TEST_F(HadoopEnvironmentTest, WhatIsNotSupportedIsRefusedBeforeAnythingIsAsked) {
  Begin(Property("dfs.encrypt.data.transfer", "true"));
  EXPECT_THAT(Complaint(), HasSubstr("encrypted transfer is not supported"));
}

TEST_F(HadoopEnvironmentTest, AConfigurationThatIsNoneIsNamed) {
  Begin("<property>");
  EXPECT_THAT(Complaint(), HasSubstr(site_.PathOf("hdfs-site.xml")));
}

}  // namespace
}  // namespace databus
