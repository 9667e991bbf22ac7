#include "storage/hdfs/rpc_connection.h"

#include <gmock/gmock.h>

#include "storage/contract.h"
#include "storage/hdfs/test_peer.h"
#include "storage/hdfs/wire/name_node.pb.h"

namespace databus::hdfs {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

// Long enough never to be reached.
constexpr Milliseconds kLong{60'000};

std::string Bytes(std::string_view hex) {
  std::string bytes;
  int digits = 0;
  for (const char c : hex) {
    if (c == ' ') continue;
    const int value = c <= '9' ? c - '0' : c - 'a' + 10;
    if (digits++ % 2 == 0) {
      bytes += static_cast<char>(value << 4);
    } else {
      bytes.back() = static_cast<char>(bytes.back() | value);
    }
  }
  return bytes;
}

const std::string kClientId = Bytes("000102030405060708090a0b0c0d0e0f");
const std::string kProtocol = "org.apache.hadoop.hdfs.protocol.ClientProtocol";

class RpcConnectionTest : public testing::Test {
 protected:
  std::shared_ptr<RpcConnection> Connect(const TestPeer& peer) {
    auto connection = RpcConnection::Open(peer.endpoint(), {"root", kClientId}, SystemClock(),
                                          SystemClock().Boot() + kLong);
    EXPECT_TRUE(connection.ok()) << connection.status().ToString();
    return connection.ok() ? *connection : nullptr;
  }
  // A question for "/rpc-none".
  RpcExchange Question(int32_t call_id) const {
    return {.key = {kClientId, call_id}, .method = "getFileInfo", .request = request_};
  }
  // What one call comes to, against a peer of one script.
  Status Ask(const TestPeer::Script& script, Milliseconds patience = kLong) {
    TestPeer peer({script});
    const auto connection = Connect(peer);
    RpcExchange question = Question(5);
    const Status status = connection->Run({&question, 1}, patience);
    EXPECT_EQ(status.ok(), question.answered);
    EXPECT_EQ(connection->Usable(), status.ok());
    return status;
  }

  const std::string request_ = Bytes("0b 0a09") + "/rpc-none";
};

// The bytes were taken from a real name node's clients, and accepted by it.
TEST_F(RpcConnectionTest, SpeaksAsHadoopDoes) {
  std::string greeting;
  std::string call;
  TestPeer peer({[&](PeerConnection& c) {
    greeting = c.Read(7 + 4 + 0x54);
    call = c.Read(4 + 0x67);
    c.WriteFrame(Bytes("1a 0805 1000 1809 3a10") + kClientId + Bytes("4000 00"));
    c.AwaitEnd();
  }});
  RpcExchange question = Question(5);
  ASSERT_TRUE(Connect(peer)->Run({&question, 1}, kLong).ok());
  EXPECT_EQ(greeting, Bytes("68727063 09 00 00 00000054 1a 08021000 1805 2210") + kClientId +
                          Bytes("2801 38 12060a04") + "root" + Bytes("1a2e") + kProtocol);
  EXPECT_EQ(call, Bytes("00000067 1a 08021000 180a 2210") + kClientId + Bytes("2800 3f 0a0b") +
                      "getFileInfo" + Bytes("122e") + kProtocol + Bytes("1801") + request_);
  EXPECT_FALSE(question.error.has_value());
  EXPECT_EQ(question.body, Bytes("00"));
}

TEST_F(RpcConnectionTest, AnswersInAnyOrderAreMatched) {
  TestPeer peer({[](PeerConnection& c) {
    c.ReadGreeting();
    for (int i = 0; i < 3; ++i) c.ReadCall();
    for (const int32_t id : {8, 6, 7}) {
      c.Fail(id, {"java.io.IOException", std::to_string(id) + "\n\tat somewhere"});
    }
    c.AwaitEnd();
  }});
  RpcExchange questions[] = {Question(6), Question(7), Question(8)};
  ASSERT_TRUE(Connect(peer)->Run(questions, kLong).ok());
  for (const RpcExchange& question : questions) {
    EXPECT_EQ(question.error->FirstLine(), std::to_string(question.key.call_id));
    EXPECT_EQ(question.error->ShortClass(), "IOException");
  }
}

TEST_F(RpcConnectionTest, MoreCallsThanTheWindowAreAllAnswered) {
  constexpr int kCount = 1000;
  TestPeer peer({[](PeerConnection& c) {
    c.ReadGreeting();
    for (int i = 0; i < kCount; ++i) c.Answer(c.ReadCall().id(), wire::Empty());
    c.AwaitEnd();
  }});
  std::vector<RpcExchange> questions;
  for (int i = 0; i < kCount; ++i) questions.push_back(Question(i));
  EXPECT_TRUE(Connect(peer)->Run(questions, kLong).ok());
}

TEST_F(RpcConnectionTest, ThreadsShareAConnectionAndGetTheirOwnAnswers) {
  constexpr int kThreads = 8;
  constexpr int kEach = 50;
  TestPeer peer({[](PeerConnection& c) {
    c.ReadGreeting();
    for (int i = 0; i < kThreads * kEach; ++i) {
      const int32_t id = c.ReadCall().id();
      c.Fail(id, {"java.io.IOException", std::to_string(id)});
    }
    c.AwaitEnd();
  }});
  const auto connection = Connect(peer);
  std::atomic<int> right{0};
  {
    std::vector<Thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back("caller", [&, t] {
        for (int i = 0; i < kEach; ++i) {
          RpcExchange question = Question(t * kEach + i);
          if (!connection->Run({&question, 1}, kLong).ok()) continue;
          right += question.error->message == std::to_string(question.key.call_id) ? 1 : 0;
        }
      });
    }
  }
  EXPECT_EQ(right, kThreads * kEach);
}

TEST_F(RpcConnectionTest, AnswerInSingleBytesIsUnderstood) {
  EXPECT_TRUE(Ask([](PeerConnection& c) {
                c.ReadGreeting();
                c.ReadCall();
                for (const char byte : Bytes("00000008 06 0805 1000 1809 00")) {
                  c.Write({&byte, 1});
                }
                c.AwaitEnd();
              }).ok());
}

TEST_F(RpcConnectionTest, HalfAFrameAndTheEndIsUnknown) {
  const Status status = Ask([](PeerConnection& c) {
    c.ReadGreeting();
    c.ReadCall();
    c.Write(Bytes("00000008 06 0805"));
  });
  EXPECT_EQ(status.code(), Code::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr("closed the connection"));
}

TEST_F(RpcConnectionTest, GarbageIsUnknownAndSaysSo) {
  for (const std::string& garbage :
       {Bytes("7fffffff 00"), Bytes("ffffffff"), Bytes("00000000"), Bytes("00000003 ffffff"),
        Bytes("00000004 04080510"),  // its header is longer than the frame
        Bytes("00000003 02 1000"),   // a header without its call
        Bytes("00000008 ffffffffffffff7f")}) {
    const Status status = Ask([&](PeerConnection& c) {
      c.ReadGreeting();
      c.ReadCall();
      c.Write(garbage);
      c.AwaitEnd();
    });
    EXPECT_EQ(status.code(), Code::kUnavailable);
    EXPECT_THAT(status.message(), HasSubstr("damaged"));
  }
}

TEST_F(RpcConnectionTest, AnswerToACallThatNobodyMadeEndsTheConnection) {
  const Status status = Ask([](PeerConnection& c) {
    c.ReadGreeting();
    c.ReadCall();
    c.Answer(77, wire::Empty());
    c.AwaitEnd();
  });
  EXPECT_EQ(status.code(), Code::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr("77"));
}

TEST_F(RpcConnectionTest, PeerThatSaysNothingIsUnknownAfterAWhile) {
  const Status status = Ask(
      [](PeerConnection& c) {
        c.ReadGreeting();
        c.AwaitEnd();
      },
      50ms);
  EXPECT_EQ(status.code(), Code::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr("no answer in 50 ms"));
}

TEST_F(RpcConnectionTest, WebPortIsNamed) {
  const Status status = Ask([](PeerConnection& c) {
    c.ReadGreeting();
    c.ReadCall();
    c.Write("HTTP/1.1 400 Bad Request\r\n\r\n");
  });
  EXPECT_EQ(status.code(), Code::kRefused);
  EXPECT_THAT(status.message(), HasSubstr("web port"));
}

TEST_F(RpcConnectionTest, KerberosIsNamed) {
  const Status status = Ask([](PeerConnection& c) {
    c.ReadGreeting();
    c.Fail(-1, {"org.apache.hadoop.security.AccessControlException",
                "SIMPLE authentication is not enabled.  Available:[TOKEN, KERBEROS]", 2});
  });
  EXPECT_EQ(status.code(), Code::kRefused);
  EXPECT_THAT(status.message(), HasSubstr("Kerberos, which is not supported"));
}

TEST_F(RpcConnectionTest, OneThatWasClosedWhileIdleIsNotUsable) {
  TestPeer peer({[](PeerConnection& c) {
    c.ReadGreeting();
    c.Answer(c.ReadCall().id(), wire::Empty());
    c.Read(1);  // the test has seen the answer
  }});
  const auto connection = Connect(peer);
  RpcExchange questions[] = {Question(1), Question(2)};
  ASSERT_TRUE(connection->Run({&questions[0], 1}, kLong).ok());
  EXPECT_TRUE(connection->Usable());
  EXPECT_EQ(connection->Run({&questions[1], 1}, kLong).code(), Code::kUnavailable);
  EXPECT_FALSE(connection->Usable());
}

// Name nodes close connections that nobody uses; the next call must not find out by losing its
// answer.
TEST_F(RpcConnectionTest, IdleOneThatThePeerHasClosedIsSeenToBeSo) {
  TestPeer peer({[](PeerConnection& c) {
    c.ReadGreeting();
    c.Answer(c.ReadCall().id(), wire::Empty());
  }});
  const auto connection = Connect(peer);
  RpcExchange question = Question(1);
  ASSERT_TRUE(connection->Run({&question, 1}, kLong).ok());
  StopFlag never;
  for (int i = 0; i < 10'000 && connection->Usable(); ++i) {
    never.SleepUntil(SystemClock(), SystemClock().Boot() + 1ms);
  }
  EXPECT_FALSE(connection->Usable());
}

}  // namespace
}  // namespace databus::hdfs
