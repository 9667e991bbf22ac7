// A small file that is made once and never changes: epochs of the topology, revisions of journals.
// Of several who want the name, one gets it, and everybody can tell who.
#pragma once

#include "base/random.h"
#include "base/status.h"
#include "storage/storage.h"

namespace databus {

// Puts the file in place whole, over nothing; makes its directory below `system/` where it is
// missing. The tree must have its service directories.
//   ok            this content stands there, whoever wrote it: so that a lost answer is settled
//   kExists       another content does; nothing changed
//   kUnavailable  it may, or may come to; call again
//   others        it does not
Status CreateOnce(Storage& storage, Random& random, const SmallFile& file);

}  // namespace databus
