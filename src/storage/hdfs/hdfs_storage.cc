#include "storage/hdfs/hdfs_storage.h"

#include <algorithm>
#include <deque>
#include <limits>
#include <set>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/sync.h"
#include "storage/hdfs/file_reader.h"
#include "storage/hdfs/file_writer.h"
#include "storage/hdfs/small_files.h"
#include "storage/hdfs/wire/name_node.pb.h"
#include "storage/hdfs/wire_format.h"
#include "storage/tree_path.h"

namespace databus {
namespace {

using hdfs::Repeated;
using hdfs::RpcCall;
namespace wire = hdfs::wire;

constexpr uint32_t kDirectoryMode = 0755;
constexpr uint32_t kFileMode = 0644;
constexpr uint32_t kCreateFlag = 1;
constexpr uint32_t kErasureCodedFlag = 4;
constexpr uint64_t kUnchanged = std::numeric_limits<uint64_t>::max();  // of a time
enum FileType : uint32_t { kDirectoryType = 1, kFileType = 2 };

NodeInfo InfoOf(const wire::FileStatus& status) {
  NodeInfo info;
  info.kind = status.type() == kDirectoryType ? NodeKind::kDirectory
              : status.type() == kFileType    ? NodeKind::kFile
                                              : NodeKind::kOther;
  info.length = info.kind == NodeKind::kFile ? status.length() : 0;
  info.modified = WallTime(Milliseconds(status.modified_ms()));
  return info;
}

// Ok when the bytes of the file are plain blocks.
Status CheckPlain(const wire::FileStatus& status) {
  if (status.has_encryption()) {
    return {Code::kRefused, "lies in an encryption zone, which is not supported"};
  }
  if (status.has_erasure_coding() || (status.flags() & kErasureCodedFlag) != 0) {
    return {Code::kRefused, "is erasure coded, which is not supported"};
  }
  return Status::Ok();
}

// Calls of one kind that go out together. Requests and answers stay where they are.
template <typename Request, typename Answer>
class Batch {
 public:
  explicit Batch(std::string_view method, Repeated repeated = Repeated::kHarmless)
      : method_(method), repeated_(repeated) {}

  Request& Add() {
    requests_.emplace_back();
    answers_.emplace_back();
    calls_.push_back({.method = method_,
                      .request = &requests_.back(),
                      .answer = &answers_.back(),
                      .repeated = repeated_});
    return requests_.back();
  }
  void Run(hdfs::RpcClient& name_node) { name_node.Run(calls_); }

  size_t size() const { return calls_.size(); }
  const Status& status(size_t i) const { return calls_[i].status; }
  bool resent(size_t i) const { return calls_[i].resent; }
  const Answer& answer(size_t i) const { return answers_[i]; }

 private:
  const std::string_view method_;
  const Repeated repeated_;
  std::deque<Request> requests_;
  std::deque<Answer> answers_;
  std::vector<RpcCall> calls_;
};

// With its calls counted where they are to be.
HdfsOptions Counted(HdfsOptions options) {
  if (options.calls == nullptr) return options;
  options.name_nodes.on_call = [calls = options.calls, tree = options.url + options.root](
                                   std::string_view method) { calls->Add(tree, method); };
  return options;
}

class HdfsStorage final : public Storage {
 public:
  HdfsStorage(HdfsOptions options, const Clock& clock, Random& random)
      : options_(Counted(std::move(options))),
        clock_(clock),
        random_(random),
        name_node_(options_.name_nodes, clock, random),
        data_nodes_(options_.data_nodes, clock),
        upkeep_(clock),
        cluster_{name_node_, data_nodes_, clock, options_.name_nodes.patience, upkeep_} {}

  std::string Describe() const override { return options_.url + options_.root; }
  Result<NodeInfo> Stat(const std::string& path) override;
  Result<std::vector<DirEntry>> List(const std::string& path) override;
  Result<std::unique_ptr<FileReader>> Open(const std::string& path) override;
  std::vector<Result<std::unique_ptr<FileReader>>> Opens(
      std::span<const std::string> paths) override;
  size_t SmallFilesAtOnce() const override { return 32; }
  Result<std::unique_ptr<FileWriter>> Create(const std::string& path) override;
  std::vector<Status> MakeDirs(std::span<const std::string> paths) override;
  std::vector<Status> Renames(std::span<const Move> moves) override;
  std::vector<Status> Removes(std::span<const std::string> paths) override;
  std::vector<Status> WriteFiles(std::span<const SmallFile> files) override;
  Status Replace(const std::string& path, std::string_view content) override;
  Status SyncAll() override;

