// What people and programs are told of the fates of records.
#pragma once

#include <string_view>

#include "collector/spool/inventory.h"

namespace databus {

struct FateName {
  RecordFate fate;
  std::string_view of_one;       // of a record, or several
  std::string_view of_messages;  // of all messages of a spool
  std::string_view key;          // in JSON
};
// By RecordFate.
inline constexpr FateName kFateNames[] = {
    {RecordFate::kDelivered, "delivered", "delivered", "delivered"},
    {RecordFate::kSealed, "sealed", "sealed and waiting", "sealed"},
    {RecordFate::kHeldBack, "held back", "held back", "held_back"},
    {RecordFate::kUnsealed, "not sealed", "not sealed", "not_sealed"},
    {RecordFate::kVoid, "void", "void", "void"},
    {RecordFate::kUnknown, "not known", "not known", "not_known"}};

constexpr bool FateNamesAreByFate() {
  size_t at = 0;
  for (const FateName& name : kFateNames) {
    if (name.fate != static_cast<RecordFate>(at++)) return false;
  }
  return at == kRecordFates;
}
static_assert(FateNamesAreByFate());

constexpr const FateName& NameOf(RecordFate fate) { return kFateNames[static_cast<size_t>(fate)]; }

}  // namespace databus
