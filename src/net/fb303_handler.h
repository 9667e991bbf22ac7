// fb303, the little management service that every Scribe server speaks beside `Log` (idl/fb303).
// A server implements Fb303Handler; AnswerFb303 does the protocol.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace databus {

// The numbers are the protocol's.
enum class Fb303Status : uint8_t {
  kDead = 0,
  kStarting = 1,
  kAlive = 2,
  kStopping = 3,
  kStopped = 4,
  kWarning = 5,
};

// Called on the thread that calls AnswerFb303, normally the IO thread: must not block.
class Fb303Handler {
 public:
  virtual ~Fb303Handler() = default;
  virtual std::string Name() const = 0;
  virtual std::string Version() const = 0;
  virtual Fb303Status Status() const = 0;
  // Why the status is what it is, for a human; empty when there is nothing to say.
  virtual std::string StatusDetails() const = 0;
  virtual std::map<std::string, int64_t> Counters() const = 0;
  // The value of an option; empty: there is no such option.
  virtual std::string Option(std::string_view key) const {
    (void)key;
    return {};
  }
  // Asks to change an option. Only notes the wish; what is not known is ignored.
  virtual void SetOption(std::string_view key, std::string_view value) { (void)key, (void)value; }
  // Start of the service in seconds since 1970.
  virtual int64_t AliveSince() const = 0;
  // Asks to read the configuration again. Only notes the wish.
  virtual void Reinitialize() = 0;
  // Asks to stop cleanly. Only notes the wish.
  virtual void Shutdown() = 0;
};

// Answers any call but `Log`: the payload of the reply frame, in the header style of the call;
// empty when nothing is to be sent (oneway). Unknown methods and undecodable calls are answered
// with a Thrift exception. getOptions and getCpuProfile answer empty.
std::string AnswerFb303(std::string_view frame, Fb303Handler& handler);

}  // namespace databus
