// The one question of fb303 that a client of ours asks: an option of the server (idl/fb303).
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"

namespace databus {

// The option by which a collector of ours shows itself: its spool's incarnation. Scribe and others
// answer every option they do not know with an empty text.
inline constexpr std::string_view kIncarnationOption = "databus.incarnation";

// The payload of a `getOption` call frame.
std::string EncodeGetOption(std::string_view key);
// The answer; empty when the server answered with an exception: it knows no options. kInvalid: the
// frame is no answer to getOption.
Result<std::string> DecodeGetOption(std::string_view frame);

}  // namespace databus
