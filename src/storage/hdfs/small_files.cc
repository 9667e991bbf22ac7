#include "storage/hdfs/small_files.h"

#include <algorithm>
#include <deque>
#include <utility>

namespace databus::hdfs {
namespace {

// So many connections to data nodes, each of which holds a thread there.
constexpr size_t kAtOnce = 16;
// A block of up to so much is sent at once, before its pipeline has said that it stands.
constexpr size_t kWholeBytesMost = 256u << 10;

struct Filling {
  OpenFile file;
  std::string_view content;
  Status status;

  bool SentWhole() const { return content.size() <= kWholeBytesMost; }
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

// Each step for all before the next one, so that the data nodes work at the same time.
void WriteTogether(std::span<Filling* const> fillings) {
  std::vector<Filling*> going;
  for (Filling* filling : fillings) {
    if (filling->file.block() != nullptr) going.push_back(filling);
  }
  const auto step = [&going](auto&& what) {
    std::erase_if(going, [&](Filling* filling) { return !what(*filling).ok(); });
  };
  step([](Filling& filling) {
    BlockWriter& block = *filling.file.block();
    return filling.SentWhole() ? block.BeginWhole(filling.content)
                               : block.Begin(filling.content.size());
  });
  step([](Filling& filling) { return filling.file.block()->AwaitReady(); });
  step([](Filling& filling) {
    if (filling.SentWhole()) return Status::Ok();
    DATABUS_RETURN_IF_ERROR(filling.file.block()->Write(filling.content));
    return filling.file.block()->SendEnd();
  });
  step([](Filling& filling) { return filling.file.block()->AwaitEnd(); });
  for (Filling* filling : going) filling->file.FinishBlock();
  for (Filling* filling : fillings) {
    if (std::find(going.begin(), going.end(), filling) != going.end()) continue;
    filling->status = filling->file.WriteBlock(filling->content);
  }
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
  for (size_t first = 0; first < with_content.size(); first += kAtOnce) {
    const size_t count = std::min(kAtOnce, with_content.size() - first);
    WriteTogether(std::span(with_content).subspan(first, count));
  }
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
