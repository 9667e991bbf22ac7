#include "storage/hdfs/rpc_client.h"

#include <gmock/gmock.h>

#include "storage/contract.h"
#include "storage/hdfs/test_peer.h"
#include "storage/hdfs/wire/name_node.pb.h"

namespace databus::hdfs {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

const PeerConnection::Failure kStandby{"org.apache.hadoop.ipc.StandbyException",
                                       "Operation category READ is not supported in state standby"};
const PeerConnection::Failure kNotFound{"java.io.FileNotFoundException",
                                        "rename source is not found"};

wire::HaServiceStateAnswer State(uint32_t state) {
  wire::HaServiceStateAnswer answer;
  answer.set_state(state);
  return answer;
}

// Reads a call and ends without an answer.
void LoseTheAnswer(PeerConnection& c) {
  c.ReadGreeting();
  c.ReadCall();
}

// The machine's clock, and some hours.
struct ShiftedClock final : Clock {
  WallTime Wall() const override { return SystemClock().Wall(); }
  BootTime Boot() const override { return SystemClock().Boot() + shift; }
  std::chrono::hours shift{0};
};

class RpcClientTest : public testing::Test {
 protected:
  RpcClient ClientOf(std::vector<Endpoint> endpoints, const Patience& patience) {
    return RpcClient({std::move(endpoints), "root", patience}, SystemClock(), *random_);
  }
  static Patience Long() { return {}; }
  // Gives up at once; only for what cannot succeed.
  static Patience Short() { return {.unsent = 0ms, .sent = 0ms}; }

  RpcCall Rename() {
    return {.method = "rename2",
            .request = &request_,
            .answer = &answer_,
            .repeated = Repeated::kRemembered};
  }
  RpcCall Question() { return {.method = "getFileInfo", .request = &request_, .answer = &answer_}; }

