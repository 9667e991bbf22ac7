// The subcommands of `databus topology`, each defined in the file of its name.
#pragma once

#include "cli/command.h"

namespace databus {

extern const Command kTopologyValidate;

}  // namespace databus
