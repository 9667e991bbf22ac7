// Asks a live store to prove what Databus relies on, before anything is published to it.
#pragma once

#include "base/random.h"
#include "base/status.h"
#include "storage/storage.h"

namespace databus {

// Tries, in a directory of its own below `system/tmp` (which must exist): content reads back; a
// name that is taken is refused, by Create and by Rename, and an empty directory counts as taken;
// nothing makes missing parents; a listing after a rename is current. Removes what it made.
//
// kRefused when the store got one of these wrong: the message says which, and that Databus cannot
// run on it. Other codes: the store could not be asked (kUnavailable), or refused to be.
Status ProbeStorage(Storage& storage, Random& random);

}  // namespace databus
