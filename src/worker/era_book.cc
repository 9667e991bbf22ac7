#include "worker/era_book.h"

#include <fmt/format.h>

#include "control/epoch_store.h"

namespace databus {

Result<const Eras*> EraBook::Of(GroupWriter& writer) {
  StagingArea& staging = writer.staging();
  Page& page = pages_[staging.group()];
  if (page.epoch != staging.epoch()) {
    DATABUS_ASSIGN_OR_RETURN(page.eras, ReadEras(staging.storage(), staging.group()));
    page.epoch = staging.epoch();
  }
  return &page.eras;
}

// Who slept over a swap and took the lease when it woke up would go back to the era before.
Status EraBook::CheckObeysTheNewest(Storage& storage) const {
  DATABUS_ASSIGN_OR_RETURN(const auto later, EpochAfter(storage, topology_epoch_));
  if (!later) return Status::Ok();
  return {Code::kUnavailable,
          fmt::format("topology epoch {} is stored here, and {} is obeyed: no era "
                      "begins until that is",
                      *later, topology_epoch_)};
}

Status EraBook::Set(GroupWriter& writer, Eras eras) {
  DATABUS_ASSIGN_OR_RETURN(const Eras* known, Of(writer));
  if (*known == eras) return Status::Ok();
  if (known->streams != eras.streams) {
    DATABUS_RETURN_IF_ERROR(CheckObeysTheNewest(writer.staging().storage()));
  }
  DATABUS_RETURN_IF_ERROR(WriteEras(writer, eras));
  pages_[writer.staging().group()].eras = std::move(eras);
  return Status::Ok();
}

}  // namespace databus
