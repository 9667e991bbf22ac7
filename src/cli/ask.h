// The question that commands which change something ask before they do, unless told `--yes`.
#pragma once

#include <cstdint>
#include <string>

#include "cli/command.h"

namespace databus {

enum class Answer : uint8_t { kNo, kYes };

// Asks on `err` and reads a line of `in`; anything but "y" or "yes", the end of input included, is
// kNo.
Answer Ask(Io& io, const std::string& question);

}  // namespace databus
