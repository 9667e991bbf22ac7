// A frame as a publisher or a redirecting collector gets it from a server.
#include "net/scribe_codec.h"
#include "tests/fuzz/fuzz.h"

using namespace databus;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto reply = DecodeLogReply(fuzz::Text(data, size));
  if (!reply.ok()) {
    FUZZ_REQUIRE(reply.code() == Code::kInvalid);
    return 0;
  }
  for (const HeaderStyle style : {HeaderStyle::kStrict, HeaderStyle::kOld}) {
    const ReplyTo to{style, reply->seqid};
    const std::string written =
        reply->code ? EncodeLogReply(to, *reply->code)
                    : EncodeException({.to = to, .method = kLogMethod, .message = reply->error});
    const auto again = DecodeLogReply(written);
    FUZZ_REQUIRE(again.ok() && again->seqid == reply->seqid);
    FUZZ_REQUIRE(again->code == reply->code && again->error == reply->error);
  }
  return 0;
}
