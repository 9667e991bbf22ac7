// What is not supported is refused by its name, by whatever it is met first.

#include <gmock/gmock.h>

#include <set>

#include "storage/contract.h"
#include "storage/hdfs/hdfs_storage.h"
#include "storage/hdfs/test_peer.h"
#include "storage/hdfs/wire/name_node.pb.h"

namespace databus::hdfs {
namespace {

using testing::HasSubstr;

// A name node whose files are all alike.
class NameNode {
 public:
  NameNode() : peer_({[this](PeerConnection& c) { Serve(c); }}) {}
  NameNode(const NameNode&) = delete;
  ~NameNode() { peer_.Cut(); }

  wire::FileStatus file;
  bool encrypts_transfer = false;
  std::string exception;  // for questions about files; "": none

  std::unique_ptr<Storage> Open() {
    HdfsOptions options;
    options.url = "hdfs://nn";
    options.root = "/x";
    options.name_nodes.name_nodes = {peer_.endpoint()};
    options.name_nodes.user = "alice";
    return OpenHdfsStorage(std::move(options));
  }
  bool WasAsked(const std::string& method) {
    MutexLock lock(mutex_);
    return asked_.contains(method);
  }

 private:
  void Serve(PeerConnection& c) {
    c.ReadGreeting();
    while (const auto call = c.NextCall()) {
      {
        MutexLock lock(mutex_);
        asked_.insert(call->method);
      }
      Answer(c, call->id(), call->method);
    }
  }
  void Answer(PeerConnection& c, int32_t id, const std::string& method) const {
    if (method == "getServerDefaults") {
      wire::GetServerDefaultsAnswer answer;
      answer.mutable_defaults()->set_block_size(1u << 20);
      answer.mutable_defaults()->set_replication(1);
      answer.mutable_defaults()->set_encrypt_data_transfer(encrypts_transfer);
      c.Answer(id, answer);
    } else if (method == "delete") {
      wire::BooleanAnswer answer;
      answer.set_result(true);
      c.Answer(id, answer);
    } else if (!exception.empty()) {
      c.Fail(id, {exception, "said the server"});
    } else {
      wire::GetFileInfoAnswer answer;  // that of create looks the same
      *answer.mutable_status() = file;
      c.Answer(id, answer);
    }
  }

  Mutex mutex_;
  std::set<std::string> asked_;
  TestPeer peer_;  // ends before the rest
};

class RefusalTest : public testing::Test {
 protected:
  RefusalTest() {
    name_node_.file.set_type(2);
    name_node_.file.set_name("");
    name_node_.file.set_length(10);
    name_node_.file.set_modified_ms(1);
    name_node_.file.set_file_id(17);
  }
  void ExpectRefused(const std::string& what) {
    const auto storage = name_node_.Open();
    for (const Status& status : {storage->Open("f").status(), storage->Create("f").status(),
                                 storage->WriteFile("f", "content")}) {
      EXPECT_EQ(status.code(), Code::kRefused) << status.ToString();
      EXPECT_THAT(status.message(), HasSubstr(what));
    }
    EXPECT_FALSE(name_node_.WasAsked("addBlock")) << "nothing is written";
  }
  NameNode name_node_;
};

TEST_F(RefusalTest, EncryptedTransfer) {
  name_node_.encrypts_transfer = true;
  ExpectRefused("encrypted transfer (dfs.encrypt.data.transfer), which is not supported");
}

TEST_F(RefusalTest, EncryptionZonesLeaveNoFileBehind) {
  name_node_.file.set_encryption("a key");
  ExpectRefused("an encryption zone, which is not supported");
  EXPECT_TRUE(name_node_.WasAsked("delete"));
}

TEST_F(RefusalTest, EncryptionZonesThatRefuseTheCreation) {
  name_node_.exception = "org.apache.hadoop.hdfs.protocol.UnknownCryptoProtocolVersionException";
  ExpectRefused("an encryption zone, which is not supported");
}

TEST_F(RefusalTest, ErasureCodingByItsPolicy) {
  name_node_.file.set_erasure_coding("RS-6-3");
  ExpectRefused("erasure coded, which is not supported");
  EXPECT_TRUE(name_node_.WasAsked("delete"));
}

TEST_F(RefusalTest, ErasureCodingByItsFlag) {
  name_node_.file.set_flags(4);
  ExpectRefused("erasure coded, which is not supported");
}

TEST_F(RefusalTest, SymbolicLinks) {
  name_node_.exception = "org.apache.hadoop.hdfs.protocol.UnresolvedPathException";
  ExpectRefused("a symbolic link, which is not supported");
}

}  // namespace
}  // namespace databus::hdfs
