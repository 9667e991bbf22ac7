// One connection of the TCP server: its bytes and its state, without the loop around it. Used by
// the server's IO thread only.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "net/frame_server.h"
#include "net/receive_buffers.h"
#include "net/tcp_socket.h"

namespace databus {

// How a connection ends:
//   kOpen --peer's end, oversized, shutdown--> kAnswering --all answered--> kFlushing
//   kOpen, kAnswering --CloseConnection--> kFlushing
//   kFlushing --all sent--> kLingering --peer's end, or time--> closed
// Lingering (our direction is closed, what comes is thrown away) lets the last answers arrive: a
// close with unread bytes would make the system reset the connection and drop them.
enum class Phase : uint8_t { kOpen, kAnswering, kFlushing, kLingering };

class TcpConnection {
 public:
  static constexpr size_t kLengthBytes = 4;
  // An unfinished frame longer than this gets a buffer of its own.
  static constexpr size_t kLargeFrameBytes = 16u << 10;

  TcpConnection(ConnectionId id, Fd fd, uint32_t frame_bytes_max)
      : id_(id), fd_(std::move(fd)), frame_bytes_max_(frame_bytes_max) {}

  enum class ReadOutcome : uint8_t { kSome, kNothing, kEnd, kBroken };
  // What one read brought.
  struct Read {
    ReadOutcome outcome = ReadOutcome::kNothing;
    uint64_t bytes = 0;
    std::vector<Frame> frames;
    // A frame was announced that is too long, with this length; reading is over.
    uint32_t oversized = 0;
  };
  // Reads once, into the large frame under way or into `chunk` from `chunk_used` on. A large frame
  // that is still to get its buffer shows in large_wanted(). REQUIRES: room for kChunkBytes / 2.
  Read ReadOnce(const std::shared_ptr<ReceiveBuffers::Buffer>& chunk, size_t& chunk_used);
  // Of frames that are announced from now on.
  void SetFrameBytesMax(uint32_t bytes) { frame_bytes_max_ = bytes; }
  // Reads and throws away. False when the peer has ended or the connection broke.
  bool Discard();

  // Bytes of a large frame that has no buffer yet; 0 when there is none. Nothing must be read then.
  size_t large_wanted() const { return large_wanted_; }
  // Bytes of the buffer of the large frame under way.
  size_t large_reserved() const { return large_ == nullptr ? 0 : large_->size(); }
  void GiveLarge(std::shared_ptr<ReceiveBuffers::Buffer> buffer);
  bool in_frame() const { return !partial_.empty() || large_ != nullptr; }
  // What has come of the unfinished frame, without the length.
  std::string_view head() const;
  void DropUnfinished();

  // The oldest unanswered frame is answered, with `payload` unless that is empty.
  void Answer(std::string_view payload);
  // A frame that answers nothing.
  void Append(std::string_view payload);
  enum class WriteOutcome : uint8_t { kAll, kPart, kBroken };
  // Sends as much as the system takes; adds what it took to `sent`.
  WriteOutcome Write(uint64_t& sent);

  ConnectionId id() const { return id_; }
  int fd() const { return fd_.get(); }
  bool unanswered() const { return !unanswered_.empty(); }
  uint64_t unanswered_bytes() const { return unanswered_bytes_; }
  uint64_t unsent_bytes() const { return out_.size() - out_sent_; }

  // The loop's notes about this connection.
  Phase phase = Phase::kOpen;
  bool peer_ended = false;
  // The answer to an oversized frame: goes out after all others.
  std::string last_words;
  // When lingering ends.
  BootTime linger_until;
  // When bytes last came, or reading was last made possible.
  BootTime progress;
  // What epoll watches for.
  uint32_t interest = 0;

 private:
  void ParseChunk(const std::shared_ptr<ReceiveBuffers::Buffer>& chunk, size_t& chunk_used,
                  size_t end, Read& read);
  void HandOut(Frame frame, Read& read);

  const ConnectionId id_;
  const Fd fd_;
  uint32_t frame_bytes_max_;
  // The unfinished frame from its length on, unless it has a buffer of its own.
  std::string partial_;
  std::shared_ptr<ReceiveBuffers::Buffer> large_;
  size_t large_filled_ = 0;
  size_t large_wanted_ = 0;
  // The sizes of the frames that were handed out and not answered, oldest first.
  std::deque<uint32_t> unanswered_;
  uint64_t unanswered_bytes_ = 0;
  std::string out_;
  size_t out_sent_ = 0;
};

}  // namespace databus
