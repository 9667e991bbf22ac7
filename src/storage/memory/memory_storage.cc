#include "storage/memory/memory_storage.h"

#include <algorithm>

#include "storage/tree_path.h"

namespace databus {
namespace {

std::string_view NameOf(std::string_view path) { return path.substr(path.rfind('/') + 1); }

}  // namespace

class MemoryStorage::Reader final : public FileReader {
 public:
  Reader(const MemoryStorage& storage, std::shared_ptr<const Node> file)
      : storage_(storage), file_(std::move(file)) {}

  Result<std::string> Read(uint64_t offset, size_t most) override {
    MutexLock lock(storage_.mutex_);
    if (offset >= file_->content.size()) return std::string();
    return file_->content.substr(offset, most);
  }

 private:
  const MemoryStorage& storage_;
  const std::shared_ptr<const Node> file_;
};

class MemoryStorage::Writer final : public FileWriter {
 public:
  Writer(const MemoryStorage& storage, std::string path, std::shared_ptr<Node> file)
      : storage_(storage), path_(std::move(path)), file_(std::move(file)) {}

  Status Append(std::string_view bytes) override {
    MutexLock lock(storage_.mutex_);
    file_->content += bytes;
    file_->modified = storage_.clock_.Wall();
    return Status::Ok();
  }

  Status Finish() override {
    MutexLock lock(storage_.mutex_);
    // Durable under its name: when the directory was renamed away there is no such name to keep.
    if (storage_.Parent(path_).ok()) return Status::Ok();
    return storage_.Fail(Code::kUnavailable, path_, "the directory was moved or removed");
  }

