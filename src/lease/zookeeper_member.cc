#include "lease/zookeeper_member.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "cluster/text_format.h"

namespace databus {
namespace {

using Session = ZooKeeperSession;
using Outcome = Session::Outcome;

constexpr int kPacesPerSession = 6;
constexpr std::chrono::seconds kPatience{1};
constexpr std::string_view kDatabus = "/databus";

}  // namespace

std::optional<uint64_t> NumberOfNode(std::string_view name, std::string_view before) {
  const size_t at = name.rfind(before);
  if (at == std::string_view::npos) return std::nullopt;
  std::string_view digits = name.substr(at + before.size());
  digits.remove_prefix(std::min(digits.find_first_not_of('0'), digits.size()));
  if (digits.empty()) return name.ends_with('0') ? std::optional<uint64_t>(0) : std::nullopt;
  const auto number = ParseNumber(digits);
  return number.ok() ? std::optional(*number) : std::nullopt;
}

ZooKeeperMember::ZooKeeperMember(Clock& clock, Random& random, Options options,
                                 std::string_view directory)
    : clock_(clock),
      random_(random),
      options_(std::move(options)),
      root_(paths::Join(kDatabus, directory)) {}

std::string ZooKeeperMember::Where() const {
  const size_t chroot = options_.servers.find('/');
  const bool has_chroot = chroot != std::string::npos;
  return fmt::format("ZooKeeper {}, {}{}", options_.servers.substr(0, chroot),
                     has_chroot ? options_.servers.substr(chroot) : "", root_);
}

std::chrono::nanoseconds ZooKeeperMember::SessionTime() const {
  return agreed_ ? *agreed_ : request().timeout;
}

std::chrono::nanoseconds ZooKeeperMember::Pace() {
  MutexLock lock(mutex_);
  return SessionTime() / kPacesPerSession;
}

bool ZooKeeperMember::IsFresh() const {
  return session_ != nullptr && session_->state() != Session::State::kOver && !leaves_ && sent_ &&
         clock_.Boot() - *sent_ < SessionTime() * 2 / 3;
}

bool ZooKeeperMember::IsOver(const std::string& holder) const {
  return holder == request().holder ||
         (request().holder_is_gone && request().holder_is_gone(holder));
}

Status ZooKeeperMember::Tick() {
  MutexLock turn(turn_);
  DATABUS_RETURN_IF_ERROR(Begin());
  std::chrono::nanoseconds most;
  {
    MutexLock lock(mutex_);
    ticked_ = clock_.Boot();
    pauses_ = false;
    OnTick();
    most = std::min<std::chrono::nanoseconds>(SessionTime() / kPacesPerSession, kPatience);
  }
  Advance();
  AwaitRest(most);
  return State();
}

// Over, or without an answer for a session's time. A server that hears us while we do not hear it
// would keep such a session, and its nodes, for ever.
bool ZooKeeperMember::IsHopeless() const {
  return session_->state() == Session::State::kOver ||
         (session_->state() == Session::State::kConnecting &&
          clock_.Boot() - heard_ >= SessionTime());
}

void ZooKeeperMember::ForgetSession() {
  token_.clear();
  refusal_.clear();
  calls_ = pauses_ = leaves_ = false;
  list_is_due_ = true;
  parents_ = 0;
  sent_.reset();
  agreed_.reset();
  Forget();
}

Status ZooKeeperMember::Begin() {
  {
    MutexLock lock(mutex_);
    if (session_ != nullptr && !IsHopeless()) return Status::Ok();
  }
  End();
  auto session =
      Session::Begin(options_.servers, std::chrono::duration_cast<Milliseconds>(request().timeout),
                     [this](Session::Event event) { OnEvent(event); });
  if (!session.ok()) return session.status().WithContext(Where());
  MutexLock lock(mutex_);
  session_ = *std::move(session);
  token_ = random_.Hex(16);
  heard_ = clock_.Boot();
  // It may have connected before it was known here.
  if (session_->state() == Session::State::kConnected) agreed_ = session_->timeout();
  return Status::Ok();
}

void ZooKeeperMember::End() {
  std::unique_ptr<Session> session;
  {
    MutexLock lock(mutex_);
    session = std::move(session_);
    ForgetSession();
  }
  session.reset();  // its last answers find no session, and change nothing
}

void ZooKeeperMember::OnEvent(Session::Event event) {
  {
    MutexLock lock(mutex_);
    if (session_ == nullptr) return;
    if (event == Session::Event::kChildren) {
      list_is_due_ = true;
    } else if (session_->state() == Session::State::kConnected) {
      agreed_ = session_->timeout();
      pauses_ = false;
      OnConnected();
    }
  }
  Advance();
}

std::optional<ZooKeeperMember::Call> ZooKeeperMember::NextCall() const {
  if (session_ == nullptr || session_->state() != Session::State::kConnected || calls_ || pauses_) {
    return std::nullopt;
  }
  if (leaves_) return Next();
  if (parents_ > 0) return Call{.what = Do::kMakeParent};
  if (list_is_due_) return Call{.what = Do::kList};
  return Next();
}

void ZooKeeperMember::Advance() {
  Session* session = nullptr;
  std::optional<Call> call;
  int parents = 0;
  {
    MutexLock lock(mutex_);
    call = NextCall();
    changed_.NotifyAll();
    if (!call) return;
    calls_ = true;
    session = session_.get();
    parents = parents_;
  }
  // Nobody destroys it meanwhile: this is the thread that would, or one that is waited for then.
  Make(*call, *session, parents);
}

void ZooKeeperMember::Make(const Call& call, Session& session, int parents) {
  const auto then = [this, call, sent = clock_.Boot()](const Answer& answer) {
    OnAnswer(call, sent, answer);
  };
  const std::string path = paths::Join(root_, call.node);
  switch (call.what) {
    case Do::kMakeParent:
      return session.Create(parents == 2 ? std::string(kDatabus) : root_, "",
                            Session::Kind::kPersistent, then);
    case Do::kList: return session.List(root_, then);
    case Do::kCreate:
      return session.Create(path, request().holder, Session::Kind::kEphemeralSequential, then);
    case Do::kWrite: return session.Write(path, request().holder, then);
    case Do::kRead: return session.Read(path, then);
    case Do::kDelete: return session.Delete(path, then);
  }
}

void ZooKeeperMember::OnAnswer(const Call& call, BootTime sent, const Answer& answer) {
  {
    MutexLock lock(mutex_);
    if (session_ == nullptr) return;
    calls_ = false;
    refusal_.clear();
    if (answer.outcome != Outcome::kLost) heard_ = clock_.Boot();
    switch (answer.outcome) {
      case Outcome::kDone:
        if (call.what == Do::kCreate || call.what == Do::kWrite) sent_ = sent;
        if (call.what == Do::kMakeParent) {
          --parents_;
        } else if (call.what == Do::kList) {
          list_is_due_ = false;
          Judge(answer.names);
        } else {
          OnDone(call, answer);
        }
        break;
      case Outcome::kExists: parents_ -= call.what == Do::kMakeParent ? 1 : 0; break;
      case Outcome::kNoNode: OnMissing(call); break;
      case Outcome::kRefused: refusal_ = answer.why; [[fallthrough]];
      case Outcome::kLost:
        pauses_ = true;
        list_is_due_ = true;  // among what is lost may be a node that was made
        break;
    }
  }
  Advance();
}

void ZooKeeperMember::OnMissing(const Call& call) {
  if (call.what == Do::kMakeParent) {
    refusal_ = "the path after the servers is not there; create it once";
    pauses_ = true;
    return;
  }
  if (call.what == Do::kList) {
    parents_ = 2;
    Judge({});
  } else {
    OnGone(call);
  }
  list_is_due_ = true;
}

void ZooKeeperMember::AwaitRest(std::chrono::nanoseconds most) {
  MutexLock lock(mutex_);
  const BootTime end = clock_.Boot() + most;
  const auto rests = [this] {
    return session_ == nullptr || session_->state() == Session::State::kOver ||
           (session_->state() == Session::State::kConnected && !calls_ && !NextCall());
  };
  while (!rests()) {
    if (!changed_.WaitUntil(lock, clock_, end)) return;
  }
}

Status ZooKeeperMember::State() {
  MutexLock lock(mutex_);
  if (!refusal_.empty()) {
    return {Code::kRefused, fmt::format("{}: {}", Where(), refusal_)};
  }
  if (session_ == nullptr || session_->state() == Session::State::kConnected) return Status::Ok();
  if (session_->state() == Session::State::kOver) {
    return {Code::kStale, Where() + ": the session has expired; a new one is begun"};
  }
  return {Code::kUnavailable, Where() + ": no server answers"};
}

Status ZooKeeperMember::Skip() {
  MutexLock turn(turn_);
  {
    MutexLock lock(mutex_);
    if (session_ == nullptr || clock_.Boot() - ticked_ < request().timeout) return Status::Ok();
  }
  return GiveUp();
}

Status ZooKeeperMember::Release() {
  MutexLock turn(turn_);
  return GiveUp();
}

Status ZooKeeperMember::GiveUp() {
  bool left = false;
  {
    MutexLock lock(mutex_);
    if (session_ == nullptr) return Status::Ok();
    leaves_ = true;
    pauses_ = false;
  }
  Advance();
  AwaitRest(kPatience);
  {
    MutexLock lock(mutex_);
    left = !HasNodes();
  }
  End();
  if (left) return Status::Ok();
  return {Code::kUnavailable, Where() + ": no server answers; the servers end the session in time"};
}

}  // namespace databus
