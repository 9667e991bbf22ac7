#include "storage/hdfs/file_writer.h"

#include <algorithm>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/sync.h"

namespace databus::hdfs {
namespace {

constexpr int kBlockTriesMax = 4;
// So much of an unfinished block is kept for another try; a file that fails later fails whole.
constexpr size_t kKeptBytesMax = 1u << 20;
// A lease may be taken away after 60 s, and a data node gives up as soon.
constexpr std::chrono::seconds kRenewAfter{20};
constexpr Milliseconds kFirstPause{1};
constexpr Milliseconds kLongestPause{400};

void Sleep(const Clock& clock, Milliseconds pause) {
  StopFlag never;
  never.SleepUntil(clock, clock.Boot() + pause);
}

// The name node's own words are in the message.
bool Says(const Status& status, std::string_view words) {
  return status.message().find(words) != std::string::npos;
}

class Writer final : public FileWriter, private Kept {
 public:
  Writer(const Cluster& cluster, OpenFile::Identity identity, uint64_t block_bytes)
      : cluster_(cluster),
        file_(cluster, std::move(identity)),
        block_bytes_(block_bytes),
        renewed_(cluster.clock.Boot()) {
    cluster_.upkeep.Add(*this);
  }
  Writer(const Writer&) = delete;
  ~Writer() override { cluster_.upkeep.Remove(*this); }

  Status Append(std::string_view bytes) override {
    const Use use(*this);
    while (failed_.ok() && !bytes.empty()) {
      const std::string_view part = bytes.substr(0, block_bytes_ - length_);
      bytes.remove_prefix(part.size());
      failed_ = AppendToBlock(part);
      if (failed_.ok() && length_ == block_bytes_) failed_ = EndBlock();
    }
    return Told(failed_);
  }

  Status Finish() override {
    const Use use(*this);
    if (failed_.ok() && length_ > 0) failed_ = EndBlock();
    DATABUS_RETURN_IF_ERROR(Told(failed_));
    OpenFile* const file = &file_;
    return Told(CompleteFiles(cluster_, {&file, 1}).front());
  }

 private:
  Status Told(const Status& status) const {
    return status.ok() ? status : status.WithContext("write " + file_.identity().path);
  }

  // The block has room for `part`.
  Status AppendToBlock(std::string_view part) {
    if (file_.block() == nullptr) {
      length_ = 0;
      kept_.clear();
      DATABUS_RETURN_IF_ERROR(BeginBlock());
    }
    length_ += part.size();
    // Once it is too much nothing of it is of use.
    if (length_ <= kKeptBytesMax) {
      kept_ += part;
    } else {
      kept_.clear();
      kept_.shrink_to_fit();
    }
    Status status = file_.block()->Write(part);
    for (int i = 1; !status.ok() && i < kBlockTriesMax; ++i) {
      if (length_ > kKeptBytesMax) return GiveUp(status);
      status = WriteKeptAgain();
    }
    return status;
  }

  Status BeginBlock() {
    Status status;
    for (int i = 0; i < kBlockTriesMax; ++i) {
      if (i > 0) DATABUS_RETURN_IF_ERROR(file_.AbandonBlock());
      DATABUS_RETURN_IF_ERROR(file_.AddBlock());
      status = file_.block()->Begin(block_bytes_);
      if (status.ok()) status = file_.block()->AwaitReady();
      if (status.ok()) return status;
    }
    return status;
  }

  // A new block with what was written of the one that has failed.
  Status WriteKeptAgain() {
    DATABUS_RETURN_IF_ERROR(file_.AbandonBlock());
    DATABUS_RETURN_IF_ERROR(BeginBlock());
    return file_.block()->Write(kept_);
  }

  Status EndBlock() {
    Status status = file_.block()->SendEnd();
    if (status.ok()) status = file_.block()->AwaitEnd();
    if (status.ok()) {
      file_.FinishBlock();
    } else if (length_ <= kKeptBytesMax) {
      DATABUS_RETURN_IF_ERROR(file_.WriteBlock(kept_));
    } else {
      return GiveUp(status);
    }
    length_ = 0;
    kept_.clear();
    return Status::Ok();
  }

