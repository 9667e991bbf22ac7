#include "cluster/queue_lines.h"

#include <algorithm>

namespace databus {

std::vector<QueueLine> QueueLines(std::string_view entry) {
  std::vector<QueueLine> lines;
  while (!entry.empty()) {
    const size_t end = std::min(entry.find('\n'), entry.size());
    std::string_view line = entry.substr(0, end);
    entry.remove_prefix(std::min(end + 1, entry.size()));
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.remove_suffix(1);
    if (!line.empty()) lines.push_back({line, paths::ParseQueueLine(line)});
  }
  return lines;
}

}  // namespace databus
