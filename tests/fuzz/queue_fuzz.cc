// An entry of a queue at another cluster: ours, the original's, or what an operator made of it.
#include "storage/memory/memory_storage.h"
#include "tests/fuzz/fuzz.h"
#include "worker/queue.h"

using namespace databus;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr Group kGroups = 3;
  MemoryStorage tree;
  FUZZ_REQUIRE(tree.MakeDir("q").ok());
  FUZZ_REQUIRE(tree.WriteFile("q/1.2.3", fuzz::Text(data, size)).ok());
  FUZZ_REQUIRE(tree.WriteFile("q/1700000000000", fuzz::Text(data, size)).ok());
  QueueReader reader("q", kGroups, [](Group) { return true; });
  FUZZ_REQUIRE(reader.Refresh(tree).ok());
  FUZZ_REQUIRE(reader.size() == 2 && reader.Unreadable().empty());
  FUZZ_REQUIRE(!reader.Groups().empty());  // somebody looks after it
  for (const Group group : reader.Groups()) {
    FUZZ_REQUIRE(group < kGroups);
    for (const QueueEntry* entry : reader.OfGroup(group)) {
      for (const paths::MinutePath& line : entry->lines) {
        const std::string path =
            paths::Join(paths::MinuteDir(line.view, line.stream, line.minute), line.file);
        FUZZ_REQUIRE(paths::ParseQueueLine(path) == line);
        FUZZ_REQUIRE(paths::ParseQueueLine("file:///mnt//dc1/" + path) == line);
      }
    }
  }
  return 0;
}