  // The file has failed; the next one goes to other data nodes.
  Status GiveUp(const Status& why) {
    file_.BlameBlock();
    return why;
  }

  // Called by the upkeep. A failure shows at the next call.
  void Keep() override {
    {
      MutexLock lock(mutex_);
      if (in_use_) return;  // busy with it; the next time will do
      in_use_ = true;
    }
    if (failed_.ok() && cluster_.clock.Boot() - renewed_ >= kRenewAfter) {
      renewed_ = cluster_.clock.Boot();
      static_cast<void>(file_.RenewLease());
      if (file_.block() != nullptr && length_ > 0) KeepBlock();
    }
    Leave();
  }

  void KeepBlock() {
    const Status status = file_.block()->Heartbeat();
    if (!status.ok()) failed_ = length_ > kKeptBytesMax ? GiveUp(status) : WriteKeptAgain();
  }

  void Enter() {
    MutexLock lock(mutex_);
    while (in_use_) changed_.Wait(lock);
    in_use_ = true;
  }
  void Leave() {
    MutexLock lock(mutex_);
    in_use_ = false;
    changed_.NotifyAll();
  }
  // Either its owner or the upkeep is at it.
  class Use {
   public:
    explicit Use(Writer& writer) : writer_(writer) { writer_.Enter(); }
    Use(const Use&) = delete;
    ~Use() { writer_.Leave(); }

   private:
    Writer& writer_;
  };

  const Cluster cluster_;
  OpenFile file_;
  const uint64_t block_bytes_;
  uint64_t length_ = 0;  // of the open block
  std::string kept_;     // all of it, as long as that is little
  BootTime renewed_;     // the lease, or the pipeline heard of us
  Status failed_;        // the first failure: a file with a hole is never finished

