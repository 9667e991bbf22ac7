// Taking over a tree of the original system (P19): what its local service had already published
// must not be published again. It kept the newest files of each collector in data/ after publishing
// them, and remembered in a checkpoint how far it had come.
#pragma once

#include "base/clock.h"
#include "base/status.h"
#include "storage/storage.h"

namespace databus {

// Moves the data files up to each collector's checkpoint to the trash. To be done once, before the
// tree gets its id; may be repeated after a crash.
Status TrashWhatTheOriginalPublished(Storage& storage, const Clock& clock);

}  // namespace databus
