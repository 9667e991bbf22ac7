// The subcommands of `databus spool`, each defined in the file of its name.
#pragma once

#include <string>

#include "cli/command.h"

namespace databus {

extern const Command kSpoolCat;
extern const Command kSpoolLs;

// A path as it was typed, as a Disk wants it.
std::string AbsolutePath(const std::string& typed);

}  // namespace databus
