#include "lease/zookeeper_lease.h"

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
constexpr std::string_view kRoot = "/databus";
constexpr std::string_view kLock = "lock-";  // as the original's recipe names its nodes

// The number that the servers gave a node; nothing for what takes no part in the election.
std::optional<uint64_t> NumberOf(std::string_view name) {
  const size_t lock = name.rfind(kLock);
  if (lock == std::string_view::npos) return std::nullopt;
  std::string_view digits = name.substr(lock + kLock.size());
  digits.remove_prefix(std::min(digits.find_first_not_of('0'), digits.size()));
  if (digits.empty()) return name.ends_with('0') ? std::optional<uint64_t>(0) : std::nullopt;
  const auto number = ParseNumber(digits);
  return number.ok() ? std::optional(*number) : std::nullopt;
}

}  // namespace

ZooKeeperLease::ZooKeeperLease(Clock& clock, Random& random, Options options)
    : clock_(clock),
      random_(random),
      options_(std::move(options)),
      root_(paths::Join(kRoot, options_.request.cluster + "_")) {}

ZooKeeperLease::~ZooKeeperLease() { End(); }

std::string ZooKeeperLease::Where() const {
  const size_t chroot = options_.servers.find('/');
  const bool has_chroot = chroot != std::string::npos;
  return fmt::format("ZooKeeper {}, {}{}", options_.servers.substr(0, chroot),
                     has_chroot ? options_.servers.substr(chroot) : "", root_);
}

std::chrono::nanoseconds ZooKeeperLease::SessionTime() const {
  return known_.agreed ? *known_.agreed : options_.request.timeout;
}

std::chrono::nanoseconds ZooKeeperLease::Pace() {
  MutexLock lock(mutex_);
  return SessionTime() / kPacesPerSession;
}

bool ZooKeeperLease::HeldNow() const {
  return session_ != nullptr && session_->state() != Session::State::kOver && known_.leads &&
         !known_.leaves && known_.sent && clock_.Boot() - *known_.sent < SessionTime() * 2 / 3;
}

bool ZooKeeperLease::Held(View /*view*/, Group /*group*/) {
  MutexLock lock(mutex_);
  return HeldNow();
}

std::string ZooKeeperLease::Holder() {
  MutexLock lock(mutex_);
  if (HeldNow()) return options_.request.holder;
  return known_.leads || known_.holder.empty() ? "nobody" : known_.holder;
}

Status ZooKeeperLease::Tick() {
  MutexLock turn(turn_);
  DATABUS_RETURN_IF_ERROR(Begin());
  std::chrono::nanoseconds most;
  {
    MutexLock lock(mutex_);
    ticked_ = clock_.Boot();
    known_.pauses = false;
    known_.made = false;
    (known_.leads ? known_.renew : known_.list) = Due::kYes;
    most = std::min<std::chrono::nanoseconds>(SessionTime() / kPacesPerSession, kPatience);
  }
  Advance();
  AwaitRest(most);
  return State();
}

// Over, or without an answer for a session's time. A server that hears us while we do not hear it
// would keep such a session, and its node, for ever.
bool ZooKeeperLease::IsHopeless() const {
  return session_->state() == Session::State::kOver ||
         (session_->state() == Session::State::kConnecting &&
          clock_.Boot() - known_.heard >= SessionTime());
}

Status ZooKeeperLease::Begin() {
  {
    MutexLock lock(mutex_);
    if (session_ != nullptr && !IsHopeless()) return Status::Ok();
  }
  End();
  auto session = Session::Begin(options_.servers,
                                std::chrono::duration_cast<Milliseconds>(options_.request.timeout),
                                [this](Session::Event event) { OnEvent(event); });
  if (!session.ok()) return session.status().WithContext(Where());
  MutexLock lock(mutex_);
  session_ = *std::move(session);
  known_ = {.prefix = fmt::format("{}-{}", random_.Hex(16), kLock), .heard = clock_.Boot()};
  // It may have connected before it was known here.
  if (session_->state() == Session::State::kConnected) known_.agreed = session_->timeout();
  return Status::Ok();
}

