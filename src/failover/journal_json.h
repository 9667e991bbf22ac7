// A journal's value as JSON and back; failover/journal.h frames and checks it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "failover/journal.h"

namespace databus::failover {

using Json = nlohmann::ordered_json;

Json JournalToJson(const Journal& journal);
// kCorrupt: something is missing or not of its kind; the message names it.
Result<Journal> JournalFromJson(const Json& json);

// One line, the same for the same value; bytes that are not UTF-8 are replaced.
std::string DumpJson(const Json& json);

Json RoleChangeToJson(const RoleChange& change);

}  // namespace databus::failover
