// Any call but Log goes through Thrift's generated code.
#include "net/fb303_handler.h"
#include "net/scribe_codec.h"
#include "tests/fuzz/fuzz.h"

using namespace databus;

namespace {

class Handler final : public Fb303Handler {
 public:
  std::string Name() const override { return "c1"; }
  std::string Version() const override { return "1"; }
  Fb303Status Status() const override { return Fb303Status::kAlive; }
  std::string StatusDetails() const override { return "well"; }
  std::map<std::string, int64_t> Counters() const override { return {{"received", 3}}; }
  int64_t AliveSince() const override { return 1; }
  void Reinitialize() override {}
  void Shutdown() override {}
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Handler handler;
  const std::string_view frame = fuzz::Text(data, size);
  const std::string answer = AnswerFb303(frame, handler);
  const auto header = DecodeCallHeader(frame);
  if (!header.ok()) FUZZ_REQUIRE(DecodeLogReply(answer).ok());  // an exception
  return 0;
}