void ZooKeeperLease::End() {
  std::unique_ptr<Session> session;
  {
    MutexLock lock(mutex_);
    session = std::move(session_);
    known_ = {};
  }
  session.reset();  // its last answers find no session, and change nothing
}

void ZooKeeperLease::OnEvent(Session::Event event) {
  {
    MutexLock lock(mutex_);
    if (session_ == nullptr) return;
    if (event == Session::Event::kChildren) {
      known_.list = Due::kYes;
    } else if (session_->state() == Session::State::kConnected) {
      known_.agreed = session_->timeout();
      known_.pauses = false;
      (known_.leads ? known_.renew : known_.list) = Due::kYes;
    }
  }
  Advance();
}

ZooKeeperLease::Step ZooKeeperLease::Next() const {
  if (session_ == nullptr || session_->state() != Session::State::kConnected || known_.calls ||
      known_.pauses) {
    return Step::kNone;
  }
  if (known_.leaves) return known_.own.empty() ? Step::kNone : Step::kLeave;
  if (known_.parents > 0) return Step::kParent;
  if (known_.list == Due::kYes) return Step::kList;
  if (known_.own.empty()) return known_.made ? Step::kNone : Step::kCreate;
  if (known_.leads) return known_.renew == Due::kYes ? Step::kRenew : Step::kNone;
  if (known_.read != known_.lowest) return Step::kRead;
  return known_.evict == Due::kYes ? Step::kEvict : Step::kNone;
}

void ZooKeeperLease::Advance() {
  Session* session = nullptr;
  Step step = Step::kNone;
  Known known;
  {
    MutexLock lock(mutex_);
    step = Next();
    changed_.NotifyAll();
    if (step == Step::kNone) return;
    known_.calls = true;
    session = session_.get();
    known = known_;
  }
  // Nobody destroys it meanwhile: this is the thread that would, or one that is waited for then.
  Make(step, *session, known);
}

void ZooKeeperLease::Make(Step step, Session& session, const Known& known) {
  const auto then = [this, step, sent = clock_.Boot()](const Answer& answer) {
    OnAnswer(step, sent, answer);
  };
  const std::string& holder = options_.request.holder;
  switch (step) {
    case Step::kNone: return;
    case Step::kParent:
      return session.Create(known.parents == 2 ? std::string(kRoot) : root_, "",
                            Session::Kind::kPersistent, then);
    case Step::kList: return session.List(root_, then);
    case Step::kCreate:
      return session.Create(paths::Join(root_, known.prefix), holder,
                            Session::Kind::kEphemeralSequential, then);
    case Step::kRenew: return session.Write(paths::Join(root_, known.own), holder, then);
    case Step::kRead: return session.Read(paths::Join(root_, known.lowest), then);
    case Step::kEvict: return session.Delete(paths::Join(root_, known.lowest), then);
    case Step::kLeave: return session.Delete(paths::Join(root_, known.own), then);
  }
}

void ZooKeeperLease::OnAnswer(Step step, BootTime sent, const Answer& answer) {
  {
    MutexLock lock(mutex_);
    if (session_ == nullptr) return;
    known_.calls = false;
    known_.refusal.clear();
    if (answer.outcome != Outcome::kLost) known_.heard = clock_.Boot();
    switch (answer.outcome) {
      case Outcome::kDone: OnDone(step, sent, answer); break;
      case Outcome::kExists: known_.parents -= step == Step::kParent ? 1 : 0; break;
      case Outcome::kNoNode:
        if (step == Step::kParent) {
          known_.refusal = "the path after the servers is not there; create it once";
          known_.pauses = true;
        } else if (step == Step::kList) {
          known_.own.clear();
          known_.leads = false;
          known_.parents = 2;
        } else {
          // A node that was there has gone: whose, the list tells.
          if (step == Step::kRenew || step == Step::kLeave) known_.own.clear();
          known_.leads = known_.leads && !known_.own.empty();
          known_.list = Due::kYes;
        }
        break;
      case Outcome::kRefused: known_.refusal = answer.why; [[fallthrough]];
      case Outcome::kLost:
        known_.pauses = true;
        known_.list = Due::kYes;  // among what is lost may be a node that was made
        break;
    }
  }
  Advance();
}

