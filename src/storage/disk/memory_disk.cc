#include "storage/disk/memory_disk.h"

#include <algorithm>

namespace databus {
namespace {

Status Fail(Code code, std::string_view path, std::string_view why) {
  return Status(code, "memory disk: " + std::string(path) + ": " + std::string(why));
}

// The components of an absolute path.
std::vector<std::string> Split(std::string_view path) {
  std::vector<std::string> parts;
  while (!path.empty()) {
    const size_t slash = path.find('/');
    if (slash != 0) parts.emplace_back(path.substr(0, slash));
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
  }
  return parts;
}

}  // namespace

struct MemoryDisk::Node {
  explicit Node(bool is_directory) : directory(is_directory) {}
  const bool directory;

  // Of a file.
  std::string content;
  uint64_t synced_bytes = 0;
  std::vector<std::pair<uint64_t, uint64_t>> doomed;  // [from, to): never durable

  // Of a directory.
  std::map<std::string, NodePtr> entries;
  std::map<std::string, NodePtr> durable_entries;
  uint64_t locked_in = 0;  // 1 + the count of power cuts when it was locked; 0: free
};

class MemoryDisk::File final : public DiskFile {
 public:
  enum class Mode : uint8_t { kAppend, kRead };
  File(MemoryDisk& disk, NodePtr node, Mode mode)
      : disk_(disk), node_(std::move(node)), mode_(mode), power_cuts_(disk.power_cuts_) {}

  Status Append(std::span<const std::string_view> parts) override {
    MutexLock lock(disk_.mutex_);
    DATABUS_RETURN_IF_ERROR(Usable());
    if (mode_ == Mode::kRead) return Fail(Code::kRefused, "append", "open for reading only");
    uint64_t used_bytes = disk_.UsedBytes();
    for (const std::string_view part : parts) {
      const uint64_t room = disk_.capacity_bytes_ - std::min(used_bytes, disk_.capacity_bytes_);
      node_->content += part.substr(0, room);
      if (part.size() > room) return Fail(Code::kNoSpace, "append", "disk full");
      used_bytes += part.size();
    }
    return Status::Ok();
  }

  Status Sync() override {
    MutexLock lock(disk_.mutex_);
    DATABUS_RETURN_IF_ERROR(Usable());
    if (std::exchange(disk_.fail_next_sync_, false)) {
      node_->doomed.emplace_back(node_->synced_bytes, node_->content.size());
      return Fail(Code::kUnavailable, "sync", "input/output error");
    }
    node_->synced_bytes = node_->content.size();
    return Status::Ok();
  }

  Status ReadAt(uint64_t offset, size_t most, std::string& out) override {
    MutexLock lock(disk_.mutex_);
    out.clear();
    DATABUS_RETURN_IF_ERROR(Usable());
    if (offset < node_->content.size()) out = node_->content.substr(offset, most);
    return Status::Ok();
  }

  Result<uint64_t> Size() override {
    MutexLock lock(disk_.mutex_);
    DATABUS_RETURN_IF_ERROR(Usable());
    return uint64_t{node_->content.size()};
  }

  Result<bool> HasName() override {
    MutexLock lock(disk_.mutex_);
    DATABUS_RETURN_IF_ERROR(Usable());
    return IsBelow(*disk_.root_);
  }

 private:
  bool IsBelow(const Node& directory) const {
    return std::ranges::any_of(directory.entries, [this](const auto& entry) {
      return entry.second == node_ || IsBelow(*entry.second);
    });
  }

  Status Usable() const {
    if (power_cuts_ == disk_.power_cuts_) return Status::Ok();
    return Fail(Code::kUnavailable, "file", "opened before the power cut");
  }

  MemoryDisk& disk_;
  const NodePtr node_;
  const Mode mode_;
  const uint64_t power_cuts_;
};

class MemoryDisk::HeldLock final : public Disk::Lock {
 public:
  HeldLock(MemoryDisk& disk, NodePtr directory)
      : disk_(disk), directory_(std::move(directory)), token_(directory_->locked_in) {}
  ~HeldLock() override {
    MutexLock lock(disk_.mutex_);
    if (directory_->locked_in == token_) directory_->locked_in = 0;
  }

