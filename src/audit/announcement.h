// What a collector leaves in `system/sealed/<collector>/<group>.<n>` after a delivery: the files it
// has just put into data/, so that the local service need not scan. A hint: losing one delays a
// file until the next scan, repeating one does nothing. It carries what the sealer knew anyway, so
// that publishing does not read the file again.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "cluster/sealed_header.h"

namespace databus {

struct AnnouncedFile {
  std::string path;  // data/<stream>/<collector>/<name>
  uint64_t length = 0;
  uint32_t crc32c = 0;  // of the whole file
  uint64_t messages = 0;
  FileIdentity identity;
  friend bool operator==(const AnnouncedFile&, const AnnouncedFile&) = default;
};

std::string EncodeAnnouncement(const std::vector<AnnouncedFile>& files);
// `where` names the file in messages. Errors as of ParseText (cluster/text_format.h).
Result<std::vector<AnnouncedFile>> DecodeAnnouncement(std::string_view text,
                                                      std::string_view where);

}  // namespace databus
