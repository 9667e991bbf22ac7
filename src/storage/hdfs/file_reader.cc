#include "storage/hdfs/file_reader.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/sync.h"
#include "storage/hdfs/block_reader.h"

namespace databus::hdfs {
namespace {

constexpr uint64_t kReadAtOpenMost = 256u << 10;
// What is read at once when a file is read from front to back in small pieces.
constexpr uint64_t kReadAhead = 4u << 20;
// Who asks for less than this at the beginning looks at a header, and may not go on.
constexpr uint64_t kHeaderMost = 16u << 10;
constexpr int kLookUpsMax = 4;
constexpr Milliseconds kFirstPause{50};

struct Replica {
  const wire::DatanodeInfo* node = nullptr;
  DataNodes::Standing standing = DataNodes::Standing::kGood;
};
// Those of a block in the order in which to ask for them: whose data node has failed lately comes
// last.
std::vector<Replica> InOrder(DataNodes& data_nodes, const wire::LocatedBlock& block) {
  std::vector<Replica> replicas;
  replicas.reserve(static_cast<size_t>(block.locations_size()));
  for (const wire::DatanodeInfo& node : block.locations()) {
    replicas.push_back({&node, data_nodes.StandingOf(node)});
  }
  std::stable_sort(replicas.begin(), replicas.end(),
                   [](const Replica& a, const Replica& b) { return a.standing < b.standing; });
  return replicas;
}

class Reader final : public FileReader {
 public:
  Reader(const Cluster& cluster, std::string path, const wire::FileStatus& status,
         std::string client_name)
      : cluster_(cluster),
        path_(std::move(path)),
        file_id_(status.file_id()),
        context_{cluster.data_nodes, cluster.clock, std::move(client_name),
                 cluster.patience.transfer} {
    SetBlocks(status.locations());
    length_ = End();
  }

  // Its content must be at hand as a whole.
  bool IsSmall() const { return length_ <= kReadAtOpenMost; }
  Status ReadAll() { return Fetch(0, length_); }
  // The only block of a small file, if there is somebody who has it.
  const wire::LocatedBlock* OnlyBlock() const {
    if (!IsSmall() || length_ == 0 || blocks_.size() != 1) return nullptr;
    const wire::LocatedBlock& block = blocks_.front();
    return block.block().num_bytes() == length_ && block.locations_size() > 0 ? &block : nullptr;
  }
  const ReadContext& context() const { return context_; }
  void Give(std::string all) {
    bytes_ = std::move(all);
    bytes_at_ = 0;
  }

  Result<std::string> Read(uint64_t offset, size_t most) override {
    if (offset >= length_ || most == 0) return std::string();
    const uint64_t wanted = std::min<uint64_t>(most, length_ - offset);
    if (!Has(offset, wanted)) {
      const bool goes_on = offset == next_ && (offset > 0 || wanted >= kHeaderMost);
      const uint64_t ahead = goes_on ? std::max(wanted, kReadAhead) : wanted;
      DATABUS_RETURN_IF_ERROR(Fetch(offset, std::min(ahead, length_ - offset)));
    }
    next_ = offset + wanted;
    if (bytes_.size() == wanted) return std::exchange(bytes_, std::string());
    return bytes_.substr(offset - bytes_at_, wanted);
  }

 private:
  bool Has(uint64_t offset, uint64_t length) const {
    return offset >= bytes_at_ && offset + length <= bytes_at_ + bytes_.size();
  }

  void SetBlocks(const wire::LocatedBlocks& located) {
    blocks_.assign(located.blocks().begin(), located.blocks().end());
    file_length_ = located.file_length();
  }

  // Up to where the file has bytes without a gap. What a writer has not finished is not among them.
  uint64_t End() const {
    uint64_t end = 0;
    for (const wire::LocatedBlock& block : blocks_) {
      if (block.offset() != end) break;
      end += block.block().num_bytes();
    }
    return std::min(end, file_length_);
  }

  Status Fetch(uint64_t offset, uint64_t length) {
    bytes_.clear();
    bytes_.reserve(length);
    bytes_at_ = offset;
    while (bytes_.size() < length) {
      const Status status = FetchFromBlock(offset + bytes_.size(), length - bytes_.size());
      if (status.ok()) continue;
      bytes_.clear();
      return status.WithContext(path_);
    }
    return Status::Ok();
  }

  const wire::LocatedBlock* BlockAt(uint64_t offset) const {
    for (const wire::LocatedBlock& block : blocks_) {
      if (offset >= block.offset() && offset - block.offset() < block.block().num_bytes()) {
        return &block;
      }
    }
    return nullptr;
  }

  // Appends bytes up to the end of a block, at least one.
  Status FetchFromBlock(uint64_t offset, uint64_t most) {
    Tried tried;
    bool all_silent = false;
    Milliseconds pause = kFirstPause;
    for (int i = 0; i < kLookUpsMax; ++i, pause *= 2) {
      if (i > 0) {
        StopFlag never;
        if (!all_silent) never.SleepUntil(cluster_.clock, cluster_.clock.Boot() + pause);
        DATABUS_RETURN_IF_ERROR(LookUp());
      }
      const wire::LocatedBlock* block = BlockAt(offset);
      if (block == nullptr) return {Code::kUnavailable, "the file has become shorter"};
      const BlockRange range{offset - block->offset(),
                             std::min(most, block->offset() + block->block().num_bytes() - offset)};
      Tried now = TryReplicas(*block, range);
      // Whoever has let others wait in vain will not be there in a moment; another one may.
      all_silent = block->locations_size() > 0 && !now.any;
      if (now.any || !tried.any) tried = std::move(now);
      if (tried.status.code() != Code::kUnavailable || (i > 0 && all_silent)) break;
    }
    return tried.status;
  }

