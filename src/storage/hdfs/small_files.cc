#include "storage/hdfs/small_files.h"

#include <deque>
#include <utility>

namespace databus::hdfs {
namespace {

// So many connections to data nodes, each of which holds a thread there.
constexpr size_t kAtOnce = 16;

struct Filling {
  OpenFile file;
  std::string_view content;
  Status status;
};

// Asks for the first block of all at once. One that is not given is asked for again later, by
// WriteBlock.
void AddBlocks(const Cluster& cluster, std::span<Filling* const> fillings) {
  std::deque<wire::AddBlockRequest> requests;
  std::deque<wire::AddBlockAnswer> answers(fillings.size());
  std::vector<RpcCall> calls;
  for (size_t i = 0; i < fillings.size(); ++i) {
    requests.push_back(fillings[i]->file.BlockRequest());
    calls.push_back({.method = "addBlock", .request = &requests.back(), .answer = &answers[i]});
  }
  cluster.name_node.Run(calls);
  for (size_t i = 0; i < fillings.size(); ++i) {
    if (calls[i].status.ok() && answers[i].block().locations_size() > 0) {
      fillings[i]->file.StartBlock(answers[i].block());
    }
  }
}

// Sends the block, if one was given, and not to a data node that has failed since then.
bool Begin(Filling& filling) {
  BlockWriter* const block = filling.file.block();
  if (block == nullptr || block->IsSuspect()) return false;
  if (block->BeginWhole(filling.content).ok()) return true;
  filling.file.BlameBlock();
  return false;
}

bool End(Filling& filling) {
  BlockWriter& block = *filling.file.block();
  if (!block.AwaitReady().ok() || !block.AwaitEnd().ok()) {
    filling.file.BlameBlock();  // at once: others are about to wait for it
    return false;
  }
  filling.file.FinishBlock();
  return true;
}

// Some are always under way, so that the data nodes work at the same time. What fails is written
// again at the end, by itself.
void WriteTogether(std::span<Filling* const> fillings) {
  std::vector<Filling*> failed;
  for (size_t begun = 0, ended = 0; ended < fillings.size();) {
    if (begun < fillings.size() && begun - ended < kAtOnce) {
      Filling* const next = fillings[begun++];
      if (!Begin(*next)) next->status = {Code::kUnavailable, "not begun"};
      continue;
    }
    Filling* const oldest = fillings[ended++];
    if (!oldest->status.ok() || !End(*oldest)) failed.push_back(oldest);
  }
  for (Filling* filling : failed) filling->status = filling->file.WriteBlock(filling->content);
}

}  // namespace

std::vector<Status> FillFiles(const Cluster& cluster, std::span<const FilledFile> files) {
  std::deque<Filling> fillings;
  std::vector<Filling*> with_content;
  for (const FilledFile& file : files) {
    fillings.push_back({OpenFile(cluster, file.identity), file.content, Status::Ok()});
    if (!file.content.empty()) with_content.push_back(&fillings.back());
  }
  AddBlocks(cluster, with_content);
  WriteTogether(with_content);
  std::vector<OpenFile*> written;
  for (Filling& filling : fillings) {
    if (filling.status.ok()) written.push_back(&filling.file);
  }
  const std::vector<Status> completed = CompleteFiles(cluster, written);
  std::vector<Status> answers;
  answers.reserve(files.size());
  size_t next = 0;
  for (const Filling& filling : fillings) {
    answers.push_back(filling.status.ok() ? completed[next++] : filling.status);
  }
  return answers;
}

}  // namespace databus::hdfs