  Status MakeRoot();

 private:
  std::string Full(std::string_view path) const;
  // "hdfs://nn:8020/databus/a: rename: ..."
  Status Explain(std::string_view verb, const std::string& path, const Status& status);
  Status CheckName(const std::string& path) const;
  // Ok when `path` may be created, removed or moved. For the root itself: `if_root`.
  Status CheckChange(const std::string& path, Code if_root);
  // kUnavailable while the root is not there.
  Status CheckRoot();
  // Of those that are "not found" because there is no root, the reason.
  void ExplainAll(std::vector<Status>& answers);

  // Nothing: certainly not there. The path is from the root of the file system.
  Result<std::optional<wire::FileStatus>> Look(const std::string& full);
  Result<wire::ServerDefaults> Defaults();
  std::string ClientName() { return "databus-" + random_.Hex(16); }
  void FillCreation(const std::string& path, const wire::ServerDefaults& defaults,
                    wire::CreateRequest& request);
  // Ok when the file that was created can be written; else it is removed again.
  Status CheckCreated(const std::string& path, const wire::CreateAnswer& answer);
  std::vector<Status> WriteSome(std::span<const SmallFile> files,
                                const wire::ServerDefaults& defaults);

  std::vector<Status> LookForEach(std::span<const std::string> paths,
                                  std::span<const size_t> which);
  std::optional<std::vector<Status>> LookAtParent(std::span<const std::string> paths,
                                                  std::span<const size_t> which);
  Result<wire::DirectoryListing> ListPage(const std::string& full, const std::string& after,
                                          bool* found);
  Result<std::optional<std::vector<wire::FileStatus>>> TryListPages(const std::string& full);
  enum class Name : uint8_t { kPresent, kAbsent };
  // Sets `name` to what the name node has said of it.
  Result<std::unique_ptr<FileReader>> TryOpen(const std::string& path, Name& name);

