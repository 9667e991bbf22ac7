// The atlas: which faults an installation is promised to survive, in the words of its users.
// Printed by `databus-sim --atlas`.
#pragma once

#include <string>
#include <string_view>

#include "sim/scenario.h"

namespace databus::sim {

// What the fault is, and how far it goes.
std::string_view WhatIsSurvived(IncidentKind kind);
std::string Atlas();

}  // namespace databus::sim
