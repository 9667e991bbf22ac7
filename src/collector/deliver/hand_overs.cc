#include "collector/deliver/hand_overs.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/planted.h"
#include "net/batch_id.h"

namespace databus {
namespace {

// Under which a collector's batches of this life are known to one receiver.
uint64_t SenderOf(uint64_t life, const std::string& receiver) {
  uint64_t mixed = life + 0x9e3779b97f4a7c15u;
  for (const uint64_t part : {ParseSender(receiver).value_or(0), uint64_t{1}}) {
    mixed = (mixed ^ (mixed >> 30) ^ part) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
  }
  return mixed ^ (mixed >> 31);
}

std::string TopicOf(const Endpoint& receiver) { return "receiver " + receiver.ToString(); }

CourierSettings SettingsOf(const DeliverySettings& settings) {
  return {settings.receiver_timeout, settings.receiver_retry};
}

}  // namespace

Courier& HandOvers::CourierTo(const Endpoint& receiver) {
  std::unique_ptr<Courier>& courier = couriers_[receiver.ToString()];
  if (courier == nullptr) {
    const Courier::Seams seams{*seams_.network, seams_.clock, seams_.random,
                               seams_.spool.identity().incarnation, wake_ ? wake_ : [] {}};
    courier = std::make_unique<Courier>(seams, receiver, SettingsOf(settings_));
    if (wake_) courier->Start();
  }
  courier->Want();
  return *courier;
}

void HandOvers::Take(const SpoolCut& cut, HandOverState state) {
  for (const SpoolIntent& intent : cut.intents) {
    if (!IsHandOver(intent)) continue;
    auto note = DecodeHandOverNote(intent.note);
    if (!note.ok()) {
      seams_.problems.Report("spool: " + note.status().message(),
                             "nothing is done about it; its messages stay in the spool");
      continue;
    }
    if (state == HandOverState::kUnknown && Planted(Bug::kHandOverRenumbered)) note->first += 1'000;
    const uint64_t doubtful = state == HandOverState::kUnknown ? note->batches.size() : 0;
    open_[intent.id] = {intent, *std::move(note), cut.id, cut.ranges, state, doubtful, {}};
  }
}

Courier* HandOvers::Choose(const std::vector<Endpoint>& receivers) {
  if (seams_.network == nullptr || receivers.empty()) return nullptr;
  std::string all;
  for (const Endpoint& receiver : receivers) all += receiver.ToString() + ' ';
  const auto kept = kept_to_.find(all);
  if (kept != kept_to_.end()) {
    Courier& courier = CourierTo(kept->second);
    if (courier.Peer()) return &courier;
  }
  for (const Endpoint& receiver : receivers) {
    Courier& courier = CourierTo(receiver);
    if (!wake_ && !courier.Peer()) courier.Step();
    if (courier.Peer()) {
      kept_to_[all] = receiver;
      return &courier;
    }
    if (courier.trouble().empty()) return nullptr;  // it may answer yet
  }
  return nullptr;
}

void HandOvers::AddTo(SpoolPlan& plan, const Courier& courier, const BatchPlan& batches,
                      std::vector<SpoolDeferral> streams) {
  HandOverNote note{.receiver = courier.receiver(),
                    .incarnation = courier.Peer().value_or(""),
                    .messages = batches.messages,
                    .batches = batches.begins,
                    .streams = std::move(streams)};
  if (!note.incarnation.empty()) {
    if (!life_) life_ = seams_.random.Next();
    note.sender = SenderOf(*life_, note.incarnation);
    uint64_t& last = numbered_[note.sender];
    note.first = last + 1;
    last += note.batches.size();  // also where the plan comes to nothing
  }
  plan.intents.push_back({.stream = {}, .note = EncodeHandOverNote(note)});
}

Status HandOvers::Run() {
  if (seams_.network == nullptr) return Status::Ok();
  do {
    std::vector<uint64_t> done;
    for (const auto& [id, open] : open_) CourierTo(open.note.receiver);
    for (const auto& [name, courier] : couriers_) {
      courier->Configure(SettingsOf(settings_));
      if (!wake_) courier->Step();
      if (const auto report = courier->TakeReport()) TakeReport(*report, done);
    }
    TakeMarks(done);
    DATABUS_RETURN_IF_ERROR(Settle(done));
    for (auto& [id, open] : open_) DATABUS_RETURN_IF_ERROR(RecordProgress(open));
    DATABUS_RETURN_IF_ERROR(Give());
  } while (!wake_ && given_);
  TellTroubles();
  return Status::Ok();
}

void HandOvers::TakeReport(const CourierReport& report, std::vector<uint64_t>& done) {
  const auto found = open_.find(report.intent);
  if (found == open_.end()) return;
  Open& open = found->second;
  open.note.acknowledged += report.acknowledged;
  open.doubtful -= std::min(open.doubtful, report.acknowledged);
  const bool kept =
      report.outcome == CourierOutcome::kKept ||
      (report.outcome == CourierOutcome::kUnknown && Planted(Bug::kUnknownHandOverSettled));
  if (kept) return done.push_back(report.intent);
  // That a repeat was refused says nothing about the first time.
  if (report.outcome == CourierOutcome::kUnknown) {
    const bool numbered = open.note.first != 0;
    open.doubtful = std::max<uint64_t>(
        open.doubtful, numbered ? open.note.batches.size() - open.note.acknowledged : 1);
  }
  open.state = open.doubtful > 0 ? HandOverState::kUnknown : HandOverState::kUnsent;
}

// What a receiver of another make has must not be sent again: it is noted.
Status HandOvers::RecordProgress(Open& open) {
  if (open.note.first != 0 || open.state == HandOverState::kUnderWay) return Status::Ok();
  std::string note = EncodeHandOverNote(open.note);
  if (note == open.intent.note) return Status::Ok();
  SpoolIntent amended = open.intent;
  amended.note = std::move(note);
  const Status recorded = seams_.spool.Amend(amended);
  if (recorded.unknown()) return {Code::kStopped, recorded.message()};
  if (recorded.ok()) open.intent = std::move(amended);
  return recorded;
}

void HandOvers::NoteMarks(const std::string& incarnation,
                          const std::map<uint64_t, uint64_t>& marks) {
  MutexLock lock(mutex_);
  for (const auto& [sender, number] : marks) {
    uint64_t& known = marks_[{incarnation, sender}];
    known = std::max(known, number);
  }
}

void HandOvers::TakeMarks(std::vector<uint64_t>& done) {
  MutexLock lock(mutex_);
  for (const auto& [id, open] : open_) {
    if (open.state == HandOverState::kUnderWay || open.note.first == 0) continue;
    const auto mark = marks_.find({open.note.incarnation, open.note.sender});
    const uint64_t last = open.note.first + open.note.batches.size() - 1;
    if (mark != marks_.end() && mark->second >= last) done.push_back(id);
  }
}

Status HandOvers::Settle(const std::vector<uint64_t>& done) {
  if (done.empty()) return Status::Ok();
  const Status settled = seams_.spool.Settle(done);
  if (settled.unknown()) return {Code::kStopped, settled.message()};
  if (!settled.ok()) {
    // Nothing is lost by asking the receiver again.
    for (const uint64_t id : done) open_[id].state = HandOverState::kUnknown;
    return settled;
  }
  for (const uint64_t id : done) {
    counts_.handed_over += open_[id].note.messages;
    open_.erase(id);
  }
  return Status::Ok();
}

bool HandOvers::AnySender(uint64_t sender, HandOverState state) const {
  return std::ranges::any_of(open_, [&](const auto& item) {
    return item.second.note.sender == sender && item.second.state == state;
  });
}

HandOvers::Open* HandOvers::NextFor(const Courier& courier, const std::string& peer) {
  for (auto& [id, open] : open_) {
    if (open.note.incarnation != peer) continue;
    if (peer.empty() && !(open.note.receiver == courier.receiver())) continue;
    // In the order of the numbers, one at a time.
    const bool waits = open.state == HandOverState::kUnderWay ||
                       open.not_before > seams_.clock.Boot() ||
                       (!peer.empty() && AnySender(open.note.sender, HandOverState::kUnderWay));
    return waits ? nullptr : &open;
  }
  return nullptr;
}

Status HandOvers::Give() {
  given_ = false;
  for (const auto& [name, courier] : couriers_) {
    const std::optional<std::string> peer = courier->Peer();
    if (!peer || courier->busy()) continue;
    Open* const open = NextFor(*courier, *peer);
    if (open == nullptr) continue;
    auto batches = MakeBatches(seams_.spool, open->ranges, open->note, open->note.acknowledged);
    const std::string topic = "hand-over " + std::to_string(open->intent.id);
    if (!batches.ok()) {
      open->not_before = seams_.clock.Boot() + settings_.retry.interval;
      seams_.problems.Raise(topic, "spool: a hand-over: " + batches.status().ToString(),
                            "read again later; what comes behind it to this receiver waits");
      continue;
    }
    seams_.problems.Clear(topic);
    if (peer->empty()) {
      for (uint64_t i = 0; i < std::min<uint64_t>(open->doubtful, batches->size()); ++i) {
        counts_.possible_duplicates += (*batches)[i].count();
      }
      open->doubtful = 0;
    }
    const uint64_t first = open->note.first == 0 ? 0 : open->note.first + open->note.acknowledged;
    courier->Give({open->intent.id, *peer, open->note.sender, first, *std::move(batches)});
    open->state = HandOverState::kUnderWay;
    given_ = true;
  }
  return Status::Ok();
}

Status HandOvers::Return(uint64_t id, std::vector<SpoolCut>& returned) {
  const Open& open = open_.at(id);
  const Status done = seams_.spool.Return(open.cut, id, open.note.streams);
  if (done.unknown()) return {Code::kStopped, done.message()};
  DATABUS_RETURN_IF_ERROR(done);
  returned.push_back({open.cut, open.ranges, {}, open.note.streams});
  open_.erase(id);
  return Status::Ok();
}

Status HandOvers::ReturnUnsent(const IsBarred& is_barred, std::vector<SpoolCut>& returned) {
  std::vector<uint64_t> barred;
  for (const auto& [id, open] : open_) {
    if (open.state != HandOverState::kUnsent || open.note.acknowledged > 0) continue;
    if (is_barred(open.note.receiver, open.note.streams)) barred.push_back(id);
  }
  for (const uint64_t id : barred) DATABUS_RETURN_IF_ERROR(Return(id, returned));
  return Status::Ok();
}

// Whether the very receiver that it was made for can be asked.
bool HandOvers::Answers(const Open& open) const {
  return std::ranges::any_of(couriers_, [&](const auto& item) {
    const Courier& courier = *item.second;
    if (courier.Peer() != open.note.incarnation) return false;
    return !open.note.incarnation.empty() || courier.receiver() == open.note.receiver;
  });
}

Status HandOvers::ReleaseUnknown(std::vector<SpoolCut>& released) {
  std::vector<uint64_t> unknown;
  for (const auto& [id, open] : open_) {
    const bool free = open.state == HandOverState::kUnknown ||
                      (open.state == HandOverState::kUnsent && open.note.acknowledged > 0);
    if (free && !Answers(open)) unknown.push_back(id);
  }
  for (const uint64_t id : unknown) {
    const uint64_t messages = open_.at(id).note.messages;
    DATABUS_RETURN_IF_ERROR(Return(id, released));
    counts_.possible_duplicates += messages;
  }
  return Status::Ok();
}

void HandOvers::Hurry() {
  for (const auto& [name, courier] : couriers_) courier->Hurry();
}

bool HandOvers::hopeful() const {
  return std::ranges::any_of(couriers_, [](const auto& item) {
    const Courier& courier = *item.second;
    return courier.busy() || (courier.trouble().empty() && !courier.Peer());
  });
}

bool HandOvers::has_unknown() const {
  return std::ranges::any_of(
      open_, [](const auto& item) { return item.second.state == HandOverState::kUnknown; });
}

std::optional<WallTime> HandOvers::OldestAccepted() const {
  std::optional<WallTime> oldest;
  for (const auto& [id, open] : open_) {
    for (const SpoolDeferral& stream : open.note.streams) {
      if (!oldest || stream.oldest < *oldest) oldest = stream.oldest;
    }
  }
  return oldest;
}

void HandOvers::CountIntents(std::map<std::string, uint64_t>& intents) const {
  for (const auto& [id, open] : open_) {
    for (const SpoolDeferral& stream : open.note.streams) ++intents[stream.stream];
  }
}

void HandOvers::TellTroubles() {
  std::map<std::string, std::string> present;
  for (const auto& [name, courier] : couriers_) {
    const std::string trouble = courier->trouble();
    if (!trouble.empty()) present[TopicOf(courier->receiver())] = trouble;
    const std::optional<std::string> peer = courier->Peer();
    for (const auto& [id, open] : open_) {
      if (!peer || *peer == open.note.incarnation || !(open.note.receiver == courier->receiver())) {
        continue;
      }
      present[TopicOf(courier->receiver())] = fmt::format(
          "another collector answers there; the fate of {} messages is known to the one before "
          "only",
          open.note.messages);
    }
  }
  for (const auto& [topic, text] : troubles_) {
    if (!present.contains(topic)) seams_.problems.Clear(topic);
  }
  for (const auto& [topic, text] : present) {
    seams_.problems.Raise(topic, topic + ": " + text,
                          fmt::format("tried again about every {} ms; messages stay in the spool",
                                      settings_.receiver_retry.interval.count()));
  }
  troubles_ = std::move(present);
}

}  // namespace databus
