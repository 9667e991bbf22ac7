#include "client/publisher.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "base/planted.h"
#include "net/scribe_codec.h"

namespace databus {
namespace {

// How soon an interruption is noticed.
constexpr Milliseconds kNotice{100};

// The sequence number of a call: the batch's number, as far as it goes.
int32_t SeqidOf(uint64_t number) { return static_cast<int32_t>(number & 0x7fffffff); }

}  // namespace

Publisher::Publisher(PublisherOptions options, PublisherSeams seams, ProgressCallback on_progress)
    : options_(std::move(options)),
      seams_(seams),
      on_progress_(std::move(on_progress)),
      sender_(seams.random.Next()) {}

Publisher::~Publisher() = default;

void Publisher::Interrupt() { interrupted_.Stop(); }

bool Publisher::OpenBatchIsDue() const {
  if (open_.empty()) return false;
  return open_.bytes().size() >= options_.batch_bytes ||
         open_.count() >= options_.batch_messages_max ||
         seams_.clock.Boot() - open_since_ >= options_.batch_age_max;
}

void Publisher::CompleteBatch() {
  if (open_.empty()) return;
  Batch& batch = batches_.emplace_back();
  batch.number = next_number_++;
  batch.entries = std::exchange(open_, {});
}

Status Publisher::Publish(std::string_view category, std::string_view message, BootTime deadline) {
  if (closed_) return {Code::kStopped, "publish: the publisher is closed"};
  if (interrupted_.Stopped()) return {Code::kStopped, "publish: interrupted"};
  if (category.size() + message.size() > options_.message_bytes_max) {
    return {Code::kInvalid, fmt::format("publish: a message of {} bytes is larger than {}",
                                        message.size(), options_.message_bytes_max)};
  }
  if (OpenBatchIsDue()) {
    const Status room = PumpDownTo(std::max<size_t>(options_.in_flight_max, 1) - 1, deadline);
    if (room.code() == Code::kStopped) return room;
    if (!room.ok()) return {Code::kNoSpace, room.message()};
    CompleteBatch();
    Step(deadline, Patience::kTakeWhatIsThere);
  }
  if (open_.empty()) open_since_ = seams_.clock.Boot();
  open_.Add(category, message);
  ++progress_.accepted;
  return Status::Ok();
}

void Publisher::Poll(BootTime deadline) {
  if (OpenBatchIsDue() && batches_.size() < std::max<size_t>(options_.in_flight_max, 1)) {
    CompleteBatch();
  }
  if (!batches_.empty()) Step(deadline, Patience::kTakeWhatIsThere);
}

Status Publisher::Flush(BootTime deadline) {
  CompleteBatch();
  return PumpDownTo(0, deadline);
}

Status Publisher::Close(BootTime deadline) {
  const Status status = Flush(deadline);
  closed_ = true;
  connection_.reset();
  return status;
}

Status Publisher::PumpDownTo(size_t most, BootTime deadline) {
  while (batches_.size() > most) {
    if (interrupted_.Stopped()) return {Code::kStopped, "publish: interrupted"};
    if (seams_.clock.Boot() >= deadline) {
      return {
          Code::kUnavailable,
          fmt::format("publish to {}:{}: {} messages unconfirmed in time{}{}", options_.host,
                      options_.port, progress_.unconfirmed(),
                      progress_.last_error.empty() ? "" : "; last error: ", progress_.last_error)};
    }
    Step(deadline, Patience::kWait);
  }
  return Status::Ok();
}

// A bit of progress: sends what can be sent, then takes answers.
void Publisher::Step(BootTime deadline, Patience patience) {
  if (!refused_ && Prepare(deadline, patience)) SendBatches(deadline);
  if (!owed_.empty()) TakeAnswers(deadline, patience);
  if (refused_ && owed_.empty()) {
    refused_ = false;
    Pause();
  }
}

bool Publisher::Prepare(BootTime deadline, Patience patience) {
  const bool to_send = std::any_of(batches_.begin(), batches_.end(), [](const Batch& batch) {
    return batch.state == BatchState::kToSend;
  });
  if (!to_send) return false;
  if (patience == Patience::kWait) {
    interrupted_.SleepUntil(seams_.clock, std::min(pause_until_, deadline));
  }
  const BootTime now = seams_.clock.Boot();
  if (interrupted_.Stopped() || now < pause_until_) return false;
  if (connection_ != nullptr) return true;
  Result<std::unique_ptr<FrameClient>> connected =
      seams_.network.Connect({.host = options_.host,
                              .port = options_.port,
                              .deadline = std::min(deadline, now + options_.connect_timeout)});
  if (!connected.ok()) {
    Disconnect(connected.status());
    return false;
  }
  connection_ = std::move(*connected);
  return true;
}

void Publisher::SendBatches(BootTime deadline) {
  std::vector<std::string> calls;
  const bool none_owed = owed_.empty();
  const uint64_t base = batches_.front().number;
  for (Batch& batch : batches_) {
    if (batch.state != BatchState::kToSend) continue;
    const bool other_name = Planted(Bug::kResentUnderNewIdentity) && batch.sent_before;
    const uint64_t sender = other_name ? sender_ ^ 1 : sender_;
    calls.push_back(
        EncodeLogCall({.header = {.style = HeaderStyle::kStrict, .seqid = SeqidOf(batch.number)},
                       .entries = batch.entries.bytes(),
                       .batch = BatchId{sender, batch.number, base}}));
    CallSent(batch);
    owed_.push_back(batch.number);
  }
  if (calls.empty()) return;
  const std::vector<std::string_view> frames(calls.begin(), calls.end());
  const BootTime now = seams_.clock.Boot();
  if (none_owed) owed_since_ = now;
  const Status sent = connection_->Send(frames, std::min(deadline, now + options_.answer_timeout));
  if (!sent.ok()) Disconnect(sent);
}

void Publisher::TakeAnswers(BootTime deadline, Patience patience) {
  const BootTime give_up = owed_since_ + options_.answer_timeout;
  BootTime until = seams_.clock.Boot();
  if (patience == Patience::kWait) until = std::min({deadline, give_up, until + kNotice});
  while (!owed_.empty()) {
    Result<std::optional<std::string>> frame = connection_->Receive(until);
    if (!frame.ok()) return Disconnect(frame.status());
    if (!frame->has_value()) break;
    OnAnswer(**frame);
    if (connection_ == nullptr) return;
    until = seams_.clock.Boot();  // one was worth waiting for, more are welcome if they are there
    owed_since_ = until;
  }
  if (!owed_.empty() && seams_.clock.Boot() >= owed_since_ + options_.answer_timeout) {
    Disconnect({Code::kUnavailable, "the collector does not answer in time"});
  }
}

void Publisher::OnAnswer(std::string_view frame) {
  const Result<LogReply> reply = DecodeLogReply(frame);
  if (!reply.ok()) return Disconnect(reply.status());
  if (reply->seqid != SeqidOf(owed_.front())) {
    return Disconnect({Code::kInvalid, "the collector answers another call"});
  }
  Batch& batch = batches_[owed_.front() - batches_.front().number];
  owed_.pop_front();
  if (reply->code == ResultCode::kOk) return Acknowledge(batch);
  // Nothing of a call is kept that is answered so; after an exception nobody knows.
  if (reply->code == ResultCode::kTryLater) CallAnswered(batch);
  batch.state = BatchState::kToSend;
  refused_ = true;
  ++progress_.refused;
  Failed("Log", reply->code ? "TRY_LATER" : reply->error);
}

void Publisher::CallSent(Batch& batch) {
  if (std::exchange(batch.sent_before, true)) progress_.resent += batch.entries.count();
  if (batch.unanswered_calls++ == 0) progress_.unanswered += batch.entries.count();
  batch.state = BatchState::kSent;
}

void Publisher::CallAnswered(Batch& batch) {
  if (--batch.unanswered_calls == 0) progress_.unanswered -= batch.entries.count();
}

void Publisher::Acknowledge(Batch& batch) {
  batch.state = BatchState::kAcknowledged;
  failures_ = 0;
  progress_.acknowledged += batch.entries.count();
  progress_.unanswered -= batch.entries.count();
  while (!batches_.empty() && batches_.front().state == BatchState::kAcknowledged) {
    batches_.pop_front();
  }
  if (on_progress_) on_progress_(progress_);
}

void Publisher::Disconnect(const Status& why) {
  connection_.reset();
  owed_.clear();
  refused_ = false;
  for (Batch& batch : batches_) {
    if (batch.state == BatchState::kSent) batch.state = BatchState::kToSend;
  }
  if (Planted(Bug::kUnansweredAcknowledged)) {
    while (!batches_.empty() && batches_.front().sent_before) Acknowledge(batches_.front());
  }
  Pause();
  Failed("connection", why.ToString());
}

// Between half of the pause and all of it, so that many publishers do not come back together.
void Publisher::Pause() {
  Milliseconds pause = options_.pause_min;
  for (uint32_t i = 0; i < failures_ && pause < options_.pause_max; ++i) pause *= 2;
  ++failures_;
  const auto most = static_cast<uint64_t>(std::min(pause, options_.pause_max).count());
  const Milliseconds jittered(most / 2 + seams_.random.Below(most / 2 + 1));
  pause_until_ = seams_.clock.Boot() + jittered;
}

void Publisher::Failed(std::string_view what, std::string_view why) {
  ++progress_.failures;
  progress_.last_error = fmt::format("{}: {}", what, why);
  if (on_progress_) on_progress_(progress_);
}

}  // namespace databus
