// What a call says about its outcome. `Status` is the answer of a call without a value, `Result<T>`
// of one with a value; neither can be dropped silently.
//
// A changing call has three outcomes: done (kOk), refused (every other code but kUnavailable: it is
// certain that nothing changed) and unknown (kUnavailable: it may have happened). Unknown is
// settled by looking, never by assuming. A reading call answers in the same way: kNotFound means
// that the store itself said "no such name"; silence is kUnavailable.
#pragma once

#include <cassert>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace databus {

// A code exists only where a caller could act differently on it.
enum class Code : uint8_t {
  kOk,
  kNotFound,     // certainly absent; nothing changed
  kExists,       // the name is taken; nothing changed
  kRefused,      // certainly not done: permission, wrong kind, directory not empty, not supported
  kNoSpace,      // certainly not done: disk or quota full
  kInvalid,      // bad input: a config, a name, bytes on the wire; the message says what and where
  kCorrupt,      // the bytes are there and damaged
  kStale,        // a newer holder exists; this one must stop
  kStopped,      // the process is stopping
  kUnavailable,  // UNKNOWN: no answer, or one nobody can classify; it may have happened
};

std::string_view CodeName(Code code);

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Code code, std::string message) : code_(code), message_(std::move(message)) {}

  static Status Ok() { return {}; }

  bool ok() const { return code_ == Code::kOk; }
  Code code() const { return code_; }
  // True where the call may or may not have taken effect.
  bool unknown() const { return code_ == Code::kUnavailable; }
  const std::string& message() const { return message_; }
  // "message (code)", or "ok".
  std::string ToString() const;

  // The same code with "context: " put before the message; Ok stays Ok.
  Status WithContext(std::string_view context) const;

 private:
  Code code_ = Code::kOk;
  std::string message_;
};

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::move(value)) {}        // NOLINT(google-explicit-constructor)
  Result(Status status) : state_(std::move(status)) {  // NOLINT(google-explicit-constructor)
    assert(!std::get<Status>(state_).ok());
  }
  Result(Code code, std::string message) : state_(Status(code, std::move(message))) {}

  bool ok() const { return std::holds_alternative<T>(state_); }
  Code code() const { return ok() ? Code::kOk : std::get<Status>(state_).code(); }
  bool unknown() const { return code() == Code::kUnavailable; }
  Status status() const { return ok() ? Status::Ok() : std::get<Status>(state_); }

  // REQUIRES: ok().
  T& value() & { return std::get<T>(state_); }
  const T& value() const& { return std::get<T>(state_); }
  // By value, so that `for (auto& x : *Call())` does not outlive what it walks over.
  T value() && { return std::get<T>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  std::variant<Status, T> state_;
};

}  // namespace databus

// Returns from the enclosing function when `expr` (a Status) is not ok.
#define DATABUS_RETURN_IF_ERROR(expr)                                                 \
  do {                                                                                \
    if (auto databus_status_ = (expr); !databus_status_.ok()) return databus_status_; \
  } while (false)

#define DATABUS_CONCAT_INNER(a, b) a##b
#define DATABUS_CONCAT(a, b) DATABUS_CONCAT_INNER(a, b)
// `lhs` = the value of `expr` (a Result), or return its status from the enclosing function.
#define DATABUS_ASSIGN_OR_RETURN(lhs, expr)                    \
  auto DATABUS_CONCAT(databus_result_, __LINE__) = (expr);     \
  if (!DATABUS_CONCAT(databus_result_, __LINE__).ok())         \
    return DATABUS_CONCAT(databus_result_, __LINE__).status(); \
  lhs = std::move(DATABUS_CONCAT(databus_result_, __LINE__)).value()
