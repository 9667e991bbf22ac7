#include "cli/demo/input.h"

#include <fmt/format.h>

#include <charconv>

#include "cli/demo/example_files.h"
#include "cli/installation.h"

namespace databus {
namespace {

constexpr size_t kInputBytesMax = size_t{64} << 20;  // of a longer file the beginning is used
constexpr size_t kLineBytesMax = 64 << 10;

constexpr const char* kLogsOfMachine[] = {"/var/log/syslog",       "/var/log/messages",
                                          "/var/log/dpkg.log",     "/var/log/apt/history.log",
                                          "/var/log/apt/term.log", "/var/log/alternatives.log"};

}  // namespace

DemoInput::DemoInput(std::string name, std::string_view text) : name_(std::move(name)) {
  text = text.substr(0, kInputBytesMax);
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    lines_.emplace_back(line.substr(0, kLineBytesMax));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
  }
}

Result<DemoInput> DemoInput::Open(const std::string& file) {
  if (!file.empty()) {
    DATABUS_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(file));
    if (text.empty()) return Status(Code::kInvalid, file + ": has no lines");
    return DemoInput(file, text);
  }
  for (const char* log : kLogsOfMachine) {
    const auto text = ReadTextFile(log);
    if (text.ok() && !text->empty()) return DemoInput(log, *text);
  }
  return DemoInput("the example files themselves, because no log was found on this machine",
                   fmt::format("{}{}{}", kExampleTopology, kExampleWorker, kExampleCollector));
}

std::string DemoInput::Message(const DemoSource& source, uint64_t number) const {
  return fmt::format("{} {} {} {}", source.stream, source.collector, number,
                     lines_[(number - 1) % lines_.size()]);
}

std::optional<NumberedMessage> DemoInput::Recognise(std::string_view text) const {
  NumberedMessage message;
  std::string_view rest = text;
  const auto word = [&rest] {
    const std::string_view found = rest.substr(0, rest.find(' '));
    rest.remove_prefix(std::min(rest.size(), found.size() + 1));
    return found;
  };
  message.source.stream = word();
  message.source.collector = word();
  const std::string_view number = word();
  const auto [end, error] =
      std::from_chars(number.data(), number.data() + number.size(), message.number);
  if (error != std::errc() || message.number == 0) return std::nullopt;
  if (Message(message.source, message.number) != text) return std::nullopt;
  return message;
}

}  // namespace databus
