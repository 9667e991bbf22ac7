#include "storage/hdfs/rpc_client.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "storage/hdfs/wire/name_node.pb.h"
#include "storage/hdfs/wire_format.h"

namespace databus::hdfs {
namespace {

constexpr size_t kAnswerBytesMax = 64u << 20;
constexpr uint32_t kActive = 1;
constexpr Milliseconds kFirstPause{100};
constexpr Milliseconds kLongestPause{5000};

std::string NameOf(const std::vector<Endpoint>& endpoints) {
  std::string name;
  for (const Endpoint& endpoint : endpoints) {
    if (!name.empty()) name += ',';
    name += endpoint.ToString();
  }
  return name;
}

// A failure, with what is uncertain about it when the call was sent before.
Status AfterLostAnswers(const Status& status, const RpcExchange& exchange, const RpcCall& call) {
  if (status.unknown() || exchange.retry_count == 0 || call.repeated == Repeated::kHarmless) {
    return status;
  }
  return {Code::kUnavailable,
          "it was sent more than once, as answers were lost, and may have been done before this: " +
              status.message()};
}

// The outcome of an answer that is final.
Status StatusOfAnswer(const RpcExchange& exchange, const RpcCall& call, const std::string& name) {
  if (!exchange.error) {
    std::string_view body = exchange.body;
    if (TakeDelimited(body, *call.answer, kAnswerBytesMax) == Taken::kWhole) return Status::Ok();
    return {Code::kUnavailable,
            fmt::format("{}: the answer to {} cannot be understood", name, call.method)};
  }
  return AfterLostAnswers(StatusOf(*exchange.error).WithContext(name), exchange, call);
}

}  // namespace

// The calls of one Run that have no outcome yet.
struct RpcClient::Attempts {
  std::vector<std::string> requests;  // of all calls, delimited
  std::vector<RpcExchange> exchanges;
  std::vector<size_t> indices;  // exchanges[i] is for the call indices[i]
  bool may_be_executed = false;

