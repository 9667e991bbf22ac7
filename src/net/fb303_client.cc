#include "net/fb303_client.h"

#include <memory>

#include <thrift/TApplicationException.h>
#include <thrift/protocol/TBinaryProtocol.h>
#include <thrift/transport/TBufferTransports.h>

#include "gen/FacebookService.h"

namespace databus {
namespace {

using apache::thrift::TApplicationException;
using apache::thrift::TException;
using apache::thrift::protocol::TBinaryProtocol;
using apache::thrift::transport::TMemoryBuffer;

using fb303_thrift::FacebookServiceClient;

// Calls are sent with the old header, which every server reads.
template <typename Send>
std::string Encode(const Send& send) {
  const auto out = std::make_shared<TMemoryBuffer>();
  FacebookServiceClient client(std::make_shared<TBinaryProtocol>(out, 0, 0, /*strict_read=*/false,
                                                                 /*strict_write=*/false));
  send(client);
  return out->getBufferAsString();
}

FacebookServiceClient Reader(std::string_view frame) {
  auto* const bytes = reinterpret_cast<uint8_t*>(const_cast<char*>(frame.data()));
  const auto size = static_cast<int32_t>(frame.size());
  const auto in =
      std::make_shared<TMemoryBuffer>(bytes, static_cast<uint32_t>(size), TMemoryBuffer::OBSERVE);
  return FacebookServiceClient(std::make_shared<TBinaryProtocol>(
      in, size, size, /*strict_read=*/false, /*strict_write=*/false));
}

}  // namespace

std::string EncodeGetOption(std::string_view key) {
  return Encode([&](FacebookServiceClient& client) { client.send_getOption(std::string(key)); });
}

Result<std::string> DecodeGetOption(std::string_view frame) {
  try {
    std::string option;
    Reader(frame).recv_getOption(option);
    return option;
  } catch (const TApplicationException& error) {
    if (error.getType() == TApplicationException::UNKNOWN_METHOD) return std::string();
    return Status(Code::kInvalid, std::string("getOption: ") + error.what());
  } catch (const TException& error) {
    return Status(Code::kInvalid, std::string("getOption: ") + error.what());
  }
}

std::string EncodeSetOption(std::string_view key, std::string_view value) {
  return Encode([&](FacebookServiceClient& client) {
    client.send_setOption(std::string(key), std::string(value));
  });
}

Status DecodeSetOption(std::string_view frame) {
  try {
    Reader(frame).recv_setOption();
    return Status::Ok();
  } catch (const TException& error) {
    return {Code::kInvalid, std::string("setOption: ") + error.what()};
  }
}

}  // namespace databus
