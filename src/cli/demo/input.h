// What a demo sends: the lines of a real file, each behind its stream, collector and sequence
// number, so that every message is known when it is seen again.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace databus {

// Who numbers: one counter per stream and collector that it is sent to.
struct DemoSource {
  std::string stream;
  std::string collector;
  friend auto operator<=>(const DemoSource&, const DemoSource&) = default;
};

struct NumberedMessage {
  DemoSource source;
  uint64_t number = 0;
};

// Thread-safe once made.
class DemoInput {
 public:
  // `file` empty: a log of this machine, or else the text of the example files. kNotFound: the file
  // cannot be read; kInvalid: it has no lines.
  static Result<DemoInput> Open(const std::string& file);

  // Where the lines are from, for people.
  const std::string& name() const { return name_; }
  size_t lines() const { return lines_.size(); }
  // "clicks dc1-c1 17 LINE". Numbers begin with 1; the lines come again after the last one.
  std::string Message(const DemoSource& source, uint64_t number) const;
  // Nothing when `text` is not, byte for byte, what Message gives.
  std::optional<NumberedMessage> Recognise(std::string_view text) const;

 private:
  DemoInput(std::string name, std::string_view text);

  std::string name_;
  std::vector<std::string> lines_;
};

}  // namespace databus
