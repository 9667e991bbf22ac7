// What of fb303 a client of ours uses: an option of the server, asked for or set
// (idl/fb303.thrift).
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"

namespace databus {

// The option by which a collector of ours shows itself: its spool's incarnation. Scribe and others
// answer every option they do not know with an empty text.
inline constexpr std::string_view kIncarnationOption = "databus.incarnation";

// Set to kReleaseNow: an operator's word that hand-overs of unknown outcome are to be sent again
// (Deliverer::ReleaseUnknown).
inline constexpr std::string_view kReleaseOption = "databus.release_hand_overs";
inline constexpr std::string_view kReleaseNow = "now";

// The payload of a `getOption` call frame.
std::string EncodeGetOption(std::string_view key);
// The answer; empty when the server answered with an exception: it knows no options. kInvalid: the
// frame is no answer to getOption.
Result<std::string> DecodeGetOption(std::string_view frame);

// The payload of a `setOption` call frame, and its answer: ok, or kInvalid when it was refused or
// is none. A server that does not know the option answers ok as well.
std::string EncodeSetOption(std::string_view key, std::string_view value);
Status DecodeSetOption(std::string_view frame);

}  // namespace databus