void ZooKeeperLease::OnDone(Step step, BootTime sent, const Answer& answer) {
  switch (step) {
    case Step::kNone: break;
    case Step::kLeave: known_.own.clear(); break;
    case Step::kParent: --known_.parents; break;
    case Step::kList: Judge(answer.names); break;
    case Step::kCreate:
      known_.own = paths::BaseName(answer.text);
      known_.made = true;
      known_.sent = sent;
      known_.list = Due::kYes;
      break;
    case Step::kRenew:
      known_.sent = sent;
      known_.renew = Due::kNo;
      break;
    case Step::kRead:
      known_.read = known_.lowest;
      known_.holder = answer.text.empty() ? known_.lowest : answer.text;
      if (HolderIsOver()) known_.evict = Due::kYes;
      break;
    case Step::kEvict:
      known_.evict = Due::kNo;
      known_.list = Due::kYes;
      break;
  }
}

// Nodes are numbered in the order of their making, so once there is none below ours there will be
// none as long as ours stands; and a list that comes after our node's making shows all below it.
void ZooKeeperLease::Judge(const std::vector<std::string>& names) {
  const std::string* lowest = nullptr;
  const std::string* own = nullptr;
  for (const std::string& name : names) {
    const auto number = NumberOf(name);
    if (!number) continue;
    if (lowest == nullptr || *number < *NumberOf(*lowest)) lowest = &name;
    if (!name.starts_with(known_.prefix)) continue;
    if (own == nullptr || *number < *NumberOf(*own)) own = &name;
  }
  const bool led = known_.leads;
  known_.list = Due::kNo;
  known_.own = own == nullptr ? "" : *own;
  known_.lowest = lowest == nullptr ? "" : *lowest;
  known_.leads = own != nullptr && own == lowest;
  if (known_.leads && !led) known_.renew = Due::kYes;
  const bool read = known_.read == known_.lowest;
  known_.evict = read && !known_.leads && HolderIsOver() ? Due::kYes : Due::kNo;
}

// A node of this process that is not of this session is left over from one that has ended.
bool ZooKeeperLease::HolderIsOver() const {
  const LeaseRequest& request = options_.request;
  return known_.holder == request.holder ||
         (request.holder_is_gone && request.holder_is_gone(known_.holder));
}

void ZooKeeperLease::AwaitRest(std::chrono::nanoseconds most) {
  MutexLock lock(mutex_);
  const BootTime end = clock_.Boot() + most;
  const auto rests = [this] {
    return session_ == nullptr || session_->state() == Session::State::kOver ||
           (session_->state() == Session::State::kConnected && !known_.calls &&
            Next() == Step::kNone);
  };
  while (!rests()) {
    if (!changed_.WaitUntil(lock, clock_, end)) return;
  }
}

Status ZooKeeperLease::State() {
  MutexLock lock(mutex_);
  if (!known_.refusal.empty()) {
    return {Code::kRefused, fmt::format("{}: {}", Where(), known_.refusal)};
  }
  if (session_ == nullptr || session_->state() == Session::State::kConnected) return Status::Ok();
  if (session_->state() == Session::State::kOver) {
    return {Code::kStale, Where() + ": the session has expired; a new one is begun"};
  }
  return {Code::kUnavailable, Where() + ": no server answers"};
}

Status ZooKeeperLease::Skip() {
  MutexLock turn(turn_);
  {
    MutexLock lock(mutex_);
    if (session_ == nullptr || clock_.Boot() - ticked_ < options_.request.timeout) {
      return Status::Ok();
    }
  }
  return GiveUp();
}

Status ZooKeeperLease::Release() {
  MutexLock turn(turn_);
  return GiveUp();
}

Status ZooKeeperLease::GiveUp() {
  bool left = false;
  {
    MutexLock lock(mutex_);
    if (session_ == nullptr) return Status::Ok();
    known_.leaves = true;
    known_.pauses = false;
  }
  Advance();
  AwaitRest(kPatience);
  {
    MutexLock lock(mutex_);
    left = known_.own.empty();
  }
  End();
  if (left) return Status::Ok();
  return {Code::kUnavailable, Where() + ": no server answers; the servers end the session in time"};
}

}  // namespace databus