  struct Tried {
    Status status;
    bool any = false;
  };
  // From one data node after the other. kUnavailable: nobody gave it now.
  Tried TryReplicas(const wire::LocatedBlock& block, const BlockRange& range) {
    Tried tried{{Code::kUnavailable, "no data node has a block of it"}};
    bool all_damaged = block.locations_size() > 0;
    for (const Replica& replica : InOrder(cluster_.data_nodes, block)) {
      if (!cluster_.data_nodes.MayAsk(*replica.node)) {
        all_damaged = false;
        if (!tried.any) tried.status = {Code::kUnavailable, Silent(block, *replica.node)};
        continue;
      }
      tried.any = true;
      const Status read = ReadReplica(context_, block, *replica.node, range, bytes_);
      if (read.ok() || read.code() == Code::kRefused) return {read, true};
      all_damaged = all_damaged && read.code() == Code::kCorrupt;
      tried.status = {Code::kUnavailable, read.message()};
    }
    if (all_damaged) {
      tried.status = {Code::kCorrupt, "every replica is damaged: " + tried.status.message()};
    }
    return tried;
  }
  static std::string Silent(const wire::LocatedBlock& block, const wire::DatanodeInfo& node) {
    return fmt::format(
        "block {} at data node {}:{}: others have waited for it in vain, or wait still",
        block.block().block_id(), node.id().ip(), node.id().transfer_port());
  }

  Status LookUp() {
    wire::GetBlockLocationsRequest request;
    request.set_path(fmt::format("/.reserved/.inodes/{}", file_id_));
    request.set_offset(0);
    request.set_length(std::max<uint64_t>(length_, 1));
    wire::GetBlockLocationsAnswer answer;
    DATABUS_RETURN_IF_ERROR(cluster_.name_node.Run(
        {.method = "getBlockLocations", .request = &request, .answer = &answer}));
    SetBlocks(answer.locations());
    return Status::Ok();
  }

  const Cluster cluster_;
  const std::string path_;
  const uint64_t file_id_;
  const ReadContext context_;
  std::vector<wire::LocatedBlock> blocks_;
  uint64_t file_length_ = 0;  // as the name node has it
  uint64_t length_ = 0;       // as of the opening
  std::string bytes_;         // what was read last, from bytes_at_ on
  uint64_t bytes_at_ = 0;
  uint64_t next_ = 0;  // the end of the last Read
};

// Reads small files from a data node of each that has not failed lately, if there is one, and
// answers which.
std::set<const Reader*> FillTogether(std::span<const std::unique_ptr<Reader>> readers) {
  struct OfNode {
    const wire::DatanodeInfo* node = nullptr;
    std::vector<WholeBlock> blocks;
    std::vector<Reader*> readers;
  };
  std::set<const Reader*> filled;
  if (readers.size() < 2) return filled;
  // Healthy ones first; by identity.
  std::map<std::pair<DataNodes::Standing, std::string>, OfNode> nodes;
  for (const std::unique_ptr<Reader>& reader : readers) {
    const wire::LocatedBlock* const block = reader->OnlyBlock();
    if (block == nullptr) continue;
    const Replica first = InOrder(reader->context().data_nodes, *block).front();
    if (first.standing == DataNodes::Standing::kSilent) continue;
    OfNode& node = nodes[{first.standing, first.node->id().uuid()}];
    node.node = first.node;
    node.blocks.push_back({.block = block});
    node.readers.push_back(reader.get());
  }
  for (auto& [key, node] : nodes) {
    const ReadContext& context = node.readers.front()->context();
    if (!context.data_nodes.MayAsk(*node.node)) continue;
    ReadWholeBlocks(context, *node.node, node.blocks);
    for (size_t i = 0; i < node.blocks.size(); ++i) {
      if (!node.blocks[i].read) continue;
      node.readers[i]->Give(std::move(node.blocks[i].bytes));
      filled.insert(node.readers[i]);
    }
  }
  return filled;
}

}  // namespace

Result<std::unique_ptr<FileReader>> ReaderOf(const Cluster& cluster, std::string path,
                                             const wire::FileStatus& status,
                                             std::string client_name) {
  const FileToRead file{std::move(path), &status, std::move(client_name)};
  return std::move(ReadersOf(cluster, {&file, 1}).front());
}

std::vector<Result<std::unique_ptr<FileReader>>> ReadersOf(const Cluster& cluster,
                                                           std::span<const FileToRead> files) {
  std::vector<std::unique_ptr<Reader>> readers;
  readers.reserve(files.size());
  for (const FileToRead& file : files) {
    readers.push_back(std::make_unique<Reader>(cluster, file.path, *file.status, file.client_name));
  }
  const std::set<const Reader*> filled = FillTogether(readers);
  std::vector<Result<std::unique_ptr<FileReader>>> answers;
  answers.reserve(files.size());
  for (std::unique_ptr<Reader>& reader : readers) {
    const bool at_hand = !reader->IsSmall() || filled.contains(reader.get());
    const Status status = at_hand ? Status::Ok() : reader->ReadAll();
    if (status.ok()) {
      answers.emplace_back(std::unique_ptr<FileReader>(std::move(reader)));
    } else {
      answers.emplace_back(status);
    }
  }
  return answers;
}

}  // namespace databus::hdfs
