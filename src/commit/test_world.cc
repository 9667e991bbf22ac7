#include "commit/test_world.h"

#include <algorithm>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/crc32c.h"
#include "cluster/names.h"
#include "cluster/sealed_header.h"
#include "commit/cluster_id.h"

namespace databus {
namespace {

void ReadInto(Storage& storage, const std::string& path, Tree& tree) {
  const auto entries = storage.List(path);
  if (!entries.ok()) return;
  for (const DirEntry& entry : *entries) {
    const std::string below = paths::Join(path, entry.name);
    if (entry.info.kind == NodeKind::kDirectory) {
      tree[below + '/'];
      ReadInto(storage, below, tree);
    } else {
      tree[below] = *storage.ReadFile(below);
    }
  }
}

void Must(const Status& status) { ASSERT_TRUE(status.ok()) << status.ToString(); }

std::string PublishedName(const std::string& collector, const std::string& stream,
                          const std::string& data_name) {
  return PublishedFileName{collector, *DataFileName::Parse(stream, data_name)}.ToString();
}

}  // namespace

Tree ReadTree(Storage& storage, const std::string& top) {
  Tree tree;
  ReadInto(storage, top, tree);
  return tree;
}

std::string SealedBytes(const std::string& stream, const FileIdentity& identity) {
  SealedHeader header;
  header.identity = identity;
  header.stream = stream;
  header.collector = "c1";
  header.messages = identity.counter;
  const std::string payload = "messages of " + stream;
  header.payload_bytes = payload.size();
  header.payload_crc32c = Crc32c(payload);
  return EncodeSealedHeader(header) + payload;
}

std::optional<std::string> FixedRules::PrimaryOf(View view, const std::string& stream) const {
  return view == View::kLocal || own.contains(stream) ? "" : "dc2";
}

std::vector<std::string> FixedRules::QueuesOf(View view, const std::string& /*stream*/) const {
  if (view == View::kMerged) return {};
  return {paths::Consumers("dc1"), paths::Consumers("dc2")};
}

std::set<std::string> FixedRules::Primaries(View view) const {
  return view == View::kLocal ? std::set<std::string>{""} : std::set<std::string>{"", "dc2"};
}

Minute StartMinute() { return *Minute::ParseIso("2031-05-06T10:58Z"); }

const std::set<RecoveryRow>& RowsOfOneFault() {
  static const std::set<RecoveryRow> rows = {
      RecoveryRow::kMoveDue,
      RecoveryRow::kMoveDone,
      RecoveryRow::kMoveUnknown,
      RecoveryRow::kRecordFound,
      RecoveryRow::kCleanUpDone,
      RecoveryRow::kCleanUpAway,
      RecoveryRow::kClaimWithoutRecord,
      RecoveryRow::kFileWithoutRecord,
      RecoveryRow::kMinuteDirWithoutRecord,
      RecoveryRow::kPurgedHour,
      RecoveryRow::kFencedDirEmpty,
  };
  return rows;
}

CommitRequest RequestOf(std::vector<NewFile> files) {
  CommitRequest request;
  request.files = std::move(files);
  return request;
}

World::World()
    : clock(StartMinute().Start()),
      dc1(clock, "dc1:"),
      dc2(clock, "dc2:"),
      random(SeededRandom(1)) {
  Must(EnsureServiceDirs(dc1));
  Must(EnsureServiceDirs(dc2));
  Must(dc2.MakeDir(paths::Consumers("dc1")));
}

DataFileRef World::Deliver(const std::string& stream, const std::string& collector, Minute minute,
                           uint64_t sequence) {
  const std::string name = DataFileName{stream, minute, sequence, true}.ToString();
  const std::string content =
      SealedBytes(stream, {"dc1", fmt::format("{:016x}", Crc32c(collector)), sequence});
  const std::string dir = paths::DataCollector(stream, collector);
  Must(EnsureDirsBelow(dc1, paths::Data(), dir));
  Must(dc1.WriteFile(paths::Join(dir, name), content));
  delivered[PublishedName(collector, stream, name)] = content;
  return {stream, collector, name};
}

void World::Enqueue(const std::string& name, const std::vector<DataFileRef>& files) {
  const std::string path = paths::Join(paths::Consumers("dc1"), name);
  Must(dc2.WriteFile(path, name));
  for (const DataFileRef& file : files) {
    entries[path].insert(PublishedName(file.collector, file.stream, file.name));
  }
}

std::vector<DataFileRef> World::InData() {
  std::vector<DataFileRef> files;
  for (const auto& [path, content] : ReadTree(dc1, paths::Data())) {
    if (path.back() == '/') continue;
    const std::string_view dir = paths::Parent(path);
    files.push_back({std::string(paths::BaseName(paths::Parent(dir))),
                     std::string(paths::BaseName(dir)), std::string(paths::BaseName(path))});
  }
  return files;
}

Process::Process(World& world, Remote remote, View view)
    : world_(world),
      dc1_(world.dc1, plan_),
      dc2_(world.dc2, plan_),
      options_{.storage = dc1_,
               .random = *world.random,
               .rules = world.rules,
               .find_cluster = [this, remote](const std::string& cluster) -> Storage* {
                 return remote == Remote::kReachable && cluster == "dc2" ? &dc2_ : nullptr;
               },
               .rows = world.rows,
               .view = view,
               .group = 0,
               .groups = 1,
               .root_url = "memory://dc1/databus"} {}

Status Process::Dropped(Status status) {
  if (!status.ok()) Drop();
  return status;
}

Status Process::Open() {
  claims_.clear();
  auto opened = GroupWriter::Open(options_);
  if (!opened.ok()) return Dropped(opened.status());
  writer_ = std::move(*opened);
  claims_ = writer_->TakeRecoveredClaims();
  return Status::Ok();
}

Status Process::Take() {
  if (!open()) DATABUS_RETURN_IF_ERROR(Open());
  const auto claimed = writer_->ClaimFiles(world_.InData());
  if (!claimed.ok()) return Dropped(claimed.status());
  claims_.insert(claims_.end(), claimed->begin(), claimed->end());
  return Status::Ok();
}

Result<CommitRequest> Process::Request() {
  CommitRequest request;
  for (const Claim& claim : claims_) {
    // "<stream>-YYYY-MM-DD-HH-MM_NNNNN.gz"
    const std::string stream = claim.data_name.substr(0, claim.data_name.rfind('_') - 17);
    const std::string name = PublishedName(claim.collector, stream, claim.data_name);
    DATABUS_ASSIGN_OR_RETURN(const FileFacts read,
                             ReadFacts(dc1_, writer_->staging().PathOf(claim.staged)));
    const ManifestFile& facts = read.file;
    if (DataFileName::Parse(stream, claim.data_name)->sequence == kRefusedSequence) {
      request.unfit.push_back({stream, claim.staged, name, facts.length, facts.crc32c, "bad"});
    } else {
      request.files.push_back({stream, claim.staged, name, facts});
    }
  }
  AddCleanUps(request);
  return request;
}

void Process::AddCleanUps(CommitRequest& request) {
  std::set<std::string> published;
  for (const auto& [path, content] : ReadTree(world_.dc1, paths::ViewRoot(View::kLocal))) {
    published.insert(std::string(paths::BaseName(path)));
  }
  for (const NewFile& file : request.files) published.insert(file.name);
  for (const auto& [path, names] : world_.entries) {
    if (!world_.dc2.Stat(path).ok()) continue;
    const bool all = std::all_of(names.begin(), names.end(),
                                 [&](const std::string& name) { return published.contains(name); });
    if (all) request.clean_ups.push_back({"dc2", path, ""});
  }
}

Status Process::Publish(Minute now) {
  DATABUS_RETURN_IF_ERROR(Take());
  auto request = Request();
  if (!request.ok()) return Dropped(request.status());
  const auto report = writer_->Publish(std::move(*request), now);
  DATABUS_RETURN_IF_ERROR(Dropped(report.status()));
  std::erase_if(claims_, [&](const Claim& claim) {
    return std::ranges::none_of(
        report->refused, [&](const Refusal& refusal) { return refusal.staged == claim.staged; });
  });
  return Dropped(writer_->RetryCleanUps());
}

Status Process::Close(Minute now) {
  if (!open()) DATABUS_RETURN_IF_ERROR(Open());
  return Dropped(writer_->CloseBefore(now));
}

Status Process::Purge(const std::string& stream, Minute hour) {
  if (!open()) DATABUS_RETURN_IF_ERROR(Open());
  return Dropped(writer_->RemoveHour(stream, hour));
}

Result<NewFile> Process::Stage(const std::string& stream, const std::string& name,
                               const std::string& content) {
  DATABUS_ASSIGN_OR_RETURN(const std::string staged, writer_->staging().StageText(content));
  DATABUS_ASSIGN_OR_RETURN(const FileFacts facts,
                           ReadFacts(dc1_, writer_->staging().PathOf(staged)));
  return NewFile{stream, staged, name, facts.file};
}

std::vector<std::string> Process::Incidents() {
  std::vector<std::string> lines;
  if (!open()) return lines;
  for (Incident& incident : writer_->TakeIncidents()) lines.push_back(std::move(incident.what));
  return lines;
}

}  // namespace databus