 private:
  const MemoryStorage& storage_;
  const std::string path_;
  const std::shared_ptr<Node> file_;
};

MemoryStorage::MemoryStorage(const Clock& clock, std::string name)
    : clock_(clock), name_(std::move(name)), root_(NewNode(NodeKind::kDirectory)) {}

std::string MemoryStorage::Describe() const { return name_; }

Status MemoryStorage::Fail(Code code, std::string_view path, std::string_view why) const {
  return Status(code, name_ + ": " + std::string(path) + ": " + std::string(why));
}

std::shared_ptr<MemoryStorage::Node> MemoryStorage::NewNode(NodeKind kind) const {
  auto node = std::make_shared<Node>();
  node->kind = kind;
  node->modified = clock_.Wall();
  return node;
}

std::shared_ptr<MemoryStorage::Node> MemoryStorage::Find(std::string_view path) const {
  std::shared_ptr<Node> node = root_;
  while (!path.empty()) {
    const size_t slash = path.find('/');
    const auto entry = node->entries.find(path.substr(0, slash));
    if (entry == node->entries.end()) return nullptr;
    node = entry->second;
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
  }
  return node;
}

Result<MemoryStorage::Node*> MemoryStorage::Parent(const std::string& path) const {
  DATABUS_RETURN_IF_ERROR(CheckPath(path).WithContext(name_));
  const std::shared_ptr<Node> parent = Find(ParentOf(path));
  if (parent == nullptr || parent->kind != NodeKind::kDirectory) {
    return Fail(Code::kNotFound, path, "no such parent directory");
  }
  return parent.get();
}

Status MemoryStorage::Put(const std::string& path, std::shared_ptr<Node> node) {
  DATABUS_ASSIGN_OR_RETURN(Node* const parent, Parent(path));
  if (Find(path) != nullptr) return Fail(Code::kExists, path, "the name is taken");
  parent->entries.emplace(NameOf(path), std::move(node));
  parent->modified = clock_.Wall();
  return Status::Ok();
}

Result<NodeInfo> MemoryStorage::Stat(const std::string& path) {
  DATABUS_RETURN_IF_ERROR(CheckPath(path).WithContext(name_));
  MutexLock lock(mutex_);
  const std::shared_ptr<Node> node = Find(path);
  if (node == nullptr) return Fail(Code::kNotFound, path, "not found");
  return node->Info();
}

Result<std::vector<DirEntry>> MemoryStorage::List(const std::string& path) {
  DATABUS_RETURN_IF_ERROR(CheckPath(path).WithContext(name_));
  MutexLock lock(mutex_);
  const std::shared_ptr<Node> node = Find(path);
  if (node == nullptr) return Fail(Code::kNotFound, path, "not found");
  if (node->kind != NodeKind::kDirectory) return Fail(Code::kRefused, path, "not a directory");
  std::vector<DirEntry> entries;
  for (const auto& [name, child] : node->entries) entries.push_back({name, child->Info()});
  return entries;
}

Result<std::unique_ptr<FileReader>> MemoryStorage::Open(const std::string& path) {
  DATABUS_RETURN_IF_ERROR(CheckPath(path).WithContext(name_));
  MutexLock lock(mutex_);
  std::shared_ptr<Node> node = Find(path);
  if (node == nullptr) return Fail(Code::kNotFound, path, "not found");
  if (node->kind != NodeKind::kFile) return Fail(Code::kRefused, path, "not a regular file");
  return std::unique_ptr<FileReader>(std::make_unique<Reader>(*this, std::move(node)));
}

Result<std::unique_ptr<FileWriter>> MemoryStorage::Create(const std::string& path) {
  MutexLock lock(mutex_);
  std::shared_ptr<Node> node = NewNode(NodeKind::kFile);
  DATABUS_RETURN_IF_ERROR(Put(path, node));
  return std::unique_ptr<FileWriter>(std::make_unique<Writer>(*this, path, std::move(node)));
}

Status MemoryStorage::MakeOne(const std::string& path) {
  return Put(path, NewNode(NodeKind::kDirectory));
}

Status MemoryStorage::RenameOne(const Move& move) {
  DATABUS_ASSIGN_OR_RETURN(Node* const from_parent, Parent(move.from));
  std::shared_ptr<Node> node = Find(move.from);
  if (node == nullptr) return Fail(Code::kNotFound, move.from, "not found");
  if (move.from.empty()) return Fail(Code::kRefused, move.from, "the root cannot be moved");
  const bool directory = node->kind == NodeKind::kDirectory;
  if (directory && move.from != move.to && IsWithin(move.to, move.from)) {
    return Fail(Code::kRefused, move.to, "lies within what is moved");
  }
  DATABUS_RETURN_IF_ERROR(Put(move.to, std::move(node)));
  from_parent->entries.erase(from_parent->entries.find(NameOf(move.from)));
  from_parent->modified = clock_.Wall();
  return Status::Ok();
}

Status MemoryStorage::RemoveOne(const std::string& path) {
  DATABUS_ASSIGN_OR_RETURN(Node* const parent, Parent(path));
  const std::shared_ptr<Node> node = Find(path);
  if (node == nullptr) return Fail(Code::kNotFound, path, "not found");
  if (path.empty()) return Fail(Code::kRefused, path, "the root cannot be removed");
  if (!node->entries.empty()) return Fail(Code::kRefused, path, "directory not empty");
  parent->entries.erase(parent->entries.find(NameOf(path)));
  parent->modified = clock_.Wall();
  return Status::Ok();
}

std::vector<Status> MemoryStorage::MakeDirs(std::span<const std::string> paths) {
  MutexLock lock(mutex_);
  std::vector<Status> answers;
  for (const std::string& path : paths) answers.push_back(MakeOne(path));
  return answers;
}

std::vector<Status> MemoryStorage::Renames(std::span<const Move> moves) {
  MutexLock lock(mutex_);
  std::vector<Status> answers;
  for (const Move& move : moves) answers.push_back(RenameOne(move));
  return answers;
}

std::vector<Status> MemoryStorage::Removes(std::span<const std::string> paths) {
  MutexLock lock(mutex_);
  std::vector<Status> answers;
  for (const std::string& path : paths) answers.push_back(RemoveOne(path));
  return answers;
}

Status MemoryStorage::Replace(const std::string& path, std::string_view content) {
  MutexLock lock(mutex_);
  DATABUS_ASSIGN_OR_RETURN(Node* const parent, Parent(path));
  const std::shared_ptr<Node> old = Find(path);
  if (old != nullptr && old->kind != NodeKind::kFile) {
    return Fail(Code::kRefused, path, "not a regular file");
  }
  // A new node: whoever reads the old file goes on reading it.
  std::shared_ptr<Node> node = NewNode(NodeKind::kFile);
  node->content = content;
  parent->entries.insert_or_assign(std::string(NameOf(path)), std::move(node));
  parent->modified = clock_.Wall();
  return Status::Ok();
}

}  // namespace databus