  const HdfsOptions options_;
  const Clock& clock_;
  Random& random_;
  hdfs::RpcClient name_node_;
  hdfs::DataNodes data_nodes_;
  hdfs::Upkeep upkeep_;
  const hdfs::Cluster cluster_;
  Mutex defaults_mutex_;
  std::optional<wire::ServerDefaults> defaults_;
};

// --- Paths and messages

std::string HdfsStorage::Full(std::string_view path) const {
  if (path.empty()) return options_.root.empty() ? "/" : options_.root;
  return options_.root + "/" + std::string(path);
}

Status HdfsStorage::CheckName(const std::string& path) const {
  DATABUS_RETURN_IF_ERROR(CheckPath(path).WithContext(Describe()));
  const std::string full = Full(path) + "/";
  if (!hdfs::IsUtf8(path) || path.find(':') != std::string::npos ||
      full.find("/.snapshot/") != std::string::npos || full.starts_with("/.reserved/")) {
    return {Code::kInvalid, Describe() + ": " + path + ": not a name that HDFS keeps"};
  }
  return Status::Ok();
}

Status HdfsStorage::CheckRoot() {
  DATABUS_ASSIGN_OR_RETURN(const auto root, Look(Full("")));
  if (root && root->type() == kDirectoryType) return Status::Ok();
  return {Code::kUnavailable,
          Describe() + ": the root is " + (root ? "no directory" : "not there; is the URL right?")};
}

Status HdfsStorage::Explain(std::string_view verb, const std::string& path, const Status& status) {
  if (status.ok()) return status;
  if (status.code() == Code::kNotFound) DATABUS_RETURN_IF_ERROR(CheckRoot());
  return status.WithContext(fmt::format("{}: {} {}", Describe(), verb, path));
}

void HdfsStorage::ExplainAll(std::vector<Status>& answers) {
  const auto not_found = [](const Status& answer) { return answer.code() == Code::kNotFound; };
  if (std::none_of(answers.begin(), answers.end(), not_found)) return;
  const Status root = CheckRoot();
  if (!root.ok()) std::replace_if(answers.begin(), answers.end(), not_found, root);
}

Status HdfsStorage::CheckChange(const std::string& path, Code if_root) {
  DATABUS_RETURN_IF_ERROR(CheckName(path));
  if (!path.empty()) return Status::Ok();
  DATABUS_RETURN_IF_ERROR(CheckRoot());
  return {if_root, Describe() + ": the root itself"};
}

// --- Stat and List

Result<std::optional<wire::FileStatus>> HdfsStorage::Look(const std::string& full) {
  wire::GetFileInfoRequest request;
  request.set_path(full);
  wire::GetFileInfoAnswer answer;
  const Status status =
      name_node_.Run({.method = "getFileInfo", .request = &request, .answer = &answer});
  if (status.code() == Code::kNotFound) return std::optional<wire::FileStatus>();
  DATABUS_RETURN_IF_ERROR(status);
  if (!answer.has_status()) return std::optional<wire::FileStatus>();
  return std::optional(std::move(*answer.mutable_status()));
}

Result<NodeInfo> HdfsStorage::Stat(const std::string& path) {
  DATABUS_RETURN_IF_ERROR(CheckName(path));
  const auto found = Look(Full(path));
  if (!found.ok()) return Explain("stat", path, found.status());
  if (*found) return InfoOf(**found);
  return Explain("stat", path, {Code::kNotFound, "not there"});
}

// `found` is false when there is no such path.
Result<wire::DirectoryListing> HdfsStorage::ListPage(const std::string& full,
                                                     const std::string& after, bool* found) {
  wire::GetListingRequest request;
  request.set_path(full);
  request.set_start_after(after);
  request.set_need_location(false);
  wire::GetListingAnswer answer;
  const Status status =
      name_node_.Run({.method = "getListing", .request = &request, .answer = &answer});
  *found = status.ok() && answer.has_listing();
  if (!status.ok() && status.code() != Code::kNotFound) return status;
  return std::move(*answer.mutable_listing());
}

// All pages; nothing when the directory has changed in between, so that they are of no moment.
Result<std::optional<std::vector<wire::FileStatus>>> HdfsStorage::TryListPages(
    const std::string& full) {
  // Times are in milliseconds: a change after this pause has another one than any before it.
  constexpr Milliseconds kClockStep{2};
  std::optional<std::vector<wire::FileStatus>> nothing;
  DATABUS_ASSIGN_OR_RETURN(const auto before, Look(full));
  if (!before) return nothing;
  StopFlag never;
  never.SleepUntil(clock_, clock_.Boot() + kClockStep);
  std::vector<wire::FileStatus> entries;
  std::string after;
  while (true) {
    bool found = false;
    DATABUS_ASSIGN_OR_RETURN(const wire::DirectoryListing page, ListPage(full, after, &found));
    if (!found) return nothing;
    entries.insert(entries.end(), page.entries().begin(), page.entries().end());
    if (page.remaining() == 0 || page.entries().empty()) break;
    after = entries.back().name();
  }
  DATABUS_ASSIGN_OR_RETURN(const auto now, Look(full));
  if (!now || now->modified_ms() != before->modified_ms() || now->file_id() != before->file_id()) {
    return nothing;
  }
  return std::optional(std::move(entries));
}

Result<std::vector<DirEntry>> HdfsStorage::List(const std::string& path) {
  constexpr int kTriesMax = 20;
  DATABUS_RETURN_IF_ERROR(CheckName(path));
  bool found = false;
  const auto page = ListPage(Full(path), "", &found);
  if (!page.ok()) return Explain("list", path, page.status());
  if (!found) return Explain("list", path, {Code::kNotFound, "not there"});
  if (page->entries_size() == 1 && page->entries(0).name().empty()) {
    return Status(Code::kRefused, Describe() + ": list " + path + ": not a directory");
  }
  std::vector<wire::FileStatus> statuses(page->entries().begin(), page->entries().end());
  bool whole = page->remaining() == 0;
  for (int i = 0; i < kTriesMax && !whole; ++i) {
    auto pages = TryListPages(Full(path));
    if (!pages.ok()) return Explain("list", path, pages.status());
    whole = pages->has_value();
    if (whole) statuses = **std::move(pages);
  }
  if (!whole) {
    return Status(Code::kUnavailable, Describe() + ": list " + path + ": changes too fast");
  }
  std::vector<DirEntry> entries;
  entries.reserve(statuses.size());
  for (wire::FileStatus& status : statuses) {
    entries.push_back({std::move(*status.mutable_name()), InfoOf(status)});
  }
  // The name node compares bytes as signed numbers.
  std::sort(entries.begin(), entries.end(),
            [](const DirEntry& a, const DirEntry& b) { return a.name < b.name; });
  return entries;
}

// --- Files

Result<wire::ServerDefaults> HdfsStorage::Defaults() {
  MutexLock lock(defaults_mutex_);
  if (defaults_) return *defaults_;
  wire::Empty request;
  wire::GetServerDefaultsAnswer answer;
  DATABUS_RETURN_IF_ERROR(
      name_node_.Run({.method = "getServerDefaults", .request = &request, .answer = &answer}));
  if (answer.defaults().encrypt_data_transfer()) {
    return Status(Code::kRefused,
                  "this cluster wants encrypted transfer (dfs.encrypt.data.transfer), which is "
                  "not supported");
  }
  defaults_ = answer.defaults();
  if (options_.replication) defaults_->set_replication(*options_.replication);
  if (options_.block_bytes) defaults_->set_block_size(*options_.block_bytes);
  return *defaults_;
}

Result<std::unique_ptr<FileReader>> HdfsStorage::TryOpen(const std::string& path, Name& name) {
  DATABUS_RETURN_IF_ERROR(Defaults().status());
  wire::GetLocatedFileInfoRequest request;
  request.set_path(Full(path));
  request.set_need_block_token(true);
  wire::GetFileInfoAnswer answer;
  DATABUS_RETURN_IF_ERROR(
      name_node_.Run({.method = "getLocatedFileInfo", .request = &request, .answer = &answer}));
  name = answer.has_status() ? Name::kPresent : Name::kAbsent;
  if (name == Name::kAbsent) return Status(Code::kNotFound, "not there");
  if (answer.status().type() != kFileType) return Status(Code::kRefused, "not a regular file");
  DATABUS_RETURN_IF_ERROR(CheckPlain(answer.status()));
  return hdfs::ReaderOf(cluster_, Describe() + ": read " + path, answer.status(), ClientName());
}

Result<std::unique_ptr<FileReader>> HdfsStorage::Open(const std::string& path) {
  constexpr int kTriesMax = 5;
  DATABUS_RETURN_IF_ERROR(CheckName(path));
  Name name = Name::kAbsent;
  auto reader = TryOpen(path, name);
  // A file that was replaced while it was being opened is gone; the name is not.
  for (int i = 1; i < kTriesMax && reader.code() == Code::kNotFound && name == Name::kPresent;
       ++i) {
    reader = TryOpen(path, name);
  }
  if (!reader.ok()) return Explain("open", path, reader.status());
  return reader;
}

// Those for which something is amiss are opened by themselves, which says what, or mends it.
std::vector<Result<std::unique_ptr<FileReader>>> HdfsStorage::Opens(
    std::span<const std::string> paths) {
  Batch<wire::GetLocatedFileInfoRequest, wire::GetFileInfoAnswer> batch("getLocatedFileInfo");
  std::vector<size_t> asked;
  const bool knows_defaults = Defaults().ok();
  for (size_t i = 0; knows_defaults && i < paths.size(); ++i) {
    if (!CheckName(paths[i]).ok()) continue;
    wire::GetLocatedFileInfoRequest& request = batch.Add();
    request.set_path(Full(paths[i]));
    request.set_need_block_token(true);
    asked.push_back(i);
  }
  batch.Run(name_node_);
  std::vector<hdfs::FileToRead> files;
  std::vector<size_t> of;
  for (size_t i = 0; i < batch.size(); ++i) {
    const wire::FileStatus& status = batch.answer(i).status();
    const bool well = batch.status(i).ok() && batch.answer(i).has_status() &&
                      status.type() == kFileType && CheckPlain(status).ok();
    if (!well) continue;
    files.push_back({Describe() + ": read " + paths[asked[i]], &status, ClientName()});
    of.push_back(asked[i]);
  }
  auto opened = hdfs::ReadersOf(cluster_, files);
  std::vector<Result<std::unique_ptr<FileReader>>> readers;
  readers.reserve(paths.size());
  for (size_t i = 0, next = 0; i < paths.size(); ++i) {
    const bool have = next < of.size() && of[next] == i && opened[next].ok();
    readers.push_back(have ? std::move(opened[next]) : Open(paths[i]));
    if (next < of.size() && of[next] == i) ++next;
  }
  return readers;
}

void HdfsStorage::FillCreation(const std::string& path, const wire::ServerDefaults& defaults,
                               wire::CreateRequest& request) {
  request.set_path(Full(path));
  request.mutable_permission()->set_mode(kFileMode);
  request.set_client_name(ClientName());
  request.set_flags(kCreateFlag);
  request.set_create_parent(false);
  request.set_replication(defaults.replication());
  request.set_block_size(defaults.block_size());
}

Status HdfsStorage::CheckCreated(const std::string& path, const wire::CreateAnswer& answer) {
  const Status plain = CheckPlain(answer.status());
  if (!plain.ok()) static_cast<void>(Remove(path));
  return plain;
}

Result<std::unique_ptr<FileWriter>> HdfsStorage::Create(const std::string& path) {
  DATABUS_RETURN_IF_ERROR(CheckChange(path, Code::kExists));
  const auto defaults = Defaults();
  if (!defaults.ok()) return Explain("create", path, defaults.status());
  wire::CreateRequest request;
  FillCreation(path, *defaults, request);
  wire::CreateAnswer answer;
  Status status = name_node_.Run({.method = "create",
                                  .request = &request,
                                  .answer = &answer,
                                  .repeated = Repeated::kRemembered});
  if (status.ok()) status = CheckCreated(path, answer);
  if (!status.ok()) return Explain("create", path, status);
  return hdfs::WriterOf(cluster_,
                        {request.path(), request.client_name(), answer.status().file_id()},
                        defaults->block_size());
}

std::vector<Status> HdfsStorage::WriteFiles(std::span<const SmallFile> files) {
  constexpr size_t kOpenMost = 128;
  const auto defaults = Defaults();
  if (!defaults.ok()) {
    return std::vector<Status>(files.size(), defaults.status().WithContext(Describe()));
  }
  std::vector<Status> answers;
  for (size_t first = 0; first < files.size(); first += kOpenMost) {
    const auto some = files.subspan(first, std::min(kOpenMost, files.size() - first));
    for (Status& answer : WriteSome(some, *defaults)) answers.push_back(std::move(answer));
  }
  ExplainAll(answers);
  return answers;
}

std::vector<Status> HdfsStorage::WriteSome(std::span<const SmallFile> files,
                                           const wire::ServerDefaults& defaults) {
  // A file of more than one block, or of much, goes its own way.
  const uint64_t small = std::min<uint64_t>(defaults.block_size(), 1u << 20);
  Batch<wire::CreateRequest, wire::CreateAnswer> batch("create", Repeated::kRemembered);
  std::vector<Status> answers;
  std::vector<std::string> client_names;
  std::vector<size_t> indices;
  std::set<std::string_view> begun;
  std::vector<size_t> later;  // a name for the second time: of calls under way none is the first
  for (const SmallFile& file : files) {
    Status checked = CheckChange(file.path, Code::kExists);
    if (checked.ok() && file.content.size() > small) {
      checked = WriteFile(file.path, file.content);
    } else if (checked.ok() && !begun.insert(file.path).second) {
      later.push_back(answers.size());
    } else if (checked.ok()) {
      wire::CreateRequest& request = batch.Add();
      FillCreation(file.path, defaults, request);
      client_names.push_back(request.client_name());
      indices.push_back(answers.size());
    }
    answers.push_back(std::move(checked));
  }
  batch.Run(name_node_);
  std::vector<hdfs::FilledFile> created;
  std::vector<size_t> of;
  for (size_t i = 0; i < batch.size(); ++i) {
    const SmallFile& file = files[indices[i]];
    Status status = batch.status(i);
    if (status.ok()) status = CheckCreated(file.path, batch.answer(i));
    answers[indices[i]] = status;
    if (!status.ok()) continue;
    created.push_back(
        {{Full(file.path), client_names[i], batch.answer(i).status().file_id()}, file.content});
    of.push_back(indices[i]);
  }
  const std::vector<Status> filled = hdfs::FillFiles(cluster_, created);
  for (size_t i = 0; i < of.size(); ++i) answers[of[i]] = filled[i];
  for (const size_t i : indices) {
    answers[i] = answers[i].WithContext(Describe() + ": write " + files[i].path);
  }
  for (const size_t i : later) answers[i] = WriteFile(files[i].path, files[i].content);
  return answers;
}

Status HdfsStorage::Replace(const std::string& path, std::string_view content) {
  DATABUS_RETURN_IF_ERROR(CheckChange(path, Code::kRefused));
  const std::string parent(ParentOf(path));
  const std::string beside = (parent.empty() ? "" : parent + "/") + ".replace-" + random_.Hex(16);
  DATABUS_RETURN_IF_ERROR(WriteFile(beside, content));
  wire::Rename2Request request;
  request.set_from(Full(beside));
  request.set_to(Full(path));
  request.set_overwrite(true);
  wire::Empty answer;
  Status status = name_node_.Run({.method = "rename2",
                                  .request = &request,
                                  .answer = &answer,
                                  .repeated = Repeated::kRemembered});
  if (!status.ok() && !status.unknown()) static_cast<void>(Remove(beside));
  // A file gives way; so it is a directory that does not.
  if (status.code() == Code::kExists) status = Status(Code::kRefused, status.message());
  return Explain("replace", path, status);
}

// --- Changes of the tree

// For each path: ok when nothing is there, and it may be made.
std::vector<Status> HdfsStorage::LookForEach(std::span<const std::string> paths,
                                             std::span<const size_t> which) {
  Batch<wire::GetFileInfoRequest, wire::GetFileInfoAnswer> looks("getFileInfo");
  for (const size_t i : which) looks.Add().set_path(Full(paths[i]));
  looks.Run(name_node_);
  std::vector<Status> answers;
  for (size_t i = 0; i < looks.size(); ++i) {
    answers.push_back(looks.status(i).ok() && looks.answer(i).has_status()
                          ? Status(Code::kExists, "it is there")
                          : looks.status(i));
  }
  return answers;
}

// The same of many in one directory, which costs one call; nothing: they are not, or it did not
// work.
std::optional<std::vector<Status>> HdfsStorage::LookAtParent(std::span<const std::string> paths,
                                                             std::span<const size_t> which) {
  constexpr size_t kWorthIt = 3;
  if (which.size() < kWorthIt) return std::nullopt;
  const std::string_view parent = ParentOf(paths[which.front()]);
  for (const size_t i : which) {
    if (ParentOf(paths[i]) != parent) return std::nullopt;
  }
  const auto entries = List(std::string(parent));
  if (!entries.ok()) return std::nullopt;
  std::set<std::string_view> there;
  for (const DirEntry& entry : *entries) there.insert(entry.name);
  std::vector<Status> answers;
  for (const size_t i : which) {
    const std::string_view name =
        std::string_view(paths[i]).substr(parent.empty() ? 0 : parent.size() + 1);
    answers.push_back(there.contains(name) ? Status(Code::kExists, "it is there") : Status::Ok());
  }
  return answers;
}

std::vector<Status> HdfsStorage::MakeDirs(std::span<const std::string> paths) {
  std::vector<Status> answers;
  std::vector<size_t> looked;
  for (const std::string& path : paths) {
    answers.push_back(CheckChange(path, Code::kExists));
    if (answers.back().ok()) looked.push_back(answers.size() - 1);
  }
  auto looks = LookAtParent(paths, looked);
  if (!looks) looks = LookForEach(paths, looked);
  Batch<wire::MkdirsRequest, wire::BooleanAnswer> batch("mkdirs");
  std::vector<size_t> made;
  for (size_t i = 0; i < looked.size(); ++i) {
    answers[looked[i]] = (*looks)[i];
    if (!(*looks)[i].ok()) continue;
    wire::MkdirsRequest& request = batch.Add();
    request.set_path(Full(paths[looked[i]]));
    request.mutable_permission()->set_mode(kDirectoryMode);
    request.set_create_parent(false);
    made.push_back(looked[i]);
  }
  batch.Run(name_node_);
  for (size_t i = 0; i < batch.size(); ++i) {
    answers[made[i]] = batch.status(i);
    if (batch.status(i).ok() && !batch.answer(i).result()) {
      answers[made[i]] = {Code::kUnavailable, "the name node did not make it"};
    }
  }
  for (const size_t i : looked) {
    answers[i] = answers[i].WithContext(Describe() + ": make directory " + paths[i]);
  }
  ExplainAll(answers);
  return answers;
}

std::vector<Status> HdfsStorage::Renames(std::span<const Move> moves) {
  Batch<wire::Rename2Request, wire::Empty> batch("rename2", Repeated::kRemembered);
  std::vector<Status> answers;
  std::vector<size_t> indices;
  for (const Move& move : moves) {
    Status checked = CheckChange(move.from, Code::kRefused);
    if (checked.ok()) checked = CheckChange(move.to, Code::kExists);
    if (checked.ok()) {
      wire::Rename2Request& request = batch.Add();
      request.set_from(Full(move.from));
      request.set_to(Full(move.to));
      request.set_overwrite(false);
      indices.push_back(answers.size());
    }
    answers.push_back(std::move(checked));
  }
  batch.Run(name_node_);
  for (size_t i = 0; i < batch.size(); ++i) {
    const Move& move = moves[indices[i]];
    answers[indices[i]] = batch.status(i).WithContext(
        fmt::format("{}: rename {} to {}", Describe(), move.from, move.to));
  }
  ExplainAll(answers);
  return answers;
}

std::vector<Status> HdfsStorage::Removes(std::span<const std::string> paths) {
  Batch<wire::DeleteRequest, wire::BooleanAnswer> batch("delete", Repeated::kRemembered);
  std::vector<Status> answers;
  std::vector<size_t> indices;
  for (const std::string& path : paths) {
    answers.push_back(CheckChange(path, Code::kRefused));
    if (!answers.back().ok()) continue;
    wire::DeleteRequest& request = batch.Add();
    request.set_path(Full(path));
    request.set_recursive(false);
    indices.push_back(answers.size() - 1);
  }
  batch.Run(name_node_);
  for (size_t i = 0; i < batch.size(); ++i) {
    Status status = batch.status(i);
    if (status.ok() && !batch.answer(i).result()) {
      // The second time it would not be there any more.
      status = {batch.resent(i) ? Code::kUnavailable : Code::kNotFound, "not there"};
    }
    answers[indices[i]] =
        status.WithContext(fmt::format("{}: remove {}", Describe(), paths[indices[i]]));
  }
  ExplainAll(answers);
  return answers;
}

Status HdfsStorage::SyncAll() {
  DATABUS_ASSIGN_OR_RETURN(const auto root, Look(Full("")));
  if (!root) return CheckRoot();
  // Any change that the name node logs makes durable whatever it has logged before; this one
  // changes nothing.
  wire::SetTimesRequest request;
  request.set_path(Full(""));
  request.set_modified_ms(root->modified_ms());
  request.set_accessed_ms(kUnchanged);
  wire::Empty answer;
  const Status status =
      name_node_.Run({.method = "setTimes", .request = &request, .answer = &answer});
  if (status.ok()) return status;
  return {Code::kUnavailable, Describe() + ": sync: " + status.message()};
}

Status HdfsStorage::MakeRoot() {
  wire::MkdirsRequest request;
  request.set_path(Full(""));
  request.mutable_permission()->set_mode(kDirectoryMode);
  request.set_create_parent(true);
  wire::BooleanAnswer answer;
  const Status status =
      name_node_.Run({.method = "mkdirs", .request = &request, .answer = &answer});
  if (status.code() == Code::kNotFound || status.code() == Code::kExists) {
    return {Code::kRefused, Describe() + ": something else is in the way: " + status.message()};
  }
  if (!status.ok()) return status.WithContext(Describe() + ": make the root");
  return CheckRoot();
}

}  // namespace

std::unique_ptr<Storage> OpenHdfsStorage(HdfsOptions options, const Clock& clock, Random& random) {
  return std::make_unique<HdfsStorage>(std::move(options), clock, random);
}

Status CreateHdfsRoot(const HdfsOptions& options, const Clock& clock, Random& random) {
  return HdfsStorage(options, clock, random).MakeRoot();
}

}  // namespace databus
