// The Scribe protocol's one busy call, `Log`, read in place and written by hand: Thrift's binary
// protocol, whose messages come with a strict (versioned) or an old header. idl/scribe.thrift says
// the same in Thrift's language; the tests hold the two against each other. Every other method goes
// through generated code (net/fb303_handler.h).
//
// Nothing here judges content: empty lists, categories and messages, NUL and bytes that are no
// UTF-8 all pass. What is judged is form: a hostile frame never makes the reader look outside it,
// allocate, or take more than linear time; kInvalid says what is wrong and at which byte.
//
// A server's use:
//   Result<CallHeader> header = DecodeCallHeader(frame);    // bad: close the connection
//   if (header->method != kLogMethod) return AnswerFb303(frame, handler);
//   Result<LogCall> call = DecodeLogCall(frame, *header);   // bad: EncodeException(...)
//   ForEachEntry(call->entries, [&](std::string_view category, std::string_view message) {...});
//   ... EncodeLogReply(call->reply_to, ResultCode::kOk)
//
// Thread-safe (pure functions).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "net/batch_id.h"
#include "net/entry_list.h"

namespace databus {

inline constexpr std::string_view kLogMethod = "Log";

enum class HeaderStyle : uint8_t { kStrict, kOld };
enum class ResultCode : uint8_t { kOk = 0, kTryLater = 1 };

enum class CallKind : uint8_t { kCall, kOneway };

// What a reply must repeat of its call, and whether the caller reads one.
struct ReplyTo {
  HeaderStyle style = HeaderStyle::kStrict;
  int32_t seqid = 0;
  CallKind kind = CallKind::kCall;
};

struct CallHeader {
  ReplyTo reply_to;
  // A view into the frame.
  std::string_view method;
  // Where the arguments begin.
  size_t size = 0;
};

// A call or a oneway call in either style. kInvalid: anything else; such a frame cannot be answered
// in kind, so its connection is closed.
Result<CallHeader> DecodeCallHeader(std::string_view frame);

struct LogCall {
  ReplyTo reply_to;
  // The raw bytes of the list<LogEntry>, its header included, as they stand in the frame. Checked:
  // ForEachEntry will not fail on them.
  std::string_view entries;
  uint32_t count = 0;
  std::optional<BatchId> batch;
};

// Reads and checks the arguments that follow `header` in `frame`. Fields may come in any order, be
// missing (no entries, no batch) or unknown (skipped). REQUIRES: header is of this frame.
Result<LogCall> DecodeLogCall(std::string_view frame, const CallHeader& header);

// The payload of the reply frame to a `Log` call. Empty, as all replies are, for a oneway call.
std::string EncodeLogReply(const ReplyTo& to, ResultCode code);

// The numbers are TApplicationException's.
enum class ExceptionKind : uint8_t {
  kUnknownMethod = 1,
  kInternalError = 6,
  kProtocolError = 7,
};
struct ExceptionReply {
  ReplyTo to;
  // The method that was called.
  std::string_view method;
  ExceptionKind kind = ExceptionKind::kProtocolError;
  std::string_view message;
};
std::string EncodeException(const ExceptionReply& reply);
// The answer to an oversized frame of which only `head` is known: an exception in kind where the
// header can be read, else in the strict style.
std::string EncodeOversizedReply(std::string_view head, uint32_t length);

// The payload of a call frame. `entries` is a raw list<LogEntry> (EntryList, or LogCall::entries).
struct LogRequest {
  ReplyTo header;
  std::string_view entries;
  std::optional<BatchId> batch;
};
std::string EncodeLogCall(const LogRequest& request);

struct LogReply {
  int32_t seqid = 0;
  // Nothing when the server answered with an exception.
  std::optional<ResultCode> code;
  // The exception's message.
  std::string error;
};
// The client's side: a reply to `Log`, in either style. kInvalid: it is none.
Result<LogReply> DecodeLogReply(std::string_view frame);

}  // namespace databus
