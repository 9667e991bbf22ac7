// A frame as a collector gets it from anybody: header in both styles, Log, what answers it.
#include "net/scribe_codec.h"
#include "tests/fuzz/fuzz.h"

using namespace databus;

namespace {

void CheckCall(std::string_view frame, const CallHeader& header, const LogCall& call) {
  uint32_t visited = 0;
  EntryList copy;
  const Status walked =
      ForEachEntry(call.entries, [&](std::string_view category, std::string_view message) {
        FUZZ_REQUIRE(category.empty() || frame.find(category) != std::string_view::npos);
        copy.Add(category, message);
        ++visited;
      });
  FUZZ_REQUIRE(walked.ok());
  FUZZ_REQUIRE(visited == call.count && copy.count() == call.count);
  // Entries are passed on as they stand, and built anew: both say the same.
  for (const std::string_view entries : {call.entries, copy.bytes()}) {
    const std::string sent = EncodeLogCall({header.reply_to, entries, call.batch});
    const auto again = DecodeCallHeader(sent);
    FUZZ_REQUIRE(again.ok() && again->method == kLogMethod);
    FUZZ_REQUIRE(again->reply_to.style == header.reply_to.style);
    FUZZ_REQUIRE(again->reply_to.seqid == header.reply_to.seqid);
    const auto decoded = DecodeLogCall(sent, *again);
    FUZZ_REQUIRE(decoded.ok() && decoded->entries == entries);
    FUZZ_REQUIRE(decoded->count == call.count && decoded->batch == call.batch);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view frame = fuzz::Text(data, size);
  const auto header = DecodeCallHeader(frame);
  const std::string refusal = EncodeOversizedReply(frame, 1u << 31);
  const bool oneway = header.ok() && header->reply_to.kind == CallKind::kOneway;
  FUZZ_REQUIRE(oneway ? refusal.empty() : DecodeLogReply(refusal).ok());
  if (!header.ok()) return 0;
  FUZZ_REQUIRE(header->size <= frame.size() && header->method.size() <= frame.size());
  const auto call = DecodeLogCall(frame, *header);
  if (call.ok()) {
    CheckCall(frame, *header, *call);
  } else {
    FUZZ_REQUIRE(call.code() == Code::kInvalid);
  }
  return 0;
}
