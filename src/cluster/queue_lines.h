// What a queue entry or an announcement says, line by line; those of people and of the original
// included: CR LF, spaces at the end and empty lines mean nothing.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "cluster/paths.h"

namespace databus {

struct QueueLine {
  std::string_view text;                  // of the entry; neither empty nor with an end of line
  std::optional<paths::MinutePath> path;  // nothing: it names no file of a view
};

// `entry` has to outlive the answer.
std::vector<QueueLine> QueueLines(std::string_view entry);

}  // namespace databus
