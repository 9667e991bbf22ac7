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

}  // namespace

std::string EncodeGetOption(std::string_view key) {
  const auto out = std::make_shared<TMemoryBuffer>();
  // The old header, which every server reads.
  const auto protocol = std::make_shared<TBinaryProtocol>(out, 0, 0, /*strict_read=*/false,
                                                          /*strict_write=*/false);
  fb303_thrift::FacebookServiceClient(protocol).send_getOption(std::string(key));
  return out->getBufferAsString();
}

Result<std::string> DecodeGetOption(std::string_view frame) {
  auto* const bytes = reinterpret_cast<uint8_t*>(const_cast<char*>(frame.data()));
  const auto size = static_cast<int32_t>(frame.size());
  const auto in =
      std::make_shared<TMemoryBuffer>(bytes, static_cast<uint32_t>(size), TMemoryBuffer::OBSERVE);
  const auto protocol = std::make_shared<TBinaryProtocol>(in, size, size, /*strict_read=*/false,
                                                          /*strict_write=*/false);
  try {
    std::string option;
    fb303_thrift::FacebookServiceClient(protocol).recv_getOption(option);
    return option;
  } catch (const TApplicationException& error) {
    if (error.getType() == TApplicationException::UNKNOWN_METHOD) return std::string();
    return Status(Code::kInvalid, std::string("getOption: ") + error.what());
  } catch (const TException& error) {
    return Status(Code::kInvalid, std::string("getOption: ") + error.what());
  }
}

}  // namespace databus
