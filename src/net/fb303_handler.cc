#include "net/fb303_handler.h"

#include <memory>

#include <thrift/TApplicationException.h>
#include <thrift/protocol/TBinaryProtocol.h>
#include <thrift/transport/TBufferTransports.h>

#include "gen/FacebookService.h"
#include "net/scribe_codec.h"

namespace databus {
namespace {

using apache::thrift::TException;
using apache::thrift::protocol::TBinaryProtocol;
using apache::thrift::transport::TMemoryBuffer;

// Thrift's side of the handler.
class Adapter final : public fb303_thrift::FacebookServiceIf {
 public:
  explicit Adapter(Fb303Handler& handler) : handler_(handler) {}

  void getName(std::string& out) override { out = handler_.Name(); }
  void getVersion(std::string& out) override { out = handler_.Version(); }
  fb303_thrift::fb_status::type getStatus() override {
    return static_cast<fb303_thrift::fb_status::type>(handler_.Status());
  }
  void getStatusDetails(std::string& out) override { out = handler_.StatusDetails(); }
  void getCounters(std::map<std::string, int64_t>& out) override { out = handler_.Counters(); }
  int64_t getCounter(const std::string& key) override {
    const std::map<std::string, int64_t> counters = handler_.Counters();
    const auto found = counters.find(key);
    return found == counters.end() ? 0 : found->second;
  }
  void setOption(const std::string& key, const std::string& value) override {
    handler_.SetOption(key, value);
  }
  void getOption(std::string& out, const std::string& key) override { out = handler_.Option(key); }
  void getOptions(std::map<std::string, std::string>& out) override { out.clear(); }
  void getCpuProfile(std::string& out, int32_t) override { out.clear(); }
  int64_t aliveSince() override { return handler_.AliveSince(); }
  void reinitialize() override { handler_.Reinitialize(); }
  void shutdown() override { handler_.Shutdown(); }

 private:
  Fb303Handler& handler_;
};

// `transport`, read in both header styles and written in `style`, nothing longer than `bytes_max`.
std::shared_ptr<TBinaryProtocol> Protocol(const std::shared_ptr<TMemoryBuffer>& transport,
                                          HeaderStyle style, size_t bytes_max) {
  const auto limit = static_cast<int32_t>(bytes_max);
  return std::make_shared<TBinaryProtocol>(transport, limit, limit, /*strict_read=*/false,
                                           /*strict_write=*/style == HeaderStyle::kStrict);
}

}  // namespace

std::string AnswerFb303(std::string_view frame, Fb303Handler& handler) {
  const Result<CallHeader> header = DecodeCallHeader(frame);
  if (!header.ok()) {
    const std::string message = header.status().message();
    return EncodeException({.to = {}, .method = {}, .message = message});
  }
  // Thrift takes a pointer to changeable bytes and does not change them.
  auto* const bytes = reinterpret_cast<uint8_t*>(const_cast<char*>(frame.data()));
  const auto size = static_cast<uint32_t>(frame.size());
  const auto in = std::make_shared<TMemoryBuffer>(bytes, size, TMemoryBuffer::OBSERVE);
  const auto out = std::make_shared<TMemoryBuffer>();
  const HeaderStyle style = header->reply_to.style;
  fb303_thrift::FacebookServiceProcessor processor(std::make_shared<Adapter>(handler));
  try {
    processor.process(Protocol(in, style, size), Protocol(out, style, INT32_MAX), nullptr);
  } catch (const TException& error) {
    return EncodeException(
        {.to = header->reply_to, .method = header->method, .message = error.what()});
  }
  return out->getBufferAsString();
}

}  // namespace databus
