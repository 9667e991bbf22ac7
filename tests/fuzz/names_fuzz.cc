// Names of files, directories and entries, whoever made them; and lines of queues. The input is
// the name, or `stream\nname`.
#include "cluster/names.h"
#include "cluster/paths.h"
#include "commit/record.h"
#include "tests/fuzz/fuzz.h"
#include "worker/foreign_files.h"

using namespace databus;

namespace {

void CheckDataNames(std::string_view stream, std::string_view name) {
  if (const auto data = DataFileName::Parse(stream, name)) {
    FUZZ_REQUIRE(DataFileName::Parse(stream, data->ToString()) == data);
  }
  if (const auto published = PublishedFileName::Parse(stream, name)) {
    FUZZ_REQUIRE(PublishedFileName::Parse(stream, published->ToString()) == published);
  }
  if (const auto claimed = ParseClaimName(std::string(name))) {
    FUZZ_REQUIRE(DataFileName::Parse(claimed->stream, name) == claimed);
  }
  static_cast<void>(IsIgnoredDataName(name));
}

void CheckWords(std::string_view name) {
  FUZZ_REQUIRE(UnescapeWord(EscapeWord(name)) == name);
  if (const auto bytes = UnescapeWord(name)) FUZZ_REQUIRE(EscapeWord(*bytes) == name);
  for (const Status& valid : {ValidateStreamName(name), ValidateCollectorName(name)}) {
    if (valid.ok()) FUZZ_REQUIRE(EscapeWord(name) == name && name.size() <= kNameBytesMax);
  }
}

void CheckMinutes(std::string_view name) {
  if (const auto minute = Minute::ParseIso(name)) FUZZ_REQUIRE(minute->ToIso() == name);
  if (const auto minute = Minute::ParsePath(name)) FUZZ_REQUIRE(minute->ToPath() == name);
  if (const auto minute = Minute::ParseDashed(name)) FUZZ_REQUIRE(minute->ToDashed() == name);
  for (const auto& parsed : {paths::ParseMinutePath(name), paths::ParseQueueLine(name)}) {
    if (!parsed) continue;
    const std::string path =
        paths::Join(paths::MinuteDir(parsed->view, parsed->stream, parsed->minute), parsed->file);
    FUZZ_REQUIRE(paths::ParseMinutePath(path) == parsed && paths::ParseQueueLine(path) == parsed);
  }
}

// Each of these has exactly one spelling.
void CheckServiceNames(std::string_view name) {
  if (const auto entry = paths::QueueEntryName::Parse(name)) {
    FUZZ_REQUIRE(entry->ToString() == name);
  }
  if (const auto entry = paths::AnnouncementName::Parse(name)) {
    FUZZ_REQUIRE(entry->ToString() == name);
  }
  if (const auto trash = paths::TrashName::Parse(name)) FUZZ_REQUIRE(trash->ToString() == name);
  if (const auto staging = paths::ParseStagingName(name)) {
    FUZZ_REQUIRE(std::to_string(staging->epoch) + (staging->fenced ? ".fenced" : "") == name);
  }
}

void CheckStagedNames(std::string_view name) {
  const staged::Name parsed = staged::Parse(name);
  std::string again;
  switch (parsed.kind) {
    case staged::Kind::kRecord: again = staged::RecordName(parsed.number, parsed.amendment); break;
    case staged::Kind::kPending: again = staged::PendingName(parsed.number); break;
    case staged::Kind::kClaim:
      again = staged::ClaimName(parsed.number, parsed.collector, parsed.data_name);
      break;
    case staged::Kind::kFile: again = staged::FileName(parsed.number); break;
    case staged::Kind::kMinuteDir: again = staged::MinuteDirName(parsed.number); break;
    case staged::Kind::kPurged: again = staged::PurgedName(parsed.number); break;
    case staged::Kind::kUnknown: return;
  }
  FUZZ_REQUIRE(again == name);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input = fuzz::Text(data, size);
  CheckWords(input);
  CheckMinutes(input);
  CheckServiceNames(input);
  CheckStagedNames(input);
  const size_t line_end = input.find('\n');
  if (line_end == std::string_view::npos) {
    CheckDataNames("clicks", input);
  } else {
    CheckDataNames(input.substr(0, line_end), input.substr(line_end + 1));
  }
  return 0;
}
