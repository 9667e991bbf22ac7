// The shape of every small durable text of ours (cluster-id, lease, record, manifest,
// announcement):
//   databus-<kind> <version>
//   word word ...
//   end <crc32c of all before this line, 8 hex digits>
// Words are escaped by EscapeWord; an empty word is written "%". Version N reads N-1 and refuses
// N+1 by name.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace databus {

class TextWriter {
 public:
  TextWriter(std::string_view kind, int version);
  void Line(std::initializer_list<std::string_view> words);
  std::string Finish() &&;

 private:
  std::string text_;
};

using TextLine = std::vector<std::string>;

// The lines between head and end. kCorrupt: not such a text, cut short or damaged. kInvalid: of a
// version newer than `version`. `where` names the file in messages.
Result<std::vector<TextLine>> ParseText(std::string_view kind, int version, std::string_view text,
                                        std::string_view where);

// Numbers in such lines.
Result<uint64_t> ParseNumber(std::string_view word);
std::string Hex32(uint32_t value);
Result<uint32_t> ParseHex32(std::string_view word);

}  // namespace databus
