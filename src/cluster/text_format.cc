#include "cluster/text_format.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "base/crc32c.h"
#include "cluster/names.h"

namespace databus {
namespace {

constexpr std::string_view kEmptyWord = "%";

Status Damaged(std::string_view where, std::string_view what) {
  return {Code::kCorrupt, fmt::format("{}: {}", where, what)};
}

Result<TextLine> SplitLine(std::string_view line, std::string_view where) {
  TextLine words;
  while (true) {
    const size_t space = line.find(' ');
    const std::string_view word = line.substr(0, space);
    auto plain = word == kEmptyWord ? std::optional<std::string>("") : UnescapeWord(word);
    if (!plain) return Damaged(where, fmt::format("bad word '{}'", EscapeWord(word)));
    words.push_back(std::move(*plain));
    if (space == std::string_view::npos) return words;
    line.remove_prefix(space + 1);
  }
}

}  // namespace

TextWriter::TextWriter(std::string_view kind, int version)
    : text_(fmt::format("databus-{} {}\n", kind, version)) {}

void TextWriter::Line(std::initializer_list<std::string_view> words) {
  std::string_view separator;
  for (const std::string_view word : words) {
    text_ += separator;
    text_ += word.empty() ? std::string(kEmptyWord) : EscapeWord(word);
    separator = " ";
  }
  text_ += '\n';
}

std::string TextWriter::Finish() && {
  const uint32_t crc = Crc32c(text_);
  return std::move(text_) + "end " + Hex32(crc) + "\n";
}

Result<std::vector<TextLine>> ParseText(std::string_view kind, int version, std::string_view text,
                                        std::string_view where) {
  const std::string head = fmt::format("databus-{} ", kind);
  if (!text.starts_with(head)) return Damaged(where, fmt::format("is not a databus-{} file", kind));
  // "end XXXXXXXX\n" is the last line.
  constexpr size_t kEndBytes = 13;
  const bool has_end = text.size() >= kEndBytes &&
                       text.substr(text.size() - kEndBytes, 4) == "end " && text.back() == '\n';
  const std::string_view body = text.substr(0, text.size() - (has_end ? kEndBytes : 0));
  if (has_end) {
    const auto crc = ParseHex32(text.substr(body.size() + 4, 8));
    if (!crc.ok() || *crc != Crc32c(body)) return Damaged(where, "checksum does not match");
  }
  // Only now: a flipped bit makes any version a newer one.
  const auto found = ParseNumber(text.substr(head.size(), text.find('\n') - head.size()));
  if (!found.ok()) return Damaged(where, "has no version");
  if (*found > static_cast<uint64_t>(version)) {
    return Status(Code::kInvalid, fmt::format("{}: written by a newer Databus (databus-{} {}, this "
                                              "program reads up to {})",
                                              where, kind, *found, version));
  }
  if (!has_end) return Damaged(where, "is cut short (no end line)");
  if (!body.ends_with('\n')) return Damaged(where, "has no line of its own for the checksum");
  std::vector<TextLine> lines;
  size_t at = body.find('\n') + 1;
  while (at < body.size()) {
    const size_t end = std::min(body.find('\n', at), body.size());
    DATABUS_ASSIGN_OR_RETURN(TextLine line, SplitLine(body.substr(at, end - at), where));
    lines.push_back(std::move(line));
    at = end + 1;
  }
  return lines;
}

Result<uint64_t> ParseNumber(std::string_view word) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc() || end != word.data() + word.size() || word.empty()) {
    return Status(Code::kCorrupt, fmt::format("'{}' is not a number", EscapeWord(word)));
  }
  return value;
}

std::string Hex32(uint32_t value) { return fmt::format("{:08x}", value); }

Result<uint32_t> ParseHex32(std::string_view word) {
  uint32_t value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value, 16);
  // Only as Hex32 writes it: a damaged checksum must not read as the same number.
  if (error != std::errc() || end != word.data() + word.size() || Hex32(value) != word) {
    return Status(Code::kCorrupt, fmt::format("'{}' is not a checksum", EscapeWord(word)));
  }
  return value;
}

}  // namespace databus
