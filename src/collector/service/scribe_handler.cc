#include "collector/service/scribe_handler.h"

#include <utility>

#include "base/planted.h"

namespace databus {
namespace {

constexpr std::chrono::seconds kTrialInterval{1};

}  // namespace

ScribeHandler::ScribeHandler(const ConfigInForce& config, const Seams& seams, Wishes wishes)
    : config_(config),
      seams_(seams),
      wishes_(std::move(wishes)),
      started_(seams.clock.Wall()),
      gate_(seams.clock) {}

Admission ScribeHandler::OnOpen(ConnectionId connection, std::string_view peer_ip) {
  const std::optional<IpAddress> peer = IpAddress::Parse(peer_ip);
  // Under the mutex: either the look is at the new list, or EndRefused finds the connection.
  MutexLock lock(mutex_);
  const ConfigSnapshot config = config_.Get();
  const Admission admission = PeerGate::Judge(*config, peer);
  if (admission == Admission::kAdmit) {
    connections_[connection].peer = peer;
  } else {
    gate_.Refused(*config, peer_ip);
  }
  return admission;
}

void ScribeHandler::EndRefused() {
  MutexLock lock(mutex_);
  const ConfigSnapshot config = config_.Get();
  for (auto& [id, connection] : connections_) {
    if (connection.ending || PeerGate::Judge(*config, connection.peer) == Admission::kAdmit)
      continue;
    gate_.Refused(*config, connection.peer ? connection.peer->ToString() : "unknown");
    connection.ending = true;
    const auto last = std::make_shared<Exchange>();
    last->connection = id;
    last->close = last->complete = true;
    connection.open.push_back(last);
    Answer(id);
  }
}

void ScribeHandler::OnFrames(ConnectionId connection, std::vector<Frame> frames) {
  judge_.Use(config_.Get());
  const auto exchange = std::make_shared<Exchange>();
  exchange->connection = connection;
  std::vector<SpoolBatch> batches;
  batches.reserve(frames.size());
  exchange->answers.reserve(frames.size());
  exchange->waiting.reserve(frames.size());
  for (Frame& frame : frames) {
    Take(frame, *exchange, batches);
    if (exchange->close) break;  // nothing behind it can be trusted
  }
  {
    MutexLock lock(mutex_);
    Connection& state = connections_[connection];
    if (state.ending || state.closing) return;
    state.open.push_back(exchange);
    if (batches.empty()) {
      exchange->complete = true;
      Answer(connection);
    }
  }
  if (batches.empty()) {
    if (exchange->wants_delivery) wishes_.deliver();
    return;
  }
  for (const Waiting& waiting : exchange->waiting) EntryJudge::Enter(waiting.shares);
  seams_.spool.Append(std::move(batches), [this, exchange](std::span<const SpoolOutcome> outcomes) {
    Complete(*exchange, outcomes);
  });
}

void ScribeHandler::Take(Frame& frame, Exchange& exchange, std::vector<SpoolBatch>& batches) {
  const Result<CallHeader> header = DecodeCallHeader(frame.bytes());
  if (!header.ok()) {
    // Nobody knows what an answer would have to look like.
    ++counts_.undecodable;
    exchange.close = true;
    return;
  }
  if (header->method != kLogMethod) {
    exchange.answers.push_back(AnswerFb303(frame.bytes(), *this));
    return;
  }
  ++counts_.calls;
  const Result<LogCall> call = DecodeLogCall(frame.bytes(), *header);
  if (!call.ok()) {
    ++counts_.undecodable;
    exchange.answers.push_back(EncodeException({.to = header->reply_to,
                                                .method = kLogMethod,
                                                .kind = ExceptionKind::kProtocolError,
                                                .message = call.status().message()}));
    return;
  }
  TakeLog(frame, *call, exchange, batches);
}

void ScribeHandler::TakeLog(Frame& frame, const LogCall& call, Exchange& exchange,
                            std::vector<SpoolBatch>& batches) {
  const auto answer = [&](ResultCode code) {
    if (code == ResultCode::kTryLater) ++counts_.try_later;
    exchange.answers.push_back(EncodeLogReply(call.reply_to, code));
  };
  if (stopping_) return answer(ResultCode::kTryLater);
  if (call.count == 0) exchange.wants_delivery = true;
  if (call.count == 0 && !call.batch) return answer(Probe());
  Judgement judgement = judge_.Judge(call.entries);
  counts_.blank_categories += judgement.blank_categories;
  if (judgement.verdict == Verdict::kFull) return answer(ResultCode::kTryLater);
  if (judgement.empty_messages > 0) exchange.wants_delivery = true;
  Waiting waiting{.answer = exchange.answers.size(),
                  .reply_to = call.reply_to,
                  .shares = std::move(judgement.shares),
                  .rejected = judgement.rejected.size()};
  if (judgement.rejected.empty()) {
    batches.push_back({.frame = frame,
                       .entries = call.entries,
                       .count = call.count,
                       .id = call.batch,
                       .rejected = {}});
  } else {
    const EntryList good = judge_.KeepGood(call.entries);
    Frame own = Frame::Copy(good.bytes());
    const std::string_view entries = own.bytes();
    batches.push_back({.frame = std::move(own),
                       .entries = entries,
                       .count = good.count(),
                       .id = call.batch,
                       .rejected = std::move(judgement.rejected)});
  }
  // Here, while the disk is busy with others, and not on the spool's thread.
  exchange.answers.push_back(EncodeLogReply(call.reply_to, ResultCode::kOk));
  exchange.waiting.push_back(std::move(waiting));
}

// An empty list asks whether there is room. While there is none, one in a while is answered as if
// there were: only a write finds out that there is room again, and a client may send nothing until
// its probe succeeds.
ResultCode ScribeHandler::Probe() {
  const SpoolStats stats = seams_.spool.Stats();
  if (!stats.retired.empty()) return ResultCode::kTryLater;
  if (stats.refusing.empty()) return ResultCode::kOk;
  const BootTime now = seams_.clock.Boot();
  if (now < next_trial_) return ResultCode::kTryLater;
  next_trial_ = now + kTrialInterval;
  return ResultCode::kOk;
}

void ScribeHandler::Complete(Exchange& exchange, std::span<const SpoolOutcome> outcomes) {
  for (size_t i = 0; i < exchange.waiting.size(); ++i) {
    Waiting& waiting = exchange.waiting[i];
    EntryJudge::Leave(waiting.shares);
    std::string& answer = exchange.answers[waiting.answer];
    switch (outcomes[i].answer) {
      case SpoolAnswer::kKept:
        if (Planted(Bug::kTryLaterThoughKept) && counts_.calls % 16 == 0) {
          answer = EncodeLogReply(waiting.reply_to, ResultCode::kTryLater);
        }
        for (const StreamShare& share : waiting.shares) {
          share.counts->received_good += share.messages;
          counts_.received_good += share.messages;
        }
        counts_.received_bad += waiting.rejected;
        break;
      case SpoolAnswer::kRepeat: break;
      case SpoolAnswer::kTryLater:
        ++counts_.try_later;
        if (Planted(Bug::kRefusedAnsweredOk)) break;
        answer = EncodeLogReply(waiting.reply_to, ResultCode::kTryLater);
        break;
      case SpoolAnswer::kClose: exchange.close = !Planted(Bug::kRetiredGoesOn); break;
    }
    if (outcomes[i].answer == SpoolAnswer::kClose && !Planted(Bug::kRetiredGoesOn)) {
      // The peer must learn nothing about this call or any later one; but what is left still
      // leaves.
      for (size_t rest = i + 1; rest < exchange.waiting.size(); ++rest) {
        EntryJudge::Leave(exchange.waiting[rest].shares);
      }
      exchange.answers.resize(waiting.answer);
      break;
    }
  }
  if (exchange.wants_delivery) wishes_.deliver();
  MutexLock lock(mutex_);
  exchange.complete = true;
  Answer(exchange.connection);
}

// Sends what is answered, up to the first exchange that is not. Under the mutex, so that answers of
// two threads keep their order.
void ScribeHandler::Answer(ConnectionId connection) {
  const auto at = connections_.find(connection);
  if (at == connections_.end()) return;  // closed meanwhile
  Connection& state = at->second;
  std::vector<Reply> replies;
  while (!state.closing && !state.open.empty() && state.open.front()->complete) {
    Exchange& exchange = *state.open.front();
    for (std::string& answer : exchange.answers) replies.push_back({connection, std::move(answer)});
    state.closing = exchange.close;
    state.open.pop_front();
  }
  if (!replies.empty()) server_->Send(std::move(replies));
  if (state.closing) {
    state.open.clear();
    server_->CloseConnection(connection);
  }
}

std::string ScribeHandler::OnOversized(ConnectionId, std::string_view head, uint32_t length) {
  ++counts_.undecodable;
  return EncodeOversizedReply(head, length);
}

void ScribeHandler::OnClose(ConnectionId connection) {
  MutexLock lock(mutex_);
  connections_.erase(connection);
}

Fb303Status ScribeHandler::Status() const {
  if (stopping_) return Fb303Status::kStopping;
  return StatusDetails().empty() ? Fb303Status::kAlive : Fb303Status::kWarning;
}

std::string ScribeHandler::StatusDetails() const {
  const SpoolStats stats = seams_.spool.Stats();
  if (!stats.retired.empty()) return stats.retired;
  if (!stats.refusing.empty()) return stats.refusing;
  const std::vector<Problem> problems = seams_.problems.List();
  return problems.empty() ? "" : problems.front().what;
}

std::map<std::string, int64_t> ScribeHandler::Counters() const {
  std::map<std::string, int64_t> counters;
  judge_.AddCounters(counters);
  const auto overall = [&counters](const char* name, uint64_t value) {
    counters[std::string("scribe_overall:") + name] = static_cast<int64_t>(value);
  };
  overall("received good", counts_.received_good);
  overall("received bad", counts_.received_bad);
  overall("received blank category", counts_.blank_categories);
  overall("denied for queue size", counts_.try_later);
  return counters;
}

// By which a collector that hands messages over to this one knows it again (P22).
std::string ScribeHandler::Option(std::string_view key) const {
  return key == kIncarnationOption ? seams_.spool.identity().incarnation : "";
}

int64_t ScribeHandler::AliveSince() const {
  return std::chrono::duration_cast<std::chrono::seconds>(started_.time_since_epoch()).count();
}

}  // namespace databus