  const std::unique_ptr<Random> random_ = SeededRandom(1);
  const wire::Empty request_;
  wire::Empty answer_;
};

TEST_F(RpcClientTest, CallWhoseAnswerIsLostIsSentAgainUnderTheSameKey) {
  wire::RpcRequestHeader first;
  wire::RpcRequestHeader second;
  TestPeer peer({[&](PeerConnection& c) {
                   c.ReadGreeting();
                   first = c.ReadCall().header;
                 },
                 [&](PeerConnection& c) {
                   c.ReadGreeting();
                   second = c.ReadCall().header;
                   c.Answer(second.call_id(), wire::Empty());
                   c.AwaitEnd();
                 }});
  RpcClient client = ClientOf({peer.endpoint()}, Long());
  RpcCall rename = Rename();
  client.Run({&rename, 1});
  EXPECT_TRUE(rename.status.ok()) << rename.status.ToString();
  EXPECT_TRUE(rename.resent);
  EXPECT_EQ(first.client_id().size(), 16u);
  EXPECT_EQ(first.client_id(), second.client_id());
  EXPECT_EQ(first.call_id(), second.call_id());
  EXPECT_EQ(first.retry_count(), 0);
  EXPECT_EQ(second.retry_count(), 1);
}

// The first one may have been executed, and forgotten in a restart.
TEST_F(RpcClientTest, FailureAfterALostAnswerIsUnknownWhereRepeatingMatters) {
  const auto fail = [](PeerConnection& c) {
    c.ReadGreeting();
    c.Fail(c.ReadCall().id(), kNotFound);
    c.AwaitEnd();
  };
  {
    TestPeer peer({LoseTheAnswer, fail});
    RpcClient client = ClientOf({peer.endpoint()}, Long());
    const Status status = client.Run(Rename());
    EXPECT_EQ(status.code(), Code::kUnavailable);
    EXPECT_THAT(status.message(), HasSubstr("rename source is not found"));
  }
  {
    TestPeer peer({LoseTheAnswer, fail});
    RpcClient client = ClientOf({peer.endpoint()}, Long());
    EXPECT_EQ(client.Run(Question()).code(), Code::kNotFound);
  }
  {
    TestPeer peer({fail});
    RpcClient client = ClientOf({peer.endpoint()}, Long());
    EXPECT_EQ(client.Run(Rename()).code(), Code::kNotFound);
  }
}

TEST_F(RpcClientTest, KeysAreNeverUsedTwice) {
  std::set<int32_t> ids;
  TestPeer peer({[&](PeerConnection& c) {
    c.ReadGreeting();
    for (int i = 0; i < 50; ++i) {
      const auto call = c.ReadCall();
      ids.insert(call.id());
      c.Answer(call.id(), wire::Empty());
    }
    c.AwaitEnd();
  }});
  {
    RpcClient client = ClientOf({peer.endpoint()}, Long());
    std::vector<RpcCall> calls(25, Question());
    client.Run(calls);
    for (int i = 0; i < 25; ++i) EXPECT_TRUE(client.Run(Question()).ok());
    EXPECT_EQ(client.answered(), 50u);
  }
  EXPECT_EQ(ids.size(), 50u);
}

TEST_F(RpcClientTest, OnlyCallsWithoutAnAnswerAreSentAgain) {
  std::vector<int32_t> again;
  TestPeer peer({[](PeerConnection& c) {
                   c.ReadGreeting();
                   for (int i = 0; i < 3; ++i) {
                     const auto call = c.ReadCall();
                     if (i == 1) c.Answer(call.id(), wire::Empty());
                   }
                 },
                 [&](PeerConnection& c) {
                   c.ReadGreeting();
                   for (int i = 0; i < 2; ++i) {
                     again.push_back(c.ReadCall().id());
                     c.Answer(again.back(), wire::Empty());
                   }
                   c.AwaitEnd();
                 }});
  {
    RpcClient client = ClientOf({peer.endpoint()}, Long());
    std::vector<RpcCall> calls(3, Rename());
    client.Run(calls);
    for (const RpcCall& call : calls) EXPECT_TRUE(call.status.ok());
    EXPECT_FALSE(calls[1].resent);
  }
  EXPECT_THAT(again, testing::ElementsAre(0, 2));
}

TEST_F(RpcClientTest, ActiveNameNodeIsFoundAndKept) {
  const auto standby = [](PeerConnection& c) {
    c.ReadGreeting();
    c.Answer(c.ReadCall().id(), State(2));
    c.AwaitEnd();
  };
  TestPeer first({standby});
  TestPeer second({[](PeerConnection& c) {
    c.ReadGreeting();
    c.Answer(c.ReadCall().id(), State(1));
    for (int i = 0; i < 2; ++i) c.Answer(c.ReadCall().id(), wire::Empty());
    c.AwaitEnd();
  }});
  RpcClient client = ClientOf({first.endpoint(), second.endpoint()}, Long());
  EXPECT_TRUE(client.Run(Question()).ok());
  EXPECT_TRUE(client.Run(Question()).ok());
}

// One that was active when it was asked, and is not any more.
TEST_F(RpcClientTest, CallThatAStandbyRefusesGoesToTheOtherUnderTheSameKey) {
  int32_t refused = -1;
  int32_t done = -2;
  TestPeer first({[&](PeerConnection& c) {
    c.ReadGreeting();
    c.Answer(c.ReadCall().id(), State(1));
    refused = c.ReadCall().id();
    c.Fail(refused, kStandby);
    c.AwaitEnd();
  }});
  TestPeer second({[&](PeerConnection& c) {
    c.ReadGreeting();
    c.Answer(c.ReadCall().id(), State(1));
    const auto call = c.ReadCall();
    done = call.id();
    // It was refused, not lost.
    EXPECT_EQ(call.header.retry_count(), 0);
    c.Fail(done, kNotFound);
    c.AwaitEnd();
  }});
  {
    RpcClient client = ClientOf({first.endpoint(), second.endpoint()}, Long());
    EXPECT_EQ(client.Run(Rename()).code(), Code::kNotFound);
  }
  EXPECT_EQ(refused, done);
}

TEST_F(RpcClientTest, StandbyOnBothIsUnknownAndNamesThem) {
  const auto standby = [](PeerConnection& c) {
    c.ReadGreeting();
    c.Answer(c.ReadCall().id(), State(2));
    c.AwaitEnd();
  };
  TestPeer first({standby});
  TestPeer second({standby});
  RpcClient client = ClientOf({first.endpoint(), second.endpoint()}, Short());
  const Status status = client.Run(Question());
  EXPECT_EQ(status.code(), Code::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr(first.endpoint().ToString() + ": not the active"));
  EXPECT_THAT(status.message(), HasSubstr(second.endpoint().ToString() + ": not the active"));
}

TEST_F(RpcClientTest, BusyNameNodeIsAskedAgainOnTheSameConnection) {
  TestPeer peer({[](PeerConnection& c) {
    c.ReadGreeting();
    const auto call = c.ReadCall();
    c.Fail(call.id(), {"org.apache.hadoop.ipc.RetriableException", "Server too busy"});
    c.Answer(c.ReadCall().id(), wire::Empty());
    c.AwaitEnd();
  }});
  RpcClient client = ClientOf({peer.endpoint()}, Long());
  EXPECT_TRUE(client.Run(Rename()).ok());
}

TEST_F(RpcClientTest, NobodyThereIsUnknownAndSaysWhere) {
  Endpoint nobody;
  {
    nobody = TestPeer({}).endpoint();
  }
  RpcClient client = ClientOf({nobody}, Short());
  const Status status = client.Run(Question());
  EXPECT_EQ(status.code(), Code::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr(nobody.ToString() + ": connect: Connection refused"));
}

// Whoever waited once in vain does not wait again, and what cannot be undone is not sent to a name
// node that may not answer.
TEST_F(RpcClientTest, OfOneThatIsAwayNothingIsAskedButWhetherItIsBack) {
  std::vector<std::string> asked;
  TestPeer peer({[](PeerConnection& c) {
                   c.ReadGreeting();
                   c.ReadCall();  // and says nothing more
                   c.AwaitEnd();
                 },
                 [&](PeerConnection& c) {
                   c.ReadGreeting();
                   asked.push_back(c.ReadCall().method);
                   c.AwaitEnd();
                 },
                 [&](PeerConnection& c) {
                   c.ReadGreeting();
                   for (int i = 0; i < 2; ++i) {
                     const auto call = c.ReadCall();
                     asked.push_back(call.method);
                     c.Answer(call.id(), State(1));
                   }
                   c.AwaitEnd();
                 }});
  {
    ShiftedClock clock;
    const Patience patience{.answer = 50ms,
                            .unsent = 3'600'000ms,
                            .sent = 0ms,
                            .away = 50ms,
                            .again = std::chrono::hours(1)};
    RpcClient client({{peer.endpoint()}, "root", patience, {}}, clock, *random_);
    EXPECT_EQ(client.Run(Question()).code(), Code::kUnavailable);
    EXPECT_TRUE(client.away());
    EXPECT_EQ(client.Run(Rename()).code(), Code::kUnavailable);
    EXPECT_THAT(asked, testing::IsEmpty()) << "it was found away a moment ago";
    clock.shift = std::chrono::hours(2);
    EXPECT_EQ(client.Run(Rename()).code(), Code::kUnavailable) << "an hour for a first try";
    EXPECT_THAT(asked, testing::ElementsAre("getHAServiceState"));
    clock.shift = std::chrono::hours(4);
    wire::HaServiceStateAnswer any;
    EXPECT_TRUE(client.Run({.method = "getFileInfo", .request = &request_, .answer = &any}).ok());
    EXPECT_FALSE(client.away());
  }
  EXPECT_THAT(asked, testing::ElementsAre("getHAServiceState", "getHAServiceState", "getFileInfo"));
}

// A name node that is not one of a pair refuses the question; but it is there.
TEST_F(RpcClientTest, OneThatWasAwayIsBackWhateverItAnswersToTheQuestion) {
  wire::HaServiceStateAnswer any;
  const TestPeer peer({LoseTheAnswer, [](PeerConnection& c) {
                         c.ReadGreeting();
                         c.Fail(c.ReadCall().id(), {"org.apache.hadoop.ha.ServiceFailedException",
                                                    "HA for namenode is not enabled"});
                         c.Answer(c.ReadCall().id(), State(1));
                       }});
  Patience patience = Short();
  patience.again = 0ms;
  RpcClient client({{peer.endpoint()}, "root", patience, {}}, SystemClock(), *random_);
  EXPECT_EQ(client.Run(Question()).code(), Code::kUnavailable);
  EXPECT_TRUE(client.away());
  const Status back = client.Run({.method = "getFileInfo", .request = &request_, .answer = &any});
  EXPECT_TRUE(back.ok()) << back.ToString();
  EXPECT_FALSE(client.away());
}

// From the moment on that the process is to end.
TEST_F(RpcClientTest, InAHurrySilenceIsNotWaitedForAndAnswersAreTaken) {
  const auto hurry = std::make_shared<Hurry>();
  const TestPeer peer({[&](PeerConnection& c) {
                         c.ReadGreeting();
                         c.Answer(c.ReadCall().id(), wire::Empty());
                         c.ReadCall();
                         hurry->Begin();
                         c.AwaitEnd();
                       },
                       [](PeerConnection& c) {
                         c.ReadGreeting();
                         c.Answer(c.ReadCall().id(), State(1));
                         c.Answer(c.ReadCall().id(), wire::Empty());
                       }});
  Patience patience;
  patience.again = 0ms;
  RpcClient client({{peer.endpoint()}, "root", patience, {}, hurry}, SystemClock(), *random_);
  EXPECT_TRUE(client.Run(Rename()).ok());
  const Status silent = client.Run(Rename());
  EXPECT_EQ(silent.code(), Code::kUnavailable);
  EXPECT_THAT(silent.message(), HasSubstr("nothing was heard for 3000 ms, and this process ends"));
  EXPECT_TRUE(client.Run(Rename()).ok()) << "it is there again";
}

TEST_F(RpcClientTest, EveryCallIsCountedAsOftenAsItIsSent) {
  std::vector<std::string> counted;
  TestPeer peer({LoseTheAnswer, [](PeerConnection& c) {
                   c.ReadGreeting();
                   c.Answer(c.ReadCall().id(), wire::Empty());
                   c.AwaitEnd();
                 }});
  RpcClient client({{peer.endpoint()},
                    "root",
                    Long(),
                    [&](std::string_view method) { counted.emplace_back(method); }},
                   SystemClock(), *random_);
  EXPECT_TRUE(client.Run(Rename()).ok());
  EXPECT_THAT(counted, testing::ElementsAre("rename2", "rename2"));
}

TEST_F(RpcClientTest, NameThatDoesNotResolveSaysWhich) {
  RpcClient client = ClientOf({{"no-such-host.invalid", 8020}}, Short());
  const Status status = client.Run(Question());
  EXPECT_EQ(status.code(), Code::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr("look up 'no-such-host.invalid'"));
}

TEST_F(RpcClientTest, KerberosIsNotTriedTwice) {
  TestPeer peer({[](PeerConnection& c) {
    c.ReadGreeting();
    c.Fail(-1, {"org.apache.hadoop.security.AccessControlException",
                "SIMPLE authentication is not enabled.  Available:[TOKEN, KERBEROS]", 2});
  }});
  RpcClient client = ClientOf({peer.endpoint()}, Long());
  EXPECT_EQ(client.Run(Question()).code(), Code::kRefused);
}

TEST_F(RpcClientTest, AnswerThatIsNoMessageIsUnknown) {
  TestPeer peer({[](PeerConnection& c) {
    c.ReadGreeting();
    c.ReadCall();
    std::string frame("\x06\x08\x00\x10\x00\x18\x09\x05\x01", 9);  // five bytes are promised
    c.WriteFrame(frame);
    c.AwaitEnd();
  }});
  RpcClient client = ClientOf({peer.endpoint()}, Short());
  const Status status = client.Run(Rename());
  EXPECT_EQ(status.code(), Code::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr("the answer to rename2 cannot be understood"));
}

}  // namespace
}  // namespace databus::hdfs