  bool done() const { return exchanges.empty(); }
};

RpcClient::RpcClient(Options options, const Clock& clock, Random& random)
    : options_(std::move(options)),
      name_(NameOf(options_.name_nodes)),
      clock_(clock),
      random_(random) {}

// Called with key_mutex_ held.
std::string RpcClient::ClientId() {
  if (client_id_.empty() || next_call_ == std::numeric_limits<int32_t>::max()) {
    client_id_.clear();
    for (int i = 0; i < 16; ++i) client_id_ += static_cast<char>(random_.Below(256));
    next_call_ = 0;
  }
  return client_id_;
}

CallKey RpcClient::NewKey() {
  MutexLock lock(key_mutex_);
  std::string client_id = ClientId();
  return {std::move(client_id), next_call_++};
}

Result<std::shared_ptr<RpcConnection>> RpcClient::Connect(const Endpoint& endpoint) {
  const bool doubted = away_;
  const Milliseconds patience = doubted ? options_.patience.away : options_.patience.connect;
  const BootTime deadline = clock_.Boot() + patience;
  const CallKey key = NewKey();
  DATABUS_ASSIGN_OR_RETURN(auto connection,
                           RpcConnection::Open(endpoint, {options_.user, key.client_id}, clock_,
                                               deadline, options_.hurry));
  if (options_.name_nodes.size() == 1 && !doubted) return connection;
  std::string request;
  AppendDelimited(wire::Empty(), request);
  RpcExchange exchange{.key = key, .method = "getHAServiceState", .request = request};
  Count(exchange.method);
  DATABUS_RETURN_IF_ERROR(connection->Run({&exchange, 1}, patience));
  // One that has no other beside it has no such state, and says just that: it is back.
  if (exchange.error && options_.name_nodes.size() == 1) return connection;
  wire::HaServiceStateAnswer state;
  const RpcCall call{.method = exchange.method, .answer = &state};
  DATABUS_RETURN_IF_ERROR(StatusOfAnswer(exchange, call, endpoint.ToString()));
  if (state.state() == kActive) return connection;
  return {Code::kUnavailable, endpoint.ToString() + ": not the active name node"};
}

// What stands, or the first that can be had, beginning with the one that was good last.
Result<std::shared_ptr<RpcConnection>> RpcClient::Connection() {
  MutexLock lock(mutex_);
  if (connection_ && connection_->Usable()) return connection_;
  connection_.reset();
  std::string why;
  for (size_t i = 0; i < options_.name_nodes.size(); ++i) {
    auto connection = Connect(options_.name_nodes[current_]);
    if (connection.ok()) return connection_ = *connection;
    if (!connection.unknown()) return connection.status();
    current_ = (current_ + 1) % options_.name_nodes.size();
    why += (why.empty() ? "" : "; ") + connection.status().message();
  }
  return {Code::kUnavailable, why};
}

void RpcClient::GiveUp(const std::shared_ptr<RpcConnection>& bad) {
  MutexLock lock(mutex_);
  if (connection_ != bad) return;  // another call has found out as well
  connection_.reset();
  current_ = (current_ + 1) % options_.name_nodes.size();
}

void RpcClient::Count(std::string_view method) const {
  if (options_.on_call) options_.on_call(method);
}

Status RpcClient::TryOnce(Attempts& attempts, std::span<RpcCall> calls) {
  DATABUS_ASSIGN_OR_RETURN(const auto connection, Connection());
  const Status ran = connection->Run(attempts.exchanges, options_.patience.answer);
  Status again;  // why some are to be made again
  std::vector<RpcExchange> exchanges;
  std::vector<size_t> indices;
  bool other_name_node = false;
  for (size_t i = 0; i < attempts.exchanges.size(); ++i) {
    RpcExchange& exchange = attempts.exchanges[i];
    RpcCall& call = calls[attempts.indices[i]];
    if (exchange.sent) Count(call.counted_as.empty() ? call.method : call.counted_as);
    if (exchange.answered) {
      ++answered_;
      away_ = false;
      const Reaction reaction = exchange.error ? ReactionTo(*exchange.error) : Reaction::kFinal;
      if (reaction == Reaction::kFinal) {
        call.status = StatusOfAnswer(exchange, call, name_);
        call.resent = exchange.retry_count > 0;
        continue;
      }
      other_name_node |= reaction == Reaction::kOtherNameNode;
      again = StatusOf(*exchange.error).WithContext(name_);
    } else if (exchange.sent) {
      attempts.may_be_executed = true;
      ++exchange.retry_count;
    }
    exchange.sent = false;
    exchange.answered = false;
    exchange.error.reset();
    exchanges.push_back(std::move(exchange));
    indices.push_back(attempts.indices[i]);
  }
  attempts.exchanges = std::move(exchanges);
  attempts.indices = std::move(indices);
  if (!ran.ok() || other_name_node) GiveUp(connection);
  return ran.ok() ? again : ran;
}

void RpcClient::Pause(BootTime until) const {
  if (options_.hurry != nullptr) {
    options_.hurry->SleepUntil(clock_, until);
  } else {
    StopFlag never;
    never.SleepUntil(clock_, until);
  }
}

Status RpcClient::AwayAMomentAgo() {
  if (!away_) return Status::Ok();
  MutexLock lock(away_mutex_);
  return clock_.Boot() < tried_ + options_.patience.again ? why_away_ : Status::Ok();
}

void RpcClient::NoteAway(const Status& why) {
  MutexLock lock(away_mutex_);
  why_away_ = why;
  tried_ = clock_.Boot();
  away_ = true;
}

void RpcClient::Run(std::span<RpcCall> calls) {
  if (const Status away = AwayAMomentAgo(); !away.ok()) {
    for (RpcCall& call : calls) call.status = away;
    return;
  }
  Attempts attempts;
  attempts.requests.reserve(calls.size());
  for (size_t i = 0; i < calls.size(); ++i) {
    AppendDelimited(*calls[i].request, attempts.requests.emplace_back());
    attempts.exchanges.push_back({.key = NewKey(), .method = calls[i].method});
    attempts.exchanges.back().request = attempts.requests.back();
    attempts.indices.push_back(i);
  }
  const BootTime start = clock_.Boot();
  Milliseconds pause{0};  // a connection that broke while idle is replaced at once
  while (!attempts.done()) {
    const Status why = TryOnce(attempts, calls);
    if (attempts.done()) return;
    const Milliseconds unsent = away_ ? Milliseconds(0) : options_.patience.unsent;
    const Milliseconds most = attempts.may_be_executed ? options_.patience.sent : unsent;
    const BootTime next = clock_.Boot() + pause;
    if (!why.unknown() || next >= start + most || InHurry()) {
      Status last = why;
      if (why.unknown()) {
        const auto how_long = InHurry() ? std::string("not tried again, as this process ends")
                              : most.count() > 0
                                  ? fmt::format("tried for {} s", most.count() / 1000)
                                  : std::string("as at the last call");
        last = {why.code(), fmt::format("{}; {}", why.message(), how_long)};
        NoteAway(last);
      }
      for (size_t i = 0; i < attempts.indices.size(); ++i) {
        RpcCall& call = calls[attempts.indices[i]];
        call.status = AfterLostAnswers(last, attempts.exchanges[i], call);
      }
      return;
    }
    Pause(next);
    const auto longer = std::clamp(2 * pause, kFirstPause, kLongestPause);
    pause = longer / 2 + Milliseconds(random_.Below(static_cast<uint64_t>(longer.count())));
  }
}

Status RpcClient::Run(RpcCall call) {
  Run({&call, 1});
  return call.status;
}

}  // namespace databus::hdfs
