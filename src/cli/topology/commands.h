// The subcommands of `databus topology`, each defined in the file of its name.
#pragma once

#include "cli/command.h"

namespace databus {

extern const Command kTopologyApply;
extern const Command kTopologyChoose;
extern const Command kTopologyConfirm;
extern const Command kTopologyDiff;
extern const Command kTopologyMirror;
extern const Command kTopologyMode;
extern const Command kTopologyShow;
extern const Command kTopologyValidate;

}  // namespace databus
