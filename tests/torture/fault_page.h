// What the torture and the library in its processes share: a page of memory, backed by a file, that
// switches the errors of one process's disk on and off while it runs.
#pragma once

#include <atomic>
#include <cstdint>

namespace databus {

// The variable that names the page's file.
inline constexpr const char* kFaultPageVariable = "DATABUS_TORTURE_FAULTS";

struct FaultPage {
  // Of a million calls that change a regular file or a directory, so many fail.
  std::atomic<uint32_t> no_space_ppm;
  std::atomic<uint32_t> io_error_ppm;
  std::atomic<uint64_t> seed;
  // Kept by the library.
  std::atomic<uint64_t> calls;
  std::atomic<uint64_t> no_space;
  std::atomic<uint64_t> io_errors;
};

}  // namespace databus
