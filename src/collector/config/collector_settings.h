// The declared settings of scribe.conf, section by section: what ParseScribeConf reads against.
// Private to this folder; others see CollectorSettings().
#pragma once

#include <span>
#include <string>

#include "base/settings.h"
#include "collector/config/scribe_conf.h"

namespace databus {

// A section as it stands in the file, before the sections are checked against each other.
struct PrimaryFileSection {
  ClusterPrimary primary;
  std::string fs_type;
  std::string file_path;
  std::string sub_directory;
  bool use_hostname = false;
};

struct SecondarySection {
  std::string directory;
  int64_t segment_bytes = 0;
};

std::span<const BoundSetting<CollectorConfig>> GlobalSettings();
std::span<const BoundSetting<StoreSpec>> StoreSettings();
std::span<const BoundSetting<PrimaryFileSection>> PrimaryFileSettings();
std::span<const BoundSetting<NetworkPrimary>> PrimaryNetworkSettings();
std::span<const BoundSetting<SecondarySection>> SecondarySettings();

}  // namespace databus
