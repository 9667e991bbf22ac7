// Columns of text for people: a head, rows, every column as wide as its widest cell.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace databus {

class Table {
 public:
  // A column whose head begins with '>' is aligned to the right.
  explicit Table(std::vector<std::string> head);
  // REQUIRES: as many cells as columns. An empty cell is shown as "-".
  void Row(std::vector<std::string> cells);
  bool empty() const { return rows_.empty(); }
  // Head and rows, each line with `indent` before it.
  std::string ToString(std::string_view indent = "") const;

 private:
  std::vector<bool> right_;
  std::vector<std::string> head_;
  std::vector<std::vector<std::string>> rows_;
};

std::string Grouped(uint64_t number);    // "1,234,567"
std::string HumanBytes(uint64_t bytes);  // "812 B", "1.4 MB" (powers of 1000)
// "1 file", "2 files".
std::string Plural(uint64_t number, std::string_view noun);

}  // namespace databus
