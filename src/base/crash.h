// The death of a process, in tests and simulations.
#pragma once

namespace databus {

// Thrown to stand for the death of the process. Only the harness that plays the machine catches it.
struct Crash {};

}  // namespace databus
