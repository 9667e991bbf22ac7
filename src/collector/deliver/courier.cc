#include "collector/deliver/courier.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "net/batch_id.h"
#include "net/fb303_client.h"
#include "net/scribe_codec.h"

namespace databus {
namespace {

// Batches under way at a time. Towards another make one: what is under way when a connection breaks
// may be doubled.
constexpr uint64_t kWindow = 8;
constexpr uint64_t kWindowOfOthers = 1;
// How long a connection is held that nobody asked for.
constexpr std::chrono::minutes kHold{1};
// How often an idle connection is looked at.
constexpr std::chrono::seconds kLook{1};
// How soon the end is noticed.
constexpr Milliseconds kNotice{100};

int32_t SeqidOf(uint64_t batch) { return static_cast<int32_t>(batch & 0x7fffffff); }

}  // namespace

Courier::Courier(const Seams& seams, Endpoint receiver, const CourierSettings& settings)
    : seams_(seams), receiver_(std::move(receiver)), settings_(settings) {}

Courier::~Courier() {
  stop_.Stop();
  {
    MutexLock lock(mutex_);
    end_ = true;
    changed_.NotifyAll();
  }
  thread_.Join();
}

void Courier::Start() {
  thread_ = Thread("courier", [this] { Run(); });
}

void Courier::Run() {
  while (true) {
    const BootTime next = Step();
    MutexLock lock(mutex_);
    while (!end_ && !poked_ && seams_.clock.Boot() < next) {
      changed_.WaitUntil(lock, seams_.clock, next);
    }
    if (end_) return;
    poked_ = false;
  }
}

void Courier::Configure(const CourierSettings& settings) {
  MutexLock lock(mutex_);
  settings_ = settings;
}

CourierSettings Courier::settings() const {
  MutexLock lock(mutex_);
  return settings_;
}

void Courier::Want() {
  const BootTime until = seams_.clock.Boot() + kHold;
  MutexLock lock(mutex_);
  poked_ = poked_ || wanted_until_ <= seams_.clock.Boot();
  wanted_until_ = until;
  if (poked_) changed_.NotifyAll();
}

void Courier::Hurry() {
  MutexLock lock(mutex_);
  not_before_ = BootTime{};
  poked_ = true;
  changed_.NotifyAll();
}

std::optional<std::string> Courier::Peer() const {
  MutexLock lock(mutex_);
  if (not_before_ > seams_.clock.Boot()) return std::nullopt;
  return peer_;
}

bool Courier::busy() const {
  MutexLock lock(mutex_);
  return load_ != nullptr || report_.has_value();
}

void Courier::Give(CourierLoad load) {
  auto given = std::make_shared<const CourierLoad>(std::move(load));
  MutexLock lock(mutex_);
  load_ = std::move(given);
  poked_ = true;
  changed_.NotifyAll();
}

std::optional<CourierReport> Courier::TakeReport() {
  MutexLock lock(mutex_);
  return std::exchange(report_, std::nullopt);
}

std::string Courier::trouble() const {
  MutexLock lock(mutex_);
  return trouble_;
}

std::optional<BootTime> Courier::Idle() {
  const BootTime now = seams_.clock.Boot();
  MutexLock lock(mutex_);
  if (not_before_ > now) return not_before_;
  if (load_ == nullptr && wanted_until_ <= now) {
    peer_.reset();
    connection_.reset();
    trouble_.clear();  // nobody's any more
    return now + kHold;
  }
  return std::nullopt;
}

BootTime Courier::Step() {
  if (const auto next = Idle()) return *next;
  std::shared_ptr<const CourierLoad> load;
  {
    MutexLock lock(mutex_);
    load = load_;
  }
  CheckConnection();
  if (connection_ == nullptr) {
    const Status connected = Connect();
    if (!connected.ok()) {
      Fail(connected.message());
      // Of a load that is still here nothing was sent.
      if (load != nullptr) Report(*load, CourierOutcome::kNotKept, 0);
      return seams_.clock.Boot() + kNotice;
    }
    seams_.wake();
  }
  if (load != nullptr) Deliver(*load);
  return seams_.clock.Boot() + kLook;
}

void Courier::Deliver(const CourierLoad& load) {
  if (Peer() != load.peer) return Report(load, CourierOutcome::kNotKept, 0);
  Trip trip;
  const CourierOutcome outcome = Carry(load, trip);
  if (outcome != CourierOutcome::kKept) Fail(trip.why);
  Report(load, outcome, trip.acknowledged);
}

// A connection that broke while nothing was under way is found before anything is sent on it.
void Courier::CheckConnection() {
  if (connection_ == nullptr) return;
  const auto frame = connection_->Receive(seams_.clock.Boot());
  if (frame.ok() && !frame->has_value()) return;
  connection_.reset();
  MutexLock lock(mutex_);
  peer_.reset();
}

Status Courier::Connect() {
  const BootTime give_up = seams_.clock.Boot() + settings().timeout;
  DATABUS_ASSIGN_OR_RETURN(
      connection_, seams_.network.Connect(
                       {.host = receiver_.host, .port = receiver_.port, .deadline = give_up}));
  const std::string question = EncodeGetOption(kIncarnationOption);
  const std::string_view frames[] = {question};
  Status asked = connection_->Send(frames, give_up);
  std::string peer;
  if (asked.ok()) {
    const Result<std::string> frame = Receive(give_up);
    asked = frame.status();
    const Result<std::string> option =
        frame.ok() ? DecodeGetOption(*frame) : Result<std::string>("");
    if (asked.ok()) asked = option.status();
    if (asked.ok() && ParseSender(*option)) peer = *option;
  }
  if (asked.ok() && peer == seams_.self) {
    asked = {Code::kRefused, "that is this collector itself"};
  }
  if (!asked.ok()) {
    connection_.reset();
    return asked;
  }
  MutexLock lock(mutex_);
  peer_ = std::move(peer);
  trouble_.clear();
  return Status::Ok();
}

Result<std::string> Courier::Receive(BootTime give_up) {
  while (!stop_.Stopped()) {
    const BootTime now = seams_.clock.Boot();
    auto frame = connection_->Receive(std::min(give_up, now + kNotice));
    if (!frame.ok()) return frame.status();
    if (frame->has_value()) return **std::move(frame);
    if (now + kNotice >= give_up) return Status(Code::kUnavailable, "no answer in time");
  }
  return Status(Code::kStopped, "stopping");
}

CourierOutcome Courier::Carry(const CourierLoad& load, Trip& trip) {
  while (trip.acknowledged < load.batches.size()) {
    Status done = SendWindow(load, trip);
    if (done.ok()) done = TakeAnswer(trip);
    if (!done.ok()) {
      trip.why = done.message();
      connection_.reset();
      return CourierOutcome::kUnknown;
    }
    if (trip.refused && trip.unanswered == 0) return CourierOutcome::kNotKept;
  }
  return CourierOutcome::kKept;
}

Status Courier::SendWindow(const CourierLoad& load, Trip& trip) {
  const uint64_t window = load.first == 0 ? kWindowOfOthers : kWindow;
  std::vector<std::string> calls;
  while (!trip.refused && trip.unanswered < window &&
         trip.acknowledged + trip.unanswered < load.batches.size()) {
    const uint64_t index = trip.acknowledged + trip.unanswered++;
    std::optional<BatchId> id;
    if (load.first != 0) {
      id = BatchId{load.sender, load.first + index, load.first + trip.acknowledged};
    }
    calls.push_back(EncodeLogCall({.header = {.style = HeaderStyle::kOld, .seqid = SeqidOf(index)},
                                   .entries = load.batches[index].bytes(),
                                   .batch = id}));
  }
  if (calls.empty()) return Status::Ok();
  const std::vector<std::string_view> frames(calls.begin(), calls.end());
  return connection_->Send(frames, seams_.clock.Boot() + settings().timeout);
}

// Answers come in the order of the calls. Behind a batch that was refused a numbered one is refused
// as well, or it is a repeat.
Status Courier::TakeAnswer(Trip& trip) {
  DATABUS_ASSIGN_OR_RETURN(const std::string frame,
                           Receive(seams_.clock.Boot() + settings().timeout));
  DATABUS_ASSIGN_OR_RETURN(const LogReply reply, DecodeLogReply(frame));
  if (!reply.code) return {Code::kUnavailable, "the receiver answers: " + reply.error};
  --trip.unanswered;
  if (trip.refused) return Status::Ok();
  if (*reply.code == ResultCode::kTryLater) {
    trip.refused = true;
    trip.why = "TRY_LATER";
    return Status::Ok();
  }
  if (reply.seqid != SeqidOf(trip.acknowledged)) {
    return {Code::kUnavailable, "the receiver answers another call"};
  }
  ++trip.acknowledged;
  return Status::Ok();
}

void Courier::Report(const CourierLoad& load, CourierOutcome outcome, uint64_t acknowledged) {
  {
    MutexLock lock(mutex_);
    if (outcome == CourierOutcome::kKept) trouble_.clear();
    report_ = CourierReport{load.intent, outcome, acknowledged};
    load_.reset();
  }
  seams_.wake();
}

void Courier::Fail(const std::string& why) {
  MutexLock lock(mutex_);
  not_before_ = seams_.clock.Boot() + settings_.retry.Draw(seams_.random);
  if (connection_ == nullptr) peer_.reset();
  trouble_ = why;
}

}  // namespace databus