  Mutex mutex_;  // guards the next one
  CondVar changed_;
  bool in_use_ = false;  // whoever has set it may touch all the others
};

}  // namespace

wire::AddBlockRequest OpenFile::BlockRequest() const {
  wire::AddBlockRequest request;
  request.set_path(identity_.path);
  request.set_client_name(identity_.client_name);
  request.set_file_id(identity_.file_id);
  if (last_) *request.mutable_previous() = *last_;
  for (const wire::DatanodeInfo& node : cluster_.data_nodes.Suspects()) {
    *request.add_excluded() = node;
  }
  return request;
}

void OpenFile::StartBlock(const wire::LocatedBlock& block) {
  block_ = std::make_unique<BlockWriter>(
      BlockWriter::Context{cluster_.data_nodes, cluster_.clock, identity_.client_name,
                           cluster_.patience.transfer},
      block);
}

Status OpenFile::AddBlock() {
  const BootTime deadline = cluster_.clock.Boot() + cluster_.patience.close;
  Milliseconds pause = kFirstPause;
  while (true) {
    const wire::AddBlockRequest request = BlockRequest();
    wire::AddBlockAnswer answer;
    const Status status =
        cluster_.name_node.Run({.method = "addBlock", .request = &request, .answer = &answer});
    if (status.ok() && answer.block().locations_size() > 0) {
      StartBlock(answer.block());
      return status;
    }
    if (status.ok()) return {Code::kUnavailable, "the name node gave a block without data nodes"};
    const bool not_yet = Says(status, "NotReplicatedYetException");
    const bool excluded = request.excluded_size() > 0 && Says(status, "could only be written to ");
    if ((!not_yet && !excluded) || cluster_.clock.Boot() + pause >= deadline) return status;
    if (excluded) cluster_.data_nodes.ForgetOldestSuspect();  // better than nobody
    if (not_yet) Sleep(cluster_.clock, pause);
    pause = std::min(2 * pause, kLongestPause);
  }
}

void OpenFile::FinishBlock() {
  last_ = block_->Block();
  block_.reset();
}

void OpenFile::BlameBlock() {
  if (block_ && block_->culprit()) cluster_.data_nodes.Suspect(*block_->culprit());
}

Status OpenFile::AbandonBlock() {
  if (!block_) return Status::Ok();
  BlameBlock();
  wire::AbandonBlockRequest request;
  *request.mutable_block() = block_->Block();
  request.set_path(identity_.path);
  request.set_client_name(identity_.client_name);
  request.set_file_id(identity_.file_id);
  block_.reset();
  wire::Empty answer;
  return cluster_.name_node.Run({.method = "abandonBlock", .request = &request, .answer = &answer});
}

Status OpenFile::TryWriteBlock(std::string_view content) {
  DATABUS_RETURN_IF_ERROR(block_->Begin(content.size()));
  DATABUS_RETURN_IF_ERROR(block_->AwaitReady());
  DATABUS_RETURN_IF_ERROR(block_->Write(content));
  DATABUS_RETURN_IF_ERROR(block_->SendEnd());
  return block_->AwaitEnd();
}

Status OpenFile::WriteBlock(std::string_view content) {
  Status status;
  for (int i = 0; i < kBlockTriesMax; ++i) {
    DATABUS_RETURN_IF_ERROR(AbandonBlock());
    DATABUS_RETURN_IF_ERROR(AddBlock());
    status = TryWriteBlock(content);
    if (status.ok()) {
      FinishBlock();
      return status;
    }
  }
  return status;
}

wire::CompleteRequest OpenFile::CompletionRequest() const {
  wire::CompleteRequest request;
  request.set_path(identity_.path);
  request.set_client_name(identity_.client_name);
  request.set_file_id(identity_.file_id);
  if (last_) *request.mutable_last() = *last_;
  return request;
}

Status OpenFile::RenewLease() {
  wire::RenewLeaseRequest request;
  request.set_client_name(identity_.client_name);
  wire::Empty answer;
  return cluster_.name_node.Run({.method = "renewLease", .request = &request, .answer = &answer});
}

std::vector<Status> CompleteFiles(const Cluster& cluster, std::span<OpenFile* const> files) {
  const BootTime deadline = cluster.clock.Boot() + cluster.patience.close;
  std::vector<Status> answers(files.size());
  std::vector<size_t> open;
  open.reserve(files.size());
  for (size_t i = 0; i < files.size(); ++i) open.push_back(i);
  std::string_view counted_as;
  for (Milliseconds pause = kFirstPause; !open.empty();
       pause = std::min(2 * pause, kLongestPause)) {
    std::vector<wire::CompleteRequest> requests;
    requests.reserve(open.size());
    std::vector<wire::BooleanAnswer> completed(open.size());
    for (const size_t i : open) requests.push_back(files[i]->CompletionRequest());
    std::vector<RpcCall> calls;
    calls.reserve(open.size());
    for (size_t i = 0; i < open.size(); ++i) {
      calls.push_back({.method = "complete",
                       .request = &requests[i],
                       .answer = &completed[i],
                       .counted_as = counted_as});
    }
    cluster.name_node.Run(calls);
    counted_as = "complete (again)";  // the data nodes had not reported the blocks yet
    std::vector<size_t> still_open;
    for (size_t i = 0; i < open.size(); ++i) {
      answers[open[i]] = calls[i].status;
      if (calls[i].status.ok() && !completed[i].result()) still_open.push_back(open[i]);
    }
    open = std::move(still_open);
    if (open.empty()) break;
    if (cluster.clock.Boot() + pause >= deadline) {
      for (const size_t i : open) {
        answers[i] = {Code::kUnavailable,
                      "its data nodes have not reported its last block in time; it stays open"};
      }
      break;
    }
    Sleep(cluster.clock, pause);
  }
  return answers;
}

std::unique_ptr<FileWriter> WriterOf(const Cluster& cluster, OpenFile::Identity identity,
                                     uint64_t block_bytes) {
  return std::make_unique<Writer>(cluster, std::move(identity), block_bytes);
}

}  // namespace databus::hdfs
