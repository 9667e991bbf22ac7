// The machine as the program sees it, for tests that put parts of the program on it themselves.
#pragma once

#include "cli/installation.h"
#include "storage/open.h"

namespace databus {

inline Seams RealSeams() {
  return {.clock = SystemClock(),
          .random = SystemRandom(),
          .disk = LocalDisk(),
          .network = TcpNetwork(),
          .open_storage = &OpenStorage,
          .create_root = &CreateRoot,
          .read_file = &ReadTextFile,
          .host = "test"};
}

}  // namespace databus
