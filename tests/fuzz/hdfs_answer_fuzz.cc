// What name nodes send, and what we make of their exceptions.
#include "storage/hdfs/rpc_answer.h"
#include "storage/hdfs/wire/name_node.pb.h"
#include "storage/hdfs/wire_format.h"
#include "tests/fuzz/fuzz.h"

using namespace databus;
using namespace databus::hdfs;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input = fuzz::Text(data, size);
  const auto answer = ParseAnswer(input);
  if (!answer.ok()) {
    FUZZ_REQUIRE(answer.unknown());
    return 0;
  }
  FUZZ_REQUIRE(answer->body.size() <= input.size());
  if (answer->error) {
    FUZZ_REQUIRE(!StatusOf(*answer->error).ok());
    static_cast<void>(ReactionTo(*answer->error));
    return 0;
  }
  std::string_view body = answer->body;
  wire::GetListingAnswer listing;
  static_cast<void>(TakeDelimited(body, listing, 64u << 20));
  body = answer->body;
  wire::GetFileInfoAnswer info;
  static_cast<void>(TakeDelimited(body, info, 64u << 20));
  return 0;
}
