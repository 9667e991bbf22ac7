// What a cluster that was away has of a failover's journal (failover/journal.h). It counts no more
// while somebody has a later revision; but when the others are lost it would be the newest one that
// anybody has, and open: in the way of the very command that is needed then.
#pragma once

#include <vector>

#include "base/random.h"
#include "base/status.h"
#include "cluster/paths.h"
#include "storage/storage.h"

namespace databus {

// Removes revisions of the journal that are two or more behind `newest`, as far as possible.
void RemoveOldRevisions(Storage& tree, const paths::FailoverJournalName& newest);

// Of each failover that `own` has a revision of, and that has ended by a later one, as all of
// `trees` say that have that: the same to `own`, and what is old by then goes away. One that is not
// there at all is not missed. `trees`: of the clusters that answer. How many were copied. For the
// holder of the cluster's lease.
Result<size_t> CopyEndedJournals(Storage& own, const std::vector<Storage*>& trees, Random& random);

}  // namespace databus
