#include "collector/deliver/stager.h"

#include <utility>

#include <fmt/format.h>

#include "base/planted.h"
#include "cluster/names.h"
#include "cluster/paths.h"

namespace databus {

namespace {

// Files up to so many bytes are written together, so many at a time.
constexpr uint64_t kSmallBytes = 128 << 10;
constexpr size_t kGatheredMax = 64;

}  // namespace

std::string StagedPrefix(const SpoolIdentity& identity) { return identity.incarnation + "."; }

std::string IncarnationOf(const SpoolIntent& intent) {
  const std::string_view name = paths::BaseName(intent.staged_path);
  return std::string(name.substr(0, name.find('.')));
}

std::vector<SpoolDeferral> SpoolLook::Shares() const {
  std::vector<SpoolDeferral> shares;
  for (const StreamMessages* stream : regrouped->Streams()) {
    SpoolDeferral share{stream->stream, 0, stream->runs.front().accepted};
    for (const std::string_view message : stream->messages) share.bytes += message.size();
    shares.push_back(std::move(share));
  }
  return shares;
}

void Stager::Add(const SpoolRecord& record, SpoolLook& look) {
  const Status added = look.regrouped->Add(record.entries, record.accepted);
  look.records.push_back(
      {record.range.segment, record.range.begin, look.regrouped->records().back()});
  if (record.number != 0) {
    BatchMark& mark = look.marks[record.sender];
    if (mark.number < record.number) mark = {record.sender, record.number, record.accepted};
  }
  if (added.ok()) return;
  ++counts_.malformed;
  seams_.problems.Raise("malformed", "spool: a record cannot be read: " + added.message(),
                        "nothing: what can be read of it is delivered");
}

bool Stager::TryLook(const std::vector<SpoolRange>& ranges, std::set<SpoolRange>& unreadable,
                     SpoolLook& look) {
  uint64_t bytes = 0;
  for (const SpoolRange& range : ranges) {
    if (bytes >= settings_.cut_bytes) break;
    if (unreadable.contains(range)) continue;
    auto part = seams_.spool.Read(range, settings_.cut_bytes - bytes,
                                  [&](const SpoolRecord& record) { Add(record, look); });
    const std::string key = "segment " + std::to_string(range.segment);
    if (!part.ok()) {
      seams_.problems.Raise(key, "spool: " + key + ": " + part.status().ToString(),
                            "read again with the next cut");
      unreadable.insert(range);
      return false;
    }
    seams_.problems.Clear(key);
    bytes += part->end - part->begin;
    look.ranges.push_back(*part);
  }
  return true;
}

SpoolLook Stager::Look(const std::vector<SpoolRange>& ranges) {
  std::set<SpoolRange> unreadable;
  while (true) {
    SpoolLook look;
    if (TryLook(ranges, unreadable, look)) return look;
    // What was read of a range before it failed must not be in the cut; the others go on (G11).
  }
}

Result<SpoolLook> Stager::LookAgain(const std::vector<SpoolRange>& ranges) {
  SpoolLook look;
  for (const SpoolRange& range : ranges) {
    DATABUS_RETURN_IF_ERROR(
        seams_.spool.ReadAgain(range, [&](const SpoolRecord& record) { Add(record, look); }));
    look.ranges.push_back(range);
  }
  return look;
}

std::vector<Stager::Plan> Stager::PlanFiles(const SpoolLook& look, const Streams& streams) const {
  std::vector<Plan> plans;
  for (const StreamMessages* stream : look.regrouped->Streams()) {
    if (!streams.contains(stream->stream)) continue;
    const SealFormat format = settings_.format(stream->stream);
    for (size_t next = 0; next < stream->messages.size();) {
      plans.push_back({stream, NextRange(*stream, next, format), format});
      next = plans.back().range.last;
    }
  }
  return plans;
}

Result<std::vector<uint64_t>> Stager::Number(const SpoolLook& look, const Streams& streams) {
  std::vector<std::string> names;
  for (const Plan& plan : PlanFiles(look, streams)) names.push_back(plan.stream->stream);
  if (names.empty()) return std::vector<uint64_t>();
  return seams_.spool.NextCounters(names);
}

Result<std::vector<SpoolIntent>> Stager::Stage(const SpoolLook& look, const Streams& streams,
                                               const std::vector<uint64_t>& counters) {
  gathered_.clear();  // of an attempt that failed
  const std::vector<Plan> plans = PlanFiles(look, streams);
  const SpoolIdentity identity = seams_.spool.identity();
  std::vector<SpoolIntent> intents;
  for (size_t i = 0; i < plans.size(); ++i) {
    DATABUS_ASSIGN_OR_RETURN(SpoolIntent intent, StageOne(plans[i], counters[i], identity));
    intents.push_back(std::move(intent));
  }
  DATABUS_RETURN_IF_ERROR(WriteGathered());
  for (const SpoolIntent& intent : intents) {
    if (!Planted(Bug::kIntentAfterRename)) break;
    static_cast<void>(seams_.cluster->Rename(intent.staged_path, intent.final_path));
  }
  return intents;
}

Result<SpoolIntent> Stager::StageOne(const Plan& plan, uint64_t counter,
                                     const SpoolIdentity& identity) {
  const std::string& stream = plan.stream->stream;
  const Sealer::Origin origin{{identity.cluster_id, identity.incarnation, counter},
                              settings_.collector};
  const SealedFile file = sealer_.Seal(*plan.stream, plan.range, plan.format, origin);
  const std::string name = DataFileName{.stream = stream,
                                        .minute = Minute::Of(seams_.clock.Wall()),
                                        .sequence = counter,
                                        .gzip = plan.format.compression == Compression::kGzip}
                               .ToString();
  SpoolIntent intent;
  intent.stream = stream;
  intent.staged_path =
      paths::Join(paths::CollectorStaging(settings_.collector), StagedPrefix(identity) + name);
  intent.final_path = paths::DataFile(stream, settings_.collector, name);
  intent.note = EncodeIntentNote({.counter = counter,
                                  .length = file.length(),
                                  .crc32c = file.crc32c,
                                  .messages = file.header.messages,
                                  .first_accepted = file.header.first_accepted});
  DATABUS_RETURN_IF_ERROR(Write(intent.staged_path, file));
  return intent;
}

// Small files are gathered, because many streams with little in them would cost a sync each.
Status Stager::Write(const std::string& path, const SealedFile& file) {
  if (file.length() <= kSmallBytes) {
    gathered_.push_back({path, fmt::format("{}{}", file.head, file.body)});
    return gathered_.size() < kGatheredMax ? Status::Ok() : WriteGathered();
  }
  const auto write = [&]() -> Status {
    DATABUS_ASSIGN_OR_RETURN(const std::unique_ptr<FileWriter> writer,
                             seams_.cluster->Create(path));
    if (!file.head.empty()) DATABUS_RETURN_IF_ERROR(writer->Append(file.head));
    DATABUS_RETURN_IF_ERROR(writer->Append(file.body));
    return writer->Finish();
  };
  return write().WithContext("stage " + path);
}

Status Stager::WriteGathered() {
  const std::vector<SmallFile> files = std::exchange(gathered_, {});
  const std::vector<Status> answers = seams_.cluster->WriteFiles(files);
  for (size_t i = 0; i < files.size(); ++i) {
    DATABUS_RETURN_IF_ERROR(Status(answers[i]).WithContext("stage " + files[i].path));
  }
  return Status::Ok();
}

}  // namespace databus
