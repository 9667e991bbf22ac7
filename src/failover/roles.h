// What a failover makes of the stored topology, epoch by epoch. Pure: from the epoch before and
// from what was decided when it was planned; so whoever resumes it makes the same text (P27).
//
//   spool    every collector keeps the streams that move (P30); the collectors of the site, which
//            will deliver elsewhere, keep all of theirs
//   freeze   the old primary publishes no more merged minutes of them
//   fence    the same, where the old primary cannot be asked (P28)
//   swap     other primary and sources, the cut, other ways for the site's collectors
//   undo     instead of the swap: as it was
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/minute.h"
#include "base/status.h"
#include "cluster/stored_topology.h"

namespace databus::failover {

// A stream's roles before and after. Neither says anything of publication or cut.
struct StreamChange {
  StreamSpec before;
  StreamSpec after;

  const std::string& name() const { return before.name; }
  // Whether its primary changes; else only its sources do.
  bool Moves() const { return before.Primary() != after.Primary(); }
  friend bool operator==(const StreamChange& one, const StreamChange& other);
};

struct RoleChange {
  std::string from;  // the primary that is relieved
  std::string to;    // the primary that follows
  // The cluster that goes, or comes back: its collectors deliver elsewhere from the swap on.
  std::string site;
  // P28: the cluster that need not read a majority from the swap on; empty: none.
  std::string alone{};
  std::vector<StreamChange> streams;  // that move, and those whose sources change
  std::vector<ModeRule> modes_before;
  std::vector<ModeRule> modes_after;
  friend bool operator==(const RoleChange&, const RoleChange&) = default;

  std::vector<std::string> Moving() const;  // names
  const StreamChange* Find(std::string_view stream) const;
};

// The last minute of each stream that moves; nothing: it never had one.
using Cuts = std::map<std::string, std::optional<Minute>>;

// Everything of `from` moves to `to`: the primary of every stream that is there, and `from` is no
// source any more; `to` takes its place as a source where it is not one yet. `receivers`: where the
// collectors of `from` are redirected to; none: the live collectors of `to`. Wherever messages
// would go round in a circle then, `to` delivers.
RoleChange TakeAway(const StoredTopology& base, const std::string& from, const std::string& to,
                    const std::vector<Endpoint>& receivers);
// The same of one stream only; nothing else changes at all, and no cluster is the site.
RoleChange TakeAwayOnly(const StoredTopology& base, const std::string& stream,
                        const std::string& from, const std::string& to);
// The reverse, of what is there still, as a difference, the ways of all collectors among it: what
// was edited since stays. A stream that
// has got another primary since keeps it; only its source comes back.
RoleChange BringBack(const StoredTopology& base, const RoleChange& taken_away);
// Of which streams the primary is not brought back, and why: a sentence each.
std::vector<std::string> NotBroughtBack(const StoredTopology& base, const RoleChange& taken_away);

StoredTopology Spooling(const StoredTopology& base, const RoleChange& change, std::string author);
StoredTopology Frozen(const StoredTopology& base, const RoleChange& change, std::string author);
StoredTopology Swapped(const StoredTopology& base, const RoleChange& change, const Cuts& cuts,
                       std::string author);
StoredTopology Undone(const StoredTopology& base, const RoleChange& change, std::string author);

}  // namespace databus::failover
