#include "worker/era_book.h"

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

bool EraBook::KnowsBegun(Group group, const StreamSpec& stream) const {
  const auto page = pages_.find(group);
  return page != pages_.end() && page->second.epoch != 0 && page->second.eras.HasBegun(stream);
}

Status EraBook::Set(GroupWriter& writer, Eras eras) {
  DATABUS_ASSIGN_OR_RETURN(const Eras* known, Of(writer));
  if (*known == eras) return Status::Ok();
  if (known->streams != eras.streams) {
    // Who slept over a swap and took the lease when it woke up would go back to the era before.
    DATABUS_RETURN_IF_ERROR(
        CheckObeysTheNewest(writer.staging().storage(), topology_epoch_, "no era begins"));
  }
  DATABUS_RETURN_IF_ERROR(WriteEras(writer, eras));
  pages_[writer.staging().group()].eras = std::move(eras);
  return Status::Ok();
}

}  // namespace databus
