#include "sim/messages.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "audit/gzip.h"
#include "base/crc32c.h"
#include "collector/spool/format.h"

namespace databus::sim {
namespace {

std::optional<uint32_t> Number(std::string_view text) {
  uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::string MessageText(MessageId id) { return fmt::format("m{}.{}", id.producer, id.number); }

std::string MessageText(uint64_t key) {
  return MessageText(MessageId{static_cast<uint32_t>(key >> 32), static_cast<uint32_t>(key)});
}

std::optional<MessageId> ParseMessageText(std::string_view text) {
  const size_t dot = text.find('.');
  if (!text.starts_with('m') || dot == std::string_view::npos) return std::nullopt;
  const auto producer = Number(text.substr(1, dot - 1));
  const auto number = Number(text.substr(dot + 1));
  if (!producer || !number) return std::nullopt;
  return MessageId{*producer, *number};
}

std::vector<uint64_t> MessagesOfRecord(std::string_view segment, size_t offset) {
  size_t begin = segment.size();
  size_t end = FindRecordMagic(segment, 0);
  while (end < segment.size() && end <= offset) {
    begin = end;
    end = FindRecordMagic(segment, end + 1);
  }
  std::vector<uint64_t> keys;
  for (size_t at = begin; at < end; ++at) {
    if (segment[at] != 'm') continue;
    const size_t length = segment.substr(at + 1).find_first_not_of("0123456789.");
    const auto id = ParseMessageText(segment.substr(at, std::min(length, segment.size()) + 1));
    if (id) keys.push_back(id->key());
  }
  return keys;
}

const MessageReader::Content& MessageReader::Read(const std::string& bytes) {
  const uint64_t key = (uint64_t{Crc32c(bytes)} << 32) | (bytes.size() & 0xffffffff);
  std::unique_ptr<Content>& content = known_[key];
  if (content != nullptr) return *content;
  content = std::make_unique<Content>();
  std::string lines = bytes;
  if (bytes.starts_with("\x1f\x8b")) {
    Result<std::string> plain = GunzipAll(bytes);
    if (!plain.ok()) {
      content->damage = plain.status().ToString();
      return *content;
    }
    lines = *std::move(plain);
  }
  std::string_view rest = lines;
  while (!rest.empty()) {
    const size_t end = rest.find('\n');
    const auto id = ParseMessageText(rest.substr(0, end));
    if (!id || end == std::string_view::npos) {
      content->damage = "holds a line that nobody sent";
      return *content;
    }
    content->keys.push_back(id->key());
    rest.remove_prefix(end + 1);
  }
  return *content;
}

}  // namespace databus::sim
