// Taking over what older epochs left (P6, P9, P10). Each fenced directory is renamed whole into the
// own staging directory, as `r<epoch>`, and finished from there: so also what a recovery makes
// visible leaves the holder's own staging, and a recovery that is overtaken is fenced with it
// (docs/decisions/0004).
#pragma once

#include <set>
#include <string>
#include <vector>

#include "commit/apply.h"
#include "commit/epoch.h"

namespace databus {

// A sealed data file that was renamed from data/ into staging to be published.
struct Claim {
  std::string staged;  // the name in the own staging directory
  std::string collector;
  std::string data_name;  // a DataFileName; its stream is the name up to the date
};

// A record that cannot be read. It lies as a record in the own staging directory until it is set
// aside, so that a take-over that does not get so far leaves it to the next one.
struct DamagedRecord {
  std::string staged;
  std::string found;  // the path it was found under
  std::string reason;
};

struct Recovered {
  std::vector<Claim> claims;      // taken, not yet published
  std::set<std::string> pending;  // names of pending clean-up lists in the own staging directory
  // What they published may have got no queue lines: said again before these are set aside.
  std::vector<DamagedRecord> damaged;
};

// Finishes or undoes everything in the fenced directories. Not ok: nothing may be committed in this
// epoch; take another one, which finds all that this one had adopted in its fenced directory.
Result<Recovered> Recover(ApplyContext context, const std::vector<uint64_t>& fenced);

// Takes them into quarantine.
Status SetAsideDamaged(ApplyContext context, const std::vector<DamagedRecord>& damaged);

// Removes a directory with all that is in it, file by file.
Status RemoveTree(Storage& storage, const std::string& path);

}  // namespace databus
