#include "cli/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>

namespace databus {

Table::Table(std::vector<std::string> head) : head_(std::move(head)) {
  for (std::string& name : head_) {
    right_.push_back(name.starts_with('>'));
    if (right_.back()) name.erase(0, 1);
  }
}

void Table::Row(std::vector<std::string> cells) {
  assert(cells.size() == head_.size());
  for (std::string& cell : cells) {
    if (cell.empty()) cell = "-";
  }
  rows_.push_back(std::move(cells));
}

std::string Table::ToString(std::string_view indent) const {
  std::vector<size_t> widths;
  for (size_t i = 0; i < head_.size(); ++i) {
    widths.push_back(head_[i].size());
    for (const auto& row : rows_) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  const auto line = [&](const std::vector<std::string>& cells) {
    std::string out(indent);
    for (size_t i = 0; i < cells.size(); ++i) {
      out += right_[i] ? fmt::format("{:>{}}  ", cells[i], widths[i])
                       : fmt::format("{:<{}}  ", cells[i], widths[i]);
    }
    out.erase(out.find_last_not_of(' ') + 1);
    text += out + "\n";
  };
  line(head_);
  for (const auto& row : rows_) line(row);
  return text;
}

std::string Grouped(uint64_t number) {
  std::string digits = std::to_string(number);
  for (size_t end = digits.size(); end > 3; end -= 3) digits.insert(end - 3, ",");
  return digits;
}

std::string HumanBytes(uint64_t bytes) {
  constexpr std::string_view kUnits[] = {"kB", "MB", "GB", "TB", "PB"};
  if (bytes < 1000) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes) / 1000;
  size_t unit = 0;
  for (; value >= 999.95 && unit + 1 < std::size(kUnits); ++unit) value /= 1000;
  return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string Plural(uint64_t number, std::string_view noun) {
  return fmt::format("{} {}{}", Grouped(number), noun, number == 1 ? "" : "s");
}

}  // namespace databus
