// A revision of a failover's journal, as somebody else may have left it in a tree: as it is, and
// with a checksum that is right, since no fuzzer guesses it.
#include "failover/journal.h"

#include <algorithm>

#include "failover/journal_json.h"
#include "tests/fuzz/fuzz.h"

using namespace databus;
using failover::Journal;
using failover::Json;

namespace {

void Try(const std::string& text) {
  const auto first = Journal::Decode(text, "fuzz");
  if (!first.ok()) {
    FUZZ_REQUIRE(first.code() == Code::kCorrupt || first.code() == Code::kInvalid);
    return;
  }
  const std::string written = first->Encode();
  const auto second = Journal::Decode(written, "fuzz");
  FUZZ_REQUIRE(second.ok() && second->Encode() == written);
  FUZZ_REQUIRE(second->change == first->change && second->epochs == first->epochs);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(fuzz::Text(data, size));
  Try(text);
  if (std::ranges::count(text, '[') + std::ranges::count(text, '{') > 500)
    return 0;  // our own stack
  const Json body = Json::parse(text, nullptr, false);
  if (body.is_discarded()) return 0;
  const Json framed = {{"version", failover::kJournalVersion},
                       {"crc32c", Hex32(Crc32c(failover::DumpJson(body)))},
                       {"journal", body}};
  Try(failover::DumpJson(framed));
  return 0;
}