 private:
  MemoryDisk& disk_;
  const NodePtr directory_;
  const uint64_t token_;
};

MemoryDisk::MemoryDisk(uint64_t capacity_bytes)
    : capacity_bytes_(capacity_bytes), root_(std::make_shared<Node>(true)) {}

MemoryDisk::~MemoryDisk() = default;

void MemoryDisk::PowerCut(Random& random) {
  MutexLock lock(mutex_);
  std::vector<NodePtr> cut;  // directories whose later changes are lost
  for (const NameChange& change : pending_) {
    if (!Touches(change, cut) && random.Below(2) == 0) {
      MakeDurable(change);
    } else {
      for (const Naming& naming : change) cut.push_back(naming.directory);
    }
  }
  pending_.clear();
  Revert(*root_, random);
  ++power_cuts_;
}

void MemoryDisk::Revert(Node& node, Random& random) {
  if (node.directory) {
    node.entries = node.durable_entries;
    for (const auto& [name, child] : node.entries) Revert(*child, random);
    return;
  }
  const uint64_t unsynced_bytes = node.content.size() - node.synced_bytes;
  node.content.resize(node.synced_bytes + random.Below(unsynced_bytes + 1));
  node.synced_bytes = node.content.size();
  for (const auto& [from, to] : node.doomed) {
    for (uint64_t i = from; i < std::min<uint64_t>(to, node.content.size()); ++i) {
      node.content[i] = '\0';
    }
  }
  node.doomed.clear();
}

void MemoryDisk::FailNextSync() {
  MutexLock lock(mutex_);
  fail_next_sync_ = true;
}

void MemoryDisk::SetCapacity(uint64_t bytes) {
  MutexLock lock(mutex_);
  capacity_bytes_ = bytes;
}

std::optional<MemoryDisk::Flip> MemoryDisk::FlipBit(Random& random, std::string_view name_prefix) {
  MutexLock lock(mutex_);
  std::vector<NodePtr> files;
  std::vector<NodePtr> left{root_};
  while (!left.empty()) {
    const NodePtr directory = left.back();
    left.pop_back();
    for (const auto& [name, child] : directory->entries) {
      if (child->directory) left.push_back(child);
      if (name.starts_with(name_prefix) && !child->content.empty()) files.push_back(child);
    }
  }
  if (files.empty()) return std::nullopt;
  std::string& content = files[random.Below(files.size())]->content;
  Flip flip{content, random.Below(content.size())};
  content[flip.offset] = static_cast<char>(content[flip.offset] ^ (1 << random.Below(8)));
  return flip;
}

uint64_t MemoryDisk::UsedBytes() const {
  uint64_t used_bytes = 0;
  std::vector<const Node*> left{root_.get()};
  while (!left.empty()) {
    const Node* node = left.back();
    left.pop_back();
    used_bytes += node->content.size();
    for (const auto& [name, child] : node->entries) left.push_back(child.get());
  }
  return used_bytes;
}

MemoryDisk::NodePtr MemoryDisk::Find(std::string_view path) const {
  NodePtr node = root_;
  for (const std::string& part : Split(path)) {
    const auto entry = node->entries.find(part);
    if (entry == node->entries.end()) return nullptr;
    node = entry->second;
  }
  return node;
}

Result<MemoryDisk::NodePtr> MemoryDisk::FindDirectory(const std::string& path) const {
  if (!path.starts_with('/')) return Fail(Code::kInvalid, path, "not an absolute path");
  NodePtr node = Find(path);
  if (node == nullptr) return Fail(Code::kNotFound, path, "not found");
  if (!node->directory) return Fail(Code::kRefused, path, "not a directory");
  return node;
}

Result<MemoryDisk::Place> MemoryDisk::Locate(const std::string& path) const {
  if (!path.starts_with('/')) return Fail(Code::kInvalid, path, "not an absolute path");
  const size_t slash = path.rfind('/');
  if (slash + 1 == path.size()) return Fail(Code::kRefused, path, "not a name in a directory");
  NodePtr directory = Find(path.substr(0, slash));
  if (directory == nullptr || !directory->directory) {
    return Fail(Code::kNotFound, path, "no such parent directory");
  }
  std::string name = path.substr(slash + 1);
  const auto entry = directory->entries.find(name);
  NodePtr node = entry == directory->entries.end() ? nullptr : entry->second;
  return Place{std::move(directory), std::move(name), std::move(node)};
}

void MemoryDisk::Change(NameChange change) {
  for (const Naming& naming : change) {
    if (naming.node == nullptr) {
      naming.directory->entries.erase(naming.name);
    } else {
      naming.directory->entries.insert_or_assign(naming.name, naming.node);
    }
  }
  pending_.push_back(std::move(change));
}

void MemoryDisk::MakeDurable(const NameChange& change) {
  for (const Naming& naming : change) {
    if (naming.node == nullptr) {
      naming.directory->durable_entries.erase(naming.name);
    } else {
      naming.directory->durable_entries.insert_or_assign(naming.name, naming.node);
    }
  }
}

bool MemoryDisk::Touches(const NameChange& change, const std::vector<NodePtr>& directories) {
  return std::any_of(change.begin(), change.end(), [&](const Naming& naming) {
    return std::find(directories.begin(), directories.end(), naming.directory) != directories.end();
  });
}

Result<std::unique_ptr<DiskFile>> MemoryDisk::Create(const std::string& path) {
  MutexLock lock(mutex_);
  DATABUS_ASSIGN_OR_RETURN(const Place place, Locate(path));
  if (place.node != nullptr) return Fail(Code::kExists, path, "the name is taken");
  NodePtr node = std::make_shared<Node>(false);
  Change({{place.directory, place.name, node}});
  return std::unique_ptr<DiskFile>(
      std::make_unique<File>(*this, std::move(node), File::Mode::kAppend));
}

Result<std::unique_ptr<DiskFile>> MemoryDisk::Open(const std::string& path) {
  MutexLock lock(mutex_);
  DATABUS_ASSIGN_OR_RETURN(Place place, Locate(path));
  if (place.node == nullptr) return Fail(Code::kNotFound, path, "not found");
  if (place.node->directory) return Fail(Code::kRefused, path, "not a regular file");
  return std::unique_ptr<DiskFile>(
      std::make_unique<File>(*this, std::move(place.node), File::Mode::kRead));
}

Result<std::vector<std::string>> MemoryDisk::List(const std::string& path) {
  MutexLock lock(mutex_);
  DATABUS_ASSIGN_OR_RETURN(const NodePtr directory, FindDirectory(path));
  std::vector<std::string> names;
  for (const auto& [name, node] : directory->entries) names.push_back(name);
  return names;
}

Status MemoryDisk::MakeDirs(const std::string& path) {
  MutexLock lock(mutex_);
  if (!path.starts_with('/')) return Fail(Code::kInvalid, path, "not an absolute path");
  NodePtr directory = root_;
  for (const std::string& part : Split(path)) {
    const auto entry = directory->entries.find(part);
    NodePtr next = entry == directory->entries.end() ? nullptr : entry->second;
    if (next != nullptr && !next->directory) return Fail(Code::kRefused, path, "a file in the way");
    if (next == nullptr) {
      next = std::make_shared<Node>(true);
      Change({{directory, part, next}});
    }
    directory = std::move(next);
  }
  return Status::Ok();
}

Status MemoryDisk::Rename(const std::string& from, const std::string& to) {
  MutexLock lock(mutex_);
  DATABUS_ASSIGN_OR_RETURN(const Place source, Locate(from));
  DATABUS_ASSIGN_OR_RETURN(const Place target, Locate(to));
  if (source.node == nullptr) return Fail(Code::kNotFound, from, "not found");
  if (source.node == target.node) return Status::Ok();
  if (source.node->directory && to.starts_with(from + "/")) {
    return Fail(Code::kRefused, to, "lies within what is moved");
  }
  if (target.node != nullptr &&
      (target.node->directory != source.node->directory || !target.node->entries.empty())) {
    return Fail(Code::kRefused, to, "cannot be replaced");
  }
  Change({{source.directory, source.name, nullptr}, {target.directory, target.name, source.node}});
  return Status::Ok();
}

Status MemoryDisk::Remove(const std::string& path) {
  MutexLock lock(mutex_);
  DATABUS_ASSIGN_OR_RETURN(const Place place, Locate(path));
  if (place.node == nullptr) return Fail(Code::kNotFound, path, "not found");
  if (!place.node->entries.empty()) return Fail(Code::kRefused, path, "directory not empty");
  Change({{place.directory, place.name, nullptr}});
  return Status::Ok();
}

Status MemoryDisk::SyncDir(const std::string& path) {
  MutexLock lock(mutex_);
  DATABUS_ASSIGN_OR_RETURN(const NodePtr directory, FindDirectory(path));
  // What it needs: changes in the directory, and whatever came before them in other directories
  // that they share with a rename.
  std::vector<NodePtr> needed{directory};
  std::list<NameChange> durable;
  for (auto change = pending_.end(); change != pending_.begin();) {
    --change;
    if (!Touches(*change, needed)) continue;
    for (const Naming& naming : *change) needed.push_back(naming.directory);
    const auto moved = change++;
    durable.splice(durable.begin(), pending_, moved);
  }
  for (const NameChange& change : durable) MakeDurable(change);
  return Status::Ok();
}

Result<uint64_t> MemoryDisk::FreeBytes(const std::string& path) {
  MutexLock lock(mutex_);
  if (Find(path) == nullptr) return Fail(Code::kNotFound, path, "not found");
  return capacity_bytes_ - std::min(UsedBytes(), capacity_bytes_);
}

Result<std::unique_ptr<Disk::Lock>> MemoryDisk::LockDir(const std::string& path) {
  MutexLock lock(mutex_);
  DATABUS_ASSIGN_OR_RETURN(const NodePtr directory, FindDirectory(path));
  if (directory->locked_in == power_cuts_ + 1) {
    return Fail(Code::kRefused, path, "in use by another process");
  }
  const std::string name(kDiskLockName);
  if (!directory->entries.contains(name)) {
    Change({{directory, name, std::make_shared<Node>(false)}});
  }
  directory->locked_in = power_cuts_ + 1;
  return std::unique_ptr<Lock>(std::make_unique<HeldLock>(*this, directory));
}

}  // namespace databus
