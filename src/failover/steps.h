// A failover as a machine: what to do next, from its journal and what was observed. Pure, so that
// whoever resumes it, anywhere, decides the same; every action may be done twice.
//
//   planned     begin -> spool -> drain -> freeze -> mirror -> SWAP -> despool -> verify -> done
//   failback    begin -> catch-up -> spool -> drain -> ... as planned
//   unplanned   begin -> fence -> SWAP -> despool -> verify -> done
//
//   before the swap, on `abort`:   ... -> undo -> aborted
//
// Of several that are begun at once, one gets beyond `begin`: each writes its journal, then looks
// for others. Whoever finds one that has gone on gives way, and of those that have not, all but the
// one with the smallest id; that one waits until the others have. So none can go on because it had
// looked before the other was there.
//
// Each arrow is a gate (failover/gates.h). spool, freeze, fence, swap and undo begin by storing an
// epoch of the topology; fence only if there is a stream that waits when it is alone (P28): its
// primary, which cannot be asked, must have stopped before it gets another. What an epoch will be
// is journaled before it is stored: from the moment that the swap's is journaled nobody can be sure
// that it is not stored, and it cannot be aborted any more, unless another epoch has its place.
//
// Somebody else's epoch ends every run that has not swapped: it goes no further, and an undo stores
// nothing over it, since nobody knows what it was meant to do to what this failover had stored.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "control/epoch_store.h"
#include "failover/gates.h"
#include "failover/journal.h"
#include "failover/observation.h"

namespace databus::failover {

// The steps of a kind in their order, without undo and the ends.
std::span<const Step> StepsOf(Kind kind);
// Whether the step begins with an epoch.
bool Stores(Step step);
// Which of how many the present step is, by the plan; nothing: it is undone, or has ended.
struct StepPlace {
  size_t number = 0;  // the first is 1
  size_t of = 0;
};
std::optional<StepPlace> PlaceOf(const Journal& journal);
// How long the present step and those after it may take from `now` on, by the plan; a step that
// takes longer counts as nothing. Nothing: there is no estimate (it is undone, or of an earlier
// version).
std::optional<Milliseconds> TimeLeft(const Journal& journal, WallTime now);
// When the step was over; nothing: not yet, or it has none of that name.
std::optional<WallTime> WhenOver(const Journal& journal, Step step);
// When its epoch was decided on, which is when it is stored; nothing: not yet, or it stores none.
std::optional<WallTime> WhenStored(const Journal& journal, Step step);
// Of the streams that move, whether any waits when its primary is alone (P28).
bool AnyWaits(const RoleChange& change, const Topology& topology);
// Whether the swap may have happened: its epoch is journaled.
bool MayHaveSwapped(const Journal& journal);
// What can be done about one that is open, in a sentence for who wants to begin something else.
std::string HowToEnd(const Journal& journal);

struct Action {
  enum class What : uint8_t {
    kWait,     // for `gate`; then look again
    kStore,    // write `journal`, then store `epoch` on every cluster that answers
    kAdvance,  // write `journal`: it is a step further
    kVerify,   // compare the views, and note what comes of it with Verified
    kStop,     // `stop`: it cannot go on by itself; the message says what to do
    kNothing,  // it has ended
  };
  What what = What::kWait;
  Journal journal{};
  std::optional<TopologyEpoch> epoch{};
  Gate gate{};
  Status stop{};
};
Action NextAction(const Journal& journal, const Observation& seen);

// What an operator can do about one that is open: sentences that name the commands.
std::vector<std::string> WaysOn(const Journal& journal, const Observation& seen);

// The journal after the verification.
Journal Verified(const Journal& journal, nlohmann::ordered_json report, WallTime now);

// The journal of one that is to be undone, or, where there is nothing that could be, given up.
// `without`: clusters that the operator knows to be lost. One that has swapped is given up only
// when `to` is among them, and does not answer.
//   kRefused  it has swapped, or may have; the message says what to do instead
//   kExists   it has ended
Result<Journal> Abort(const Journal& journal, const Observation& seen,
                      const std::vector<std::string>& without);

}  // namespace databus::failover
