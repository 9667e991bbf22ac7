// What the files of GroupWriter share: commits in the making.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "commit/group_writer.h"

namespace databus {

// How many minute directories one record makes at most: streams that stood still for long are
// brought up in several.
inline constexpr size_t kMinuteDirsPerRecordMax = 1500;

// A record in the making, and the small files it moves: all are staged at once, with the record.
struct GroupWriter::Draft {
  Record record;
  std::vector<SmallFile> texts;
};

struct GroupWriter::Plan {
  Draft draft;
  MinuteDirs dirs;
  std::map<std::string, std::string> queue_texts;
  std::map<std::string, const NewFile*> by_staged;  // those that get a name of their own
  std::map<std::string, MinuteFiles> names;         // taken in this minute, by stream
};

}  // namespace databus
