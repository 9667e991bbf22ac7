#include "net/scribe_codec.h"

#include <fmt/format.h>

#include "net/thrift_binary.h"

namespace databus {
namespace {

using thrift_binary::Reader;
using thrift_binary::Type;

// A strict header begins with this version, in the upper half of a word that is negative.
constexpr uint32_t kVersion = 0x80010000;
constexpr uint32_t kVersionMask = 0xffff0000;

enum class MessageType : uint8_t { kCall = 1, kReply = 2, kException = 3, kOneway = 4 };

struct MessageHeader {
  ReplyTo reply_to;
  uint8_t type = 0;
  std::string_view name;
};

// Fails in the reader.
MessageHeader ReadMessageHeader(Reader& reader) {
  MessageHeader header;
  Reader first = reader;
  const auto word = static_cast<uint32_t>(first.ReadI32());
  if ((word & 0x80000000) != 0) {
    if ((word & kVersionMask) != kVersion) reader.Fail("not a version of Thrift's binary protocol");
    header.reply_to.style = HeaderStyle::kStrict;
    header.type = static_cast<uint8_t>(reader.ReadI32());
    header.name = reader.ReadString();
  } else {
    header.reply_to.style = HeaderStyle::kOld;
    header.name = reader.ReadString();
    header.type = reader.ReadByte();
  }
  header.reply_to.seqid = reader.ReadI32();
  return header;
}

void AppendMessageHeader(std::string& out, MessageType type, std::string_view name,
                         const ReplyTo& to) {
  const auto type_number = static_cast<uint8_t>(type);
  if (to.style == HeaderStyle::kStrict) {
    thrift_binary::AppendI32(out, static_cast<int32_t>(kVersion | type_number));
    thrift_binary::AppendString(out, name);
  } else {
    thrift_binary::AppendString(out, name);
    thrift_binary::AppendByte(out, type_number);
  }
  thrift_binary::AppendI32(out, to.seqid);
}

// An identity whose sender is empty is none: generated clients send the field always.
std::optional<BatchId> ReadBatchId(Reader& reader) {
  BatchId batch;
  std::string_view sender;
  while (true) {
    const Type type = reader.ReadType();
    if (type == Type::kStop) break;  // also after a failure
    const int16_t id = reader.ReadI16();
    if (type == Type::kString && id == 1) {
      sender = reader.ReadString();
    } else if (type == Type::kI64 && id == 2) {
      batch.number = static_cast<uint64_t>(reader.ReadI64());
    } else if (type == Type::kI64 && id == 3) {
      batch.base = static_cast<uint64_t>(reader.ReadI64());
    } else {
      reader.Skip(type);
    }
  }
  if (!reader.ok() || sender.empty()) return std::nullopt;
  const std::optional<uint64_t> parsed = ParseSender(sender);
  if (!parsed) reader.Fail("a batch's sender is not 16 hexadecimal digits");
  if (batch.base < 1 || batch.base > batch.number || batch.number > INT64_MAX) {
    reader.Fail("a batch's numbers are not 1 <= base <= number");
  }
  batch.sender = parsed.value_or(0);
  return batch;
}

void AppendBatchId(std::string& out, const BatchId& batch) {
  thrift_binary::AppendField(out, Type::kString, 1);
  thrift_binary::AppendString(out, FormatSender(batch.sender));
  thrift_binary::AppendField(out, Type::kI64, 2);
  thrift_binary::AppendI64(out, static_cast<int64_t>(batch.number));
  thrift_binary::AppendField(out, Type::kI64, 3);
  thrift_binary::AppendI64(out, static_cast<int64_t>(batch.base));
  thrift_binary::AppendStop(out);
}

// The list at `reader`, checked to its end; the reader moves behind it.
Status ReadEntries(std::string_view frame, Reader& reader, LogCall& call) {
  const size_t begin = reader.offset();
  EntryReader entries(frame, begin);
  std::string_view category, message;
  while (entries.Next(category, message)) {
  }
  DATABUS_RETURN_IF_ERROR(entries.status());
  call.entries = frame.substr(begin, entries.offset() - begin);
  call.count = entries.count();
  reader = Reader(frame, entries.offset());
  return Status::Ok();
}

}  // namespace

Result<CallHeader> DecodeCallHeader(std::string_view frame) {
  Reader reader(frame);
  const MessageHeader header = ReadMessageHeader(reader);
  const bool oneway = header.type == static_cast<uint8_t>(MessageType::kOneway);
  if (!oneway && header.type != static_cast<uint8_t>(MessageType::kCall)) {
    reader.Fail("the message is no call");
  }
  if (!reader.ok()) return reader.status().WithContext("call");
  CallHeader call{.reply_to = header.reply_to, .method = header.name, .size = reader.offset()};
  if (oneway) call.reply_to.kind = CallKind::kOneway;
  return call;
}

Result<LogCall> DecodeLogCall(std::string_view frame, const CallHeader& header) {
  LogCall call{.reply_to = header.reply_to, .entries = kEmptyEntryList, .count = 0, .batch = {}};
  Reader reader(frame, header.size);
  while (true) {
    const Type type = reader.ReadType();
    if (type == Type::kStop) break;  // also after a failure
    const int16_t id = reader.ReadI16();
    if (type == Type::kList && id == 1 && reader.ok()) {
      if (Status status = ReadEntries(frame, reader, call); !status.ok()) {
        return status.WithContext("Log");
      }
    } else if (type == Type::kStruct && id == 15) {
      call.batch = ReadBatchId(reader);
    } else {
      reader.Skip(type);
    }
  }
  if (!reader.ok()) return reader.status().WithContext("Log");
  return call;
}

std::string EncodeLogReply(const ReplyTo& to, ResultCode code) {
  if (to.kind == CallKind::kOneway) return {};
  std::string out;
  out.reserve(32);
  AppendMessageHeader(out, MessageType::kReply, kLogMethod, to);
  thrift_binary::AppendField(out, Type::kI32, 0);
  thrift_binary::AppendI32(out, static_cast<int32_t>(code));
  thrift_binary::AppendStop(out);
  return out;
}

std::string EncodeException(const ExceptionReply& reply) {
  if (reply.to.kind == CallKind::kOneway) return {};
  std::string out;
  AppendMessageHeader(out, MessageType::kException, reply.method, reply.to);
  thrift_binary::AppendField(out, Type::kString, 1);
  thrift_binary::AppendString(out, reply.message);
  thrift_binary::AppendField(out, Type::kI32, 2);
  thrift_binary::AppendI32(out, static_cast<int32_t>(reply.kind));
  thrift_binary::AppendStop(out);
  return out;
}

std::string EncodeOversizedReply(std::string_view head, uint32_t length) {
  const std::string message = fmt::format("a frame of {} bytes is too large", length);
  ExceptionReply reply{.to = {}, .method = {}, .message = message};
  if (const Result<CallHeader> header = DecodeCallHeader(head); header.ok()) {
    reply.to = header->reply_to;
    reply.method = header->method;
  }
  return EncodeException(reply);
}

std::string EncodeLogCall(const LogRequest& request) {
  std::string out;
  out.reserve(request.entries.size() + 96);
  const bool oneway = request.header.kind == CallKind::kOneway;
  AppendMessageHeader(out, oneway ? MessageType::kOneway : MessageType::kCall, kLogMethod,
                      request.header);
  thrift_binary::AppendField(out, Type::kList, 1);
  out.append(request.entries);
  if (request.batch) {
    thrift_binary::AppendField(out, Type::kStruct, 15);
    AppendBatchId(out, *request.batch);
  }
  thrift_binary::AppendStop(out);
  return out;
}

Result<LogReply> DecodeLogReply(std::string_view frame) {
  Reader reader(frame);
  const MessageHeader header = ReadMessageHeader(reader);
  const bool exception = header.type == static_cast<uint8_t>(MessageType::kException);
  if (!exception && header.type != static_cast<uint8_t>(MessageType::kReply)) {
    reader.Fail("the message is no reply");
  }
  LogReply reply{.seqid = header.reply_to.seqid, .code = {}, .error = {}};
  while (true) {
    const Type type = reader.ReadType();
    if (type == Type::kStop) break;  // also after a failure
    const int16_t id = reader.ReadI16();
    if (!exception && type == Type::kI32 && id == 0) {
      const int32_t code = reader.ReadI32();
      // Anything that is not OK keeps nothing.
      reply.code = code == 0 ? ResultCode::kOk : ResultCode::kTryLater;
    } else if (exception && type == Type::kString && id == 1) {
      reply.error = reader.ReadString();
    } else {
      reader.Skip(type);
    }
  }
  if (!exception && !reply.code) reader.Fail("the reply has no result");
  if (!reader.ok()) return reader.status().WithContext("reply to Log");
  return reply;
}

}  // namespace databus
