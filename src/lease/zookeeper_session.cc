#include "lease/zookeeper_session.h"

#include <zookeeper/zookeeper.h>

#include <array>
#include <utility>

namespace databus {
namespace {

using Outcome = ZooKeeperSession::Outcome;

Outcome OutcomeOf(int code) {
  switch (code) {
    case ZOK: return Outcome::kDone;
    case ZNONODE: return Outcome::kNoNode;
    case ZNODEEXISTS: return Outcome::kExists;
    case ZCONNECTIONLOSS:
    case ZOPERATIONTIMEOUT:
    case ZCLOSING:
    case ZINVALIDSTATE:
    case ZSESSIONEXPIRED:
    case ZSESSIONMOVED:
    case ZTHROTTLEDOP: return Outcome::kLost;
    default: return Outcome::kRefused;
  }
}

// The library's own words go nowhere: whoever waits for an answer says what is wrong.
void Silent(const char* /*message*/) {}

}  // namespace

struct ZooKeeperSession::Calls {
  static ZooKeeperSession& Self(const void* data) {
    return *static_cast<ZooKeeperSession*>(const_cast<void*>(data));
  }

  static void Event(zhandle_t* /*handle*/, int type, int state, const char* /*path*/, void* data) {
    ZooKeeperSession& self = Self(data);
    if (type != ZOO_SESSION_EVENT) {
      self.on_event_(Event::kChildren);
      return;
    }
    if (self.state_ == State::kOver) return;
    if (state == ZOO_CONNECTED_STATE) {
      self.state_ = State::kConnected;
    } else if (state == ZOO_EXPIRED_SESSION_STATE || state == ZOO_AUTH_FAILED_STATE) {
      self.state_ = State::kOver;
    } else {
      self.state_ = State::kConnecting;
    }
    self.on_event_(Event::kState);
  }

  static void Text(int code, const char* text, const void* data) {
    Answer answer;
    if (text != nullptr) answer.text = text;
    Self(data).Answered(code, std::move(answer));
  }
  static void Data(int code, const char* text, int length, const struct Stat* /*stat*/,
                   const void* data) {
    Answer answer;
    if (text != nullptr && length > 0) answer.text.assign(text, static_cast<size_t>(length));
    Self(data).Answered(code, std::move(answer));
  }
  static void Names(int code, const struct String_vector* names, const void* data) {
    Answer answer;
    for (int i = 0; names != nullptr && i < names->count; ++i) {
      answer.names.emplace_back(names->data[i]);
    }
    Self(data).Answered(code, std::move(answer));
  }
  static void Written(int code, const struct Stat* /*stat*/, const void* data) {
    Self(data).Answered(code, {});
  }
  static void Gone(int code, const void* data) { Self(data).Answered(code, {}); }
};

ZooKeeperSession::ZooKeeperSession(std::function<void(Event)> on_event)
    : on_event_(std::move(on_event)) {}

Result<std::unique_ptr<ZooKeeperSession>> ZooKeeperSession::Begin(
    const std::string& servers, Milliseconds timeout, std::function<void(Event)> on_event) {
  zoo_set_debug_level(ZOO_LOG_LEVEL_ERROR);
  std::unique_ptr<ZooKeeperSession> session(new ZooKeeperSession(std::move(on_event)));
  zhandle_t* const handle =
      zookeeper_init2(servers.c_str(), &Calls::Event, static_cast<int>(timeout.count()), nullptr,
                      session.get(), ZOO_NO_LOG_CLIENTENV, &Silent);
  if (handle == nullptr) {
    return Status(Code::kUnavailable, "a name among " + servers + " cannot be looked up");
  }
  session->handle_ = handle;
  return session;
}

ZooKeeperSession::~ZooKeeperSession() {
  if (handle_ != nullptr) zookeeper_close(handle_);
}

Milliseconds ZooKeeperSession::timeout() const {
  zhandle_t* const handle = handle_;
  return Milliseconds(handle == nullptr ? 0 : zoo_recv_timeout(handle));
}

void ZooKeeperSession::Sent(int code) {
  if (code != ZOK) Answered(code, {});
}

void ZooKeeperSession::Answered(int code, Answer answer) {
  answer.outcome = OutcomeOf(code);
  if (code != ZOK) answer.why = zerror(code);
  // Out of the way before it runs: it may begin the next call.
  const Then then = std::exchange(pending_, nullptr);
  then(answer);
}

void ZooKeeperSession::Create(const std::string& path, const std::string& data, Kind kind,
                              Then then) {
  pending_ = std::move(then);
  const int mode = kind == Kind::kPersistent ? ZOO_PERSISTENT : ZOO_EPHEMERAL_SEQUENTIAL;
  Sent(zoo_acreate(handle_, path.c_str(), data.data(), static_cast<int>(data.size()),
                   &ZOO_OPEN_ACL_UNSAFE, mode, &Calls::Text, this));
}

void ZooKeeperSession::List(const std::string& path, Then then) {
  pending_ = std::move(then);
  Sent(zoo_awget_children(handle_, path.c_str(), &Calls::Event, this, &Calls::Names, this));
}

void ZooKeeperSession::Read(const std::string& path, Then then) {
  pending_ = std::move(then);
  Sent(zoo_aget(handle_, path.c_str(), 0, &Calls::Data, this));
}

void ZooKeeperSession::Write(const std::string& path, const std::string& data, Then then) {
  pending_ = std::move(then);
  Sent(zoo_aset(handle_, path.c_str(), data.data(), static_cast<int>(data.size()), -1,
                &Calls::Written, this));
}

void ZooKeeperSession::Delete(const std::string& path, Then then) {
  pending_ = std::move(then);
  Sent(zoo_adelete(handle_, path.c_str(), -1, &Calls::Gone, this));
}

}  // namespace databus
