#include "worker/foreign_files.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/crc32c.h"
#include "cluster/sealed_header.h"
#include "commit/originals.h"

namespace databus {
namespace {

// The counter of an identity given here: epoch, then the number within it. Unique per group.
constexpr int kNumberBits = 32;

}  // namespace

std::optional<DataFileName> ParseClaimName(const std::string& data_name) {
  constexpr size_t kDateBytes = 17;  // "-YYYY-MM-DD-HH-MM"
  const size_t underscore = data_name.rfind('_');
  if (underscore == std::string::npos || underscore < kDateBytes) return std::nullopt;
  return DataFileName::Parse(data_name.substr(0, underscore - kDateBytes), data_name);
}

std::vector<ForeignFiles::Tail> ForeignFiles::FindTails() {
  std::vector<Tail> tails;
  const auto dates = options_.storage.List(paths::TrashRoot());
  if (!dates.ok()) return tails;
  for (const DirEntry& date : *dates) {
    const std::string date_dir = paths::Join(paths::TrashRoot(), date.name);
    const auto hours = options_.storage.List(date_dir);
    if (!hours.ok()) continue;
    for (const DirEntry& hour : *hours) {
      const std::string dir = paths::Join(date_dir, hour.name);
      const auto entries = options_.storage.List(dir);
      if (!entries.ok()) continue;
      for (const DirEntry& entry : *entries) {
        const auto name = paths::TrashName::Parse(entry.name);
        const Milliseconds idle = options_.clock.Wall() - entry.info.modified;
        if (!name || entry.info.length <= name->published_bytes) continue;
        const auto data = ParseClaimName(name->data_name);
        if (!data || idle < options_.idle_timeout) continue;
        tails.push_back({paths::Join(dir, entry.name), *name, data->stream});
      }
    }
  }
  return tails;
}

Status ForeignFiles::Add(StagingArea& staging, const Claim& claim, NewFile file,
                         CommitRequest& request) {
  const std::string path = staging.PathOf(claim.staged);
  DATABUS_ASSIGN_OR_RETURN(const uint64_t bytes,
                           Compress(staging, {path, 0, claim.collector}, file));
  const paths::TrashName trash{claim.collector, claim.data_name, staging.epoch(),
                               staging.NextNumber(), bytes};
  request.trashed.push_back(
      {claim.staged, paths::Join(paths::TrashHour(options_.clock.Wall()), trash.ToString())});
  file.original = claim.staged;
  // A minute without messages: nothing to publish.
  if (bytes > 0) request.files.push_back(std::move(file));
  return Status::Ok();
}

Status ForeignFiles::AddTails(StagingArea& staging, const std::vector<Tail>& tails,
                              CommitRequest& request) {
  for (const Tail& tail : tails) {
    const Status added = AddTail(staging, tail, request);
    if (added.code() == Code::kNoSpace || added.code() == Code::kStale) return added;
    if (added.ok()) continue;
    options_.problems.Report(fmt::format("{}: {}", tail.path, added.ToString()),
                             "its late tail is read again at the next full scan");
  }
  return Status::Ok();
}

Status ForeignFiles::AddTail(StagingArea& staging, const Tail& tail, CommitRequest& request) {
  NewFile file;
  file.original = tail.path;
  file.stream = tail.stream;
  file.name = NameOfTail(tail.name);
  DATABUS_ASSIGN_OR_RETURN(
      const uint64_t bytes,
      Compress(staging, {tail.path, tail.name.published_bytes, tail.name.collector}, file));
  if (bytes == 0) return Status::Ok();
  paths::TrashName longer = tail.name;
  longer.published_bytes += bytes;
  request.clean_ups.push_back(
      {"", tail.path, paths::Join(std::string(paths::Parent(tail.path)), longer.ToString())});
  options_.problems.Report(
      fmt::format("{}: {} grew by {} bytes after it was published; they are now {}",
                  options_.cluster, tail.name.data_name, bytes, file.name),
      "raise databus.worker.foreign_idle_timeout_s if this happens often");
  request.files.push_back(std::move(file));
  return Status::Ok();
}

// Compresses a file, from an offset on, into a staged file, and fills in its facts. The file gets
// an identity of its own, so that files of one name and content from two clusters are told apart
// (P18). Answers how many bytes that were.
Result<uint64_t> ForeignFiles::Compress(StagingArea& staging, const Part& part, NewFile& file) {
  DATABUS_ASSIGN_OR_RETURN(const std::unique_ptr<FileReader> reader,
                           options_.storage.Open(part.path));
  compressor_.Start();
  uint64_t bytes = 0;
  uint64_t messages = 0;
  while (true) {
    DATABUS_ASSIGN_OR_RETURN(const std::string read,
                             reader->Read(part.offset + bytes, size_t{4} << 20));
    if (read.empty()) break;
    bytes += read.size();
    messages += static_cast<uint64_t>(std::count(read.begin(), read.end(), '\n'));
    compressor_.Append(read);
  }
  if (bytes == 0) return bytes;
  const std::string_view payload = compressor_.Finish();
  SealedHeader header;
  header.identity = {options_.cluster_id, options_.cluster_id.substr(0, 16),
                     (staging.epoch() << kNumberBits) + staging.NextNumber()};
  header.stream = file.stream;
  header.collector = part.collector;
  header.messages = messages;
  header.first_accepted = header.last_accepted = options_.clock.Wall();
  header.raw_bytes = bytes;
  header.payload_bytes = payload.size();
  header.payload_crc32c = Crc32c(payload);
  const std::string head = EncodeSealedHeader(header);
  file.staged = staged::FileName(staging.NextNumber());
  DATABUS_ASSIGN_OR_RETURN(const std::unique_ptr<FileWriter> out,
                           options_.storage.Create(staging.PathOf(file.staged)));
  DATABUS_RETURN_IF_ERROR(out->Append(head));
  DATABUS_RETURN_IF_ERROR(out->Append(payload));
  DATABUS_RETURN_IF_ERROR(out->Finish());
  file.facts = {head.size() + payload.size(), Crc32c(payload, Crc32c(head)), messages,
                header.identity};
  return bytes;
}

}  // namespace databus
