// The server's end of the framed transport: a frame is a 4-byte big-endian length and that many
// bytes, as Thrift's framed transport has it. The server hands whole frames to a handler and takes
// whole frames back; what is in them is no business of this layer.
//
// This is a seam: a simulator implements FrameServer as well and calls the same FrameHandler.
//
// Life of a server: Network::Listen binds it (port() is known, nothing is accepted yet), Start()
// begins, StopAccepting() refuses new connections and goes on with the others, Shutdown() ends. The
// destructor does Shutdown() without patience.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"

namespace databus {

// Names a connection of one server. Never used twice.
using ConnectionId = uint64_t;

// The bytes of one frame, without the length. A view into a shared receive buffer, which lives as
// long as any frame in it: copying a Frame copies no bytes, and the holder may keep it as long as
// its work lasts. May be passed between threads.
class Frame {
 public:
  Frame(std::shared_ptr<const void> buffer, std::string_view bytes)
      : buffer_(std::move(buffer)), bytes_(bytes) {}
  // A frame with a buffer of its own. For simulators and tests.
  static Frame Copy(std::string_view bytes) {
    auto own = std::make_shared<const std::string>(bytes);
    const std::string_view view = *own;
    return {std::move(own), view};
  }
  std::string_view bytes() const { return bytes_; }

 private:
  std::shared_ptr<const void> buffer_;
  std::string_view bytes_;
};

enum class Admission : uint8_t { kAdmit, kRefuse };

// What is done with frames. All calls come from the server's one IO thread, so they must not block.
// Per connection the order is: OnOpen, any number of OnFrames, OnClose.
class FrameHandler {
 public:
  virtual ~FrameHandler() = default;

  // A connection came in from `peer_ip` ("192.0.2.7", "2001:db8::7"; an IPv4 peer of an IPv6 socket
  // has its IPv4 form). kRefuse closes it at once, without OnClose.
  virtual Admission OnOpen(ConnectionId connection, std::string_view peer_ip) {
    (void)connection, (void)peer_ip;
    return Admission::kAdmit;
  }

  // All complete frames, at least one, that one read of `connection` brought, in order. Each is to
  // be answered, in the same order, by one Reply (or Release).
  virtual void OnFrames(ConnectionId connection, std::vector<Frame> frames) = 0;

  // A frame of `length` bytes was announced, more than frame_bytes_max. `head` is what has come of
  // it so far. The connection is closed after the answer returned here (none when empty) was sent.
  virtual std::string OnOversized(ConnectionId connection, std::string_view head, uint32_t length) {
    (void)connection, (void)head, (void)length;
    return {};
  }

  // The connection is gone. Replies to it are dropped silently from now on.
  virtual void OnClose(ConnectionId connection) { (void)connection; }
};

// The answer to the oldest unanswered frame of a connection. An empty payload sends nothing (a
// oneway call), the frame is done with all the same.
struct Reply {
  ConnectionId connection = 0;
  std::string payload;
};

struct ListenOptions {
  // An IPv4 or IPv6 address of this machine. "::" takes IPv4 as well.
  std::string bind_address = "::";
  // 0: the system picks one; see FrameServer::port().
  uint16_t port = 0;
  // A longer frame closes its connection.
  uint32_t frame_bytes_max = 64u << 20;
  // Connections beyond are closed as they come.
  uint32_t connections_max = 10'000;
  // Reading a connection stops while this much of it is unanswered, or while this much of its
  // answers waits for a peer that does not read.
  uint64_t connection_pending_bytes_max = 32u << 20;
  // Reading stops altogether while the handler holds this much (Frames that still exist);
  // unfinished large frames may take as much again. So the memory of a server is at most about
  // twice this, plus one receive buffer (256 KiB) for each connection with an unfinished frame.
  uint64_t total_pending_bytes_max = 256u << 20;
};

// What may change while a server runs.
struct FrameLimits {
  uint32_t frame_bytes_max = 0;
  uint32_t connections_max = 0;
};

// Counts since the start, except where it says "now".
struct FrameServerStats {
  uint64_t connections_now = 0;
  // Bytes of the Frames that still exist.
  uint64_t pending_bytes_now = 0;
  uint64_t connections_accepted = 0;
  // Over connections_max, or by the handler.
  uint64_t connections_refused = 0;
  uint64_t frames_in = 0;
  uint64_t bytes_in = 0;
  uint64_t bytes_out = 0;
  uint64_t frames_oversized = 0;
  // Peers that went away in the middle of a frame.
  uint64_t frames_truncated = 0;
  // Connections closed because their large frame made no progress while others waited for room.
  uint64_t frames_stalled = 0;
  // How often reading stopped because total_pending_bytes_max was reached.
  uint64_t reads_paused = 0;
};

// Thread-safe. Nothing here blocks but Shutdown and the destructor.
class FrameServer {
 public:
  virtual ~FrameServer() = default;

  // Begins to accept and to call `handler`, which must outlive the server. Once.
  virtual void Start(FrameHandler& handler) = 0;
  // The port that is listened on.
  virtual uint16_t port() const = 0;

  // Answers frames. Replies to one connection that are given together, or before the IO thread gets
  // to them, go out in one write. A connection that is gone is skipped.
  virtual void Send(std::vector<Reply> replies) = 0;
  // Closes the connection after what was sent to it has gone out; unanswered frames stay so.
  virtual void CloseConnection(ConnectionId connection) = 0;

  // Of frames that are announced from now on, on any connection, and of new connections. Those that
  // are there stay, also when they are too many now.
  virtual void SetLimits(const FrameLimits& limits) = 0;

  // New connections are refused by the system from now on.
  virtual void StopAccepting() = 0;
  // Stops accepting and reading, waits until every frame handed out is answered and every answer
  // has gone out, or until `deadline`, closes all connections (with OnClose) and ends the IO
  // thread. No call of the handler is made after the return. Not to be called by the handler.
  virtual void Shutdown(BootTime deadline) = 0;

  virtual FrameServerStats Stats() const = 0;

  void SendOne(ConnectionId connection, std::string payload) {
    std::vector<Reply> replies;
    replies.push_back({connection, std::move(payload)});
    Send(std::move(replies));
  }
  // The oldest unanswered frame of `connection` needs no answer.
  void Release(ConnectionId connection) { SendOne(connection, {}); }
};

}  // namespace databus
