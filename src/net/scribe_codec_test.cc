// The hand-written codec against Thrift's generated code, which is the oracle, and against bytes
// that no honest peer sends.
#include "net/scribe_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>
#include <thrift/TApplicationException.h>
#include <thrift/protocol/TBinaryProtocol.h>
#include <thrift/transport/TBufferTransports.h>

#include "base/random.h"
#include "gen/scribe.h"
#include "net/fb303_handler.h"

namespace databus {
namespace {

using apache::thrift::TApplicationException;
using apache::thrift::protocol::TBinaryProtocol;
using apache::thrift::protocol::TMessageType;
using apache::thrift::transport::TMemoryBuffer;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

using Entries = std::vector<std::pair<std::string, std::string>>;

struct OracleCall {
  HeaderStyle style = HeaderStyle::kStrict;
  int32_t seqid = 0;
  Entries entries = {};
  std::optional<BatchId> batch = {};
};

std::shared_ptr<TBinaryProtocol> Protocol(const std::shared_ptr<TMemoryBuffer>& buffer,
                                          HeaderStyle style) {
  return std::make_shared<TBinaryProtocol>(buffer, 0, 0, false, style == HeaderStyle::kStrict);
}

std::shared_ptr<TMemoryBuffer> BufferOf(const std::string& bytes) {
  auto buffer = std::make_shared<TMemoryBuffer>();
  buffer->write(reinterpret_cast<const uint8_t*>(bytes.data()),
                static_cast<uint32_t>(bytes.size()));
  return buffer;
}

std::string OracleEncode(const OracleCall& call) {
  auto buffer = std::make_shared<TMemoryBuffer>();
  const auto protocol = Protocol(buffer, call.style);
  scribe_thrift::scribe_Log_args args;
  for (const auto& [category, message] : call.entries) {
    scribe_thrift::LogEntry& entry = args.messages.emplace_back();
    entry.category = category;
    entry.message = message;
  }
  if (call.batch) {
    args.batch.sender = FormatSender(call.batch->sender);
    args.batch.number = static_cast<int64_t>(call.batch->number);
    args.batch.base = static_cast<int64_t>(call.batch->base);
  }
  protocol->writeMessageBegin("Log", apache::thrift::protocol::T_CALL, call.seqid);
  args.write(protocol.get());
  protocol->writeMessageEnd();
  return buffer->getBufferAsString();
}

OracleCall OracleDecode(const std::string& frame) {
  const auto protocol = Protocol(BufferOf(frame), HeaderStyle::kStrict);
  std::string name;
  TMessageType type;
  OracleCall call;
  protocol->readMessageBegin(name, type, call.seqid);
  EXPECT_EQ(name, "Log");
  EXPECT_EQ(type, apache::thrift::protocol::T_CALL);
  scribe_thrift::scribe_Log_args args;
  args.read(protocol.get());
  for (const auto& entry : args.messages) call.entries.emplace_back(entry.category, entry.message);
  if (args.__isset.batch) {
    call.batch = BatchId{.sender = ParseSender(args.batch.sender).value(),
                         .number = static_cast<uint64_t>(args.batch.number),
                         .base = static_cast<uint64_t>(args.batch.base)};
  }
  return call;
}

Entries ReadEntries(std::string_view raw) {
  Entries entries;
  const Status status = ForEachEntry(raw, [&](std::string_view category, std::string_view message) {
    entries.emplace_back(category, message);
  });
  EXPECT_TRUE(status.ok()) << status.ToString();
  return entries;
}

Result<LogCall> Decode(std::string_view frame) {
  DATABUS_ASSIGN_OR_RETURN(const CallHeader header, DecodeCallHeader(frame));
  if (header.method != kLogMethod) return {Code::kInvalid, "not Log"};
  return DecodeLogCall(frame, header);
}

// Any bytes, NUL and what is no UTF-8 included; mostly short.
rc::Gen<std::string> AnyBytes() {
  return rc::gen::container<std::string>(rc::gen::arbitrary<char>());
}

rc::Gen<OracleCall> AnyCall() {
  return rc::gen::exec([] {
    OracleCall call;
    call.style = *rc::gen::element(HeaderStyle::kStrict, HeaderStyle::kOld);
    call.seqid = *rc::gen::arbitrary<int32_t>();
    call.entries = *rc::gen::container<Entries>(rc::gen::pair(AnyBytes(), AnyBytes()));
    if (*rc::gen::arbitrary<bool>()) {
      BatchId batch;
      batch.sender = *rc::gen::arbitrary<uint64_t>();
      batch.number = *rc::gen::inRange<uint64_t>(1, INT64_MAX);
      batch.base = *rc::gen::inRange<uint64_t>(1, batch.number + 1);
      call.batch = batch;
    }
    return call;
  });
}

std::string Encode(const OracleCall& call) {
  EntryList list;
  for (const auto& [category, message] : call.entries) list.Add(category, message);
  return EncodeLogCall({{call.style, call.seqid}, list.bytes(), call.batch});
}

RC_GTEST_PROP(ScribeCodecTest, WhatGeneratedCodeWritesIsReadAsItWasMeant, ()) {
  const OracleCall call = *AnyCall();
  const std::string frame = OracleEncode(call);
  const Result<LogCall> read = Decode(frame);
  RC_ASSERT(read.ok());
  RC_ASSERT(read->reply_to.style == call.style);
  RC_ASSERT(read->reply_to.seqid == call.seqid);
  RC_ASSERT(read->count == call.entries.size());
  RC_ASSERT(ReadEntries(read->entries) == call.entries);
  RC_ASSERT(read->batch == call.batch);
}

RC_GTEST_PROP(ScribeCodecTest, WhatIsWrittenHereGeneratedCodeReadsAsItWasMeant, ()) {
  const OracleCall call = *AnyCall();
  const OracleCall read = OracleDecode(Encode(call));
  RC_ASSERT(read.seqid == call.seqid);
  RC_ASSERT(read.entries == call.entries);
  RC_ASSERT(read.batch == call.batch);
}

// A frame with single bytes changed, bytes cut out, doubled or cut off.
std::string Mutated(std::string frame, Random& random) {
  const uint64_t changes = 1 + random.Below(4);
  for (uint64_t i = 0; i < changes && !frame.empty(); ++i) {
    const size_t at = random.Below(frame.size());
    switch (random.Below(4)) {
      case 0: frame[at] = static_cast<char>(random.Next()); break;
      case 1: frame.erase(at, 1 + random.Below(4)); break;
      case 2: frame.insert(at, frame.substr(at, 1 + random.Below(8))); break;
      default: frame.resize(at); break;
    }
  }
  return frame;
}

// Each frame stands in memory of exactly its size, so that a sanitizer sees a byte too far. Where
// both accept, both must have read the same.
TEST(ScribeCodecTest, MutatedFramesAreReadAsGeneratedCodeReadsThemOrRefused) {
  const auto random = SeededRandom(11);
  OracleCall call{.style = HeaderStyle::kStrict,
                  .seqid = 7,
                  .entries = {{"clicks", "one"}, {"", std::string("\0\xff", 2)}, {"orders", ""}},
                  .batch = BatchId{.sender = 0xabc, .number = 9, .base = 3}};
  int accepted = 0, refused = 0;
  for (int i = 0; i < 60'000; ++i) {
    call.style = i % 2 == 0 ? HeaderStyle::kStrict : HeaderStyle::kOld;
    const std::string mutated = Mutated(Encode(call), *random);
    const std::vector<char> exact(mutated.begin(), mutated.end());
    const Result<LogCall> read = Decode({exact.data(), exact.size()});
    if (!read.ok()) {
      EXPECT_EQ(read.code(), Code::kInvalid);
      ++refused;
      continue;
    }
    ++accepted;
    // Thrift 0.17 minds the element type of an empty list; older ones, and their clients, do not.
    if (read->count == 0) continue;
    const auto protocol = Protocol(BufferOf(mutated), HeaderStyle::kStrict);
    std::string name;
    TMessageType type;
    int32_t seqid;
    protocol->readMessageBegin(name, type, seqid);
    scribe_thrift::scribe_Log_args args;
    args.read(protocol.get());
    Entries expected;
    for (const auto& entry : args.messages) expected.emplace_back(entry.category, entry.message);
    ASSERT_EQ(ReadEntries(read->entries), expected) << "mutation " << i;
    ASSERT_EQ(read->reply_to.seqid, seqid);
  }
  EXPECT_GT(accepted, 1000);
  EXPECT_GT(refused, 1000);
}

TEST(ScribeCodecTest, EveryTruncationIsRefused) {
  const OracleCall call{.entries = {{"clicks", "message"}},
                        .batch = BatchId{.sender = 1, .number = 2, .base = 1}};
  const std::string frame = Encode(call);
  for (size_t size = 0; size < frame.size(); ++size) {
    const std::vector<char> exact(frame.begin(), frame.begin() + static_cast<ptrdiff_t>(size));
    EXPECT_EQ(Decode({exact.data(), size}).code(), Code::kInvalid) << size;
  }
}

// Arguments as bytes, behind a strict header.
std::string FrameWith(std::string_view arguments) {
  std::string frame("\x80\x01\0\x01\0\0\0\x03Log\0\0\0\x05", 15);
  frame.append(arguments);
  return frame;
}

using namespace std::string_view_literals;

TEST(ScribeCodecTest, FieldsMayBeMissingReversedOrUnknown) {
  const std::string frame = FrameWith(
      "\x08\0\x09\0\0\0\x2a"                                           // 9: i32, unknown
      "\x0f\0\x01\x0c\0\0\0\x03"                                       // 1: three entries
      "\x0b\0\x02\0\0\0\x01m\x0b\0\x01\0\0\0\x01k\0"                   // message first
      "\x0b\0\x01\0\0\0\x01k\0"                                        // no message
      "\x0c\0\x07\x0d\0\x01\x0b\x08\0\0\0\x01\0\0\0\x01z\0\0\0\x01\0"  // 7: {1: {"z": 1}}, unknown
      "\x08\0\x02\0\0\0\x01"     // 2: of another type, skipped
      "\x0b\0\x02\0\0\0\x01n\0"  // no category
      "\0"sv);
  const Result<LogCall> call = Decode(frame);
  ASSERT_TRUE(call.ok()) << call.status().ToString();
  EXPECT_THAT(ReadEntries(call->entries),
              ElementsAre(Pair("k", "m"), Pair("k", ""), Pair("", "n")));
  EXPECT_EQ(call->batch, std::nullopt);
}

TEST(ScribeCodecTest, ACallWithoutListIsAnEmptyOne) {
  const Result<LogCall> call = Decode(FrameWith("\0"sv));
  ASSERT_TRUE(call.ok());
  EXPECT_EQ(call->count, 0u);
  EXPECT_THAT(ReadEntries(call->entries), ElementsAre());
}

struct Hostile {
  const char* what;
  std::string_view arguments;
  const char* error;
};
void PrintTo(const Hostile& hostile, std::ostream* out) { *out << hostile.what; }

class HostileCallTest : public testing::TestWithParam<Hostile> {};

TEST_P(HostileCallTest, IsRefusedWithReasonAndOffset) {
  const Result<LogCall> call = Decode(FrameWith(GetParam().arguments));
  ASSERT_EQ(call.code(), Code::kInvalid);
  EXPECT_THAT(call.status().message(), HasSubstr(GetParam().error));
  EXPECT_THAT(call.status().message(), HasSubstr("at byte "));
}

const std::string kDeep = [] {
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "\x0c\0\x09"sv;
  return deep;
}();

INSTANTIATE_TEST_SUITE_P(
    Forms, HostileCallTest,
    testing::Values(
        Hostile{"count", "\x0f\0\x01\x0c\x7f\xff\xff\xff\0"sv, "more entries than bytes"},
        Hostile{"negative count", "\x0f\0\x01\x0c\xff\xff\xff\xff\0"sv, "more entries than bytes"},
        Hostile{"strings", "\x0f\0\x01\x0b\0\0\0\x01\0\0\0\0\0"sv, "not one of structs"},
        Hostile{"length", "\x0f\0\x01\x0c\0\0\0\x01\x0b\0\x01\x7f\xff\xff\xff\0\0"sv, "a string"},
        Hostile{"negative", "\x0f\0\x01\x0c\0\0\0\x01\x0b\0\x01\xff\xff\xff\xff\0\0"sv, "a string"},
        Hostile{"map", "\x0d\0\x09\x02\x02\x7f\xff\xff\xff\0"sv, "a map is longer"},
        Hostile{"void map", "\x0d\0\x09\0\0\x7f\xff\xff\xff\0"sv, "a map of an unknown type"},
        Hostile{"void list", "\x0f\0\x09\0\x7f\xff\xff\xff\0"sv, "a list of an unknown type"},
        Hostile{"type", "\x55\0\x09\0"sv, "an unknown type"},
        Hostile{"depth", kDeep, "nested too deep"},
        Hostile{"sender", "\x0c\0\x0f\x0b\0\x01\0\0\0\x01z\0\0"sv, "16 hexadecimal digits"},
        Hostile{"numbers",
                "\x0c\0\x0f\x0b\0\x01\0\0\0\x10"
                "0123456789abcdef\0\0"sv,
                "1 <= base <= number"}));

TEST(ScribeCodecTest, RepliesAreReadByGeneratedCodeInTheStyleOfTheCall) {
  for (const HeaderStyle style : {HeaderStyle::kStrict, HeaderStyle::kOld}) {
    for (const ResultCode code : {ResultCode::kOk, ResultCode::kTryLater}) {
      const std::string reply = EncodeLogReply({style, -9}, code);
      EXPECT_EQ(reply[0] < 0, style == HeaderStyle::kStrict);
      const auto protocol = Protocol(BufferOf(reply), style);
      std::string name;
      TMessageType type;
      int32_t seqid;
      protocol->readMessageBegin(name, type, seqid);
      EXPECT_EQ(name, "Log");
      EXPECT_EQ(seqid, -9);
      EXPECT_EQ(type, apache::thrift::protocol::T_REPLY);
      scribe_thrift::scribe_Log_result result;
      result.read(protocol.get());
      EXPECT_EQ(static_cast<int>(result.success), static_cast<int>(code));

      const Result<LogReply> read = DecodeLogReply(reply);
      ASSERT_TRUE(read.ok());
      EXPECT_EQ(read->seqid, -9);
      EXPECT_EQ(read->code, code);
    }
  }
}

TEST(ScribeCodecTest, ExceptionsAreReadByGeneratedCodeInTheStyleOfTheCall) {
  for (const HeaderStyle style : {HeaderStyle::kStrict, HeaderStyle::kOld}) {
    const std::string reply = EncodeException({.to = {style, 4},
                                               .method = "Log",
                                               .kind = ExceptionKind::kProtocolError,
                                               .message = "no"});
    const auto protocol = Protocol(BufferOf(reply), style);
    std::string name;
    TMessageType type;
    int32_t seqid;
    protocol->readMessageBegin(name, type, seqid);
    EXPECT_EQ(type, apache::thrift::protocol::T_EXCEPTION);
    EXPECT_EQ(seqid, 4);
    TApplicationException exception;
    exception.read(protocol.get());
    EXPECT_EQ(exception.getType(), TApplicationException::PROTOCOL_ERROR);
    EXPECT_STREQ(exception.what(), "no");

    const Result<LogReply> read = DecodeLogReply(reply);
    ASSERT_TRUE(read.ok());
    EXPECT_EQ(read->code, std::nullopt);
    EXPECT_EQ(read->error, "no");
  }
}

TEST(ScribeCodecTest, AnOversizedFrameIsAnsweredInKindWhereItsHeaderIsKnown) {
  const std::string old = Encode({.style = HeaderStyle::kOld, .seqid = 3});
  const Result<LogReply> reply = DecodeLogReply(EncodeOversizedReply(old, 1000));
  ASSERT_TRUE(reply.ok());
  EXPECT_EQ(reply->seqid, 3);
  EXPECT_THAT(reply->error, HasSubstr("1000 bytes is too large"));
  EXPECT_GE(EncodeOversizedReply(old, 1000)[0], 0);
  EXPECT_LT(EncodeOversizedReply("GET / HT", 1000)[0], 0);
}

TEST(EntryListTest, BytesBehindTheListAreAnError) {
  EntryList list;
  list.Add("clicks", "one");
  const std::string longer = std::string(list.bytes()) + "x";
  int visited = 0;
  const Status status =
      ForEachEntry(longer, [&](std::string_view, std::string_view) { ++visited; });
  EXPECT_EQ(status.code(), Code::kInvalid);
  EXPECT_EQ(visited, 1);
}

TEST(BatchIdTest, SendersAreSixteenHexadecimalDigits) {
  EXPECT_EQ(FormatSender(0xabcdef), "0000000000abcdef");
  EXPECT_EQ(ParseSender("0000000000abcdef"), 0xabcdefu);
  for (const char* bad : {"", "abcdef", "0000000000abcdeg", "0x00000000abcdef", "-000000000abcdef",
                          "0000000000abcdef0"}) {
    EXPECT_EQ(ParseSender(bad), std::nullopt) << bad;
  }
}

class FakeService final : public Fb303Handler {
 public:
  std::string Name() const override { return "Scribe"; }
  std::string Version() const override { return "2.2"; }
  Fb303Status Status() const override { return Fb303Status::kWarning; }
  std::string StatusDetails() const override { return "disk"; }
  std::map<std::string, int64_t> Counters() const override { return {{"good", 5}}; }
  int64_t AliveSince() const override { return 1234567; }
  void Reinitialize() override { ++reinitialized; }
  void Shutdown() override { ++shut_down; }
  int reinitialized = 0;
  int shut_down = 0;
};

// A generated client whose bytes go through AnswerFb303.
class Fb303Test : public testing::TestWithParam<HeaderStyle> {
 protected:
  // Sends what the client has written and lets it read the answer.
  void Exchange() {
    const std::string answer = AnswerFb303(sent_->getBufferAsString(), service_);
    sent_->resetBuffer();
    if (!answer.empty()) {
      EXPECT_EQ(answer[0] < 0, GetParam() == HeaderStyle::kStrict);
    }
    received_->write(reinterpret_cast<const uint8_t*>(answer.data()),
                     static_cast<uint32_t>(answer.size()));
  }

  FakeService service_;
  std::shared_ptr<TMemoryBuffer> sent_ = std::make_shared<TMemoryBuffer>();
  std::shared_ptr<TMemoryBuffer> received_ = std::make_shared<TMemoryBuffer>();
  scribe_thrift::scribeClient client_{Protocol(received_, GetParam()), Protocol(sent_, GetParam())};
};

TEST_P(Fb303Test, AnswersInTheStyleOfTheCall) {
  std::string text;
  client_.send_getName();
  Exchange();
  client_.recv_getName(text);
  EXPECT_EQ(text, "Scribe");
  client_.send_getStatus();
  Exchange();
  EXPECT_EQ(client_.recv_getStatus(), fb303_thrift::fb_status::WARNING);
  std::map<std::string, int64_t> counters;
  client_.send_getCounters();
  Exchange();
  client_.recv_getCounters(counters);
  EXPECT_THAT(counters, ElementsAre(Pair("good", 5)));
  client_.send_getCounter("bad");
  Exchange();
  EXPECT_EQ(client_.recv_getCounter(), 0);
  client_.send_aliveSince();
  Exchange();
  EXPECT_EQ(client_.recv_aliveSince(), 1234567);
}

TEST_P(Fb303Test, OnewayCallsAreDoneAndNotAnswered) {
  client_.send_reinitialize();
  EXPECT_EQ(AnswerFb303(sent_->getBufferAsString(), service_), "");
  sent_->resetBuffer();
  client_.send_shutdown();
  EXPECT_EQ(AnswerFb303(sent_->getBufferAsString(), service_), "");
  EXPECT_EQ(service_.reinitialized, 1);
  EXPECT_EQ(service_.shut_down, 1);
}

TEST_P(Fb303Test, AnUnknownMethodIsAnsweredWithAnException) {
  client_.send_Log({}, {});
  Exchange();
  EXPECT_THROW(client_.recv_Log(), TApplicationException);
}

TEST_P(Fb303Test, TruncatedArgumentsAreAnsweredWithAnException) {
  client_.send_getCounter("some key");
  const std::string frame = sent_->getBufferAsString();
  const Result<LogReply> reply =
      DecodeLogReply(AnswerFb303(frame.substr(0, frame.size() - 4), service_));
  ASSERT_TRUE(reply.ok());
  EXPECT_NE(reply->error, "");
}

INSTANTIATE_TEST_SUITE_P(Styles, Fb303Test,
                         testing::Values(HeaderStyle::kStrict, HeaderStyle::kOld));

}  // namespace
}  // namespace databus
