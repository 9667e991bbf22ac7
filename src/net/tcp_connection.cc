#include "net/tcp_connection.h"

#include <sys/socket.h>

#include <cerrno>

#include "net/thrift_binary.h"

namespace databus {
namespace {

// Sent bytes are dropped from the front of the buffer when they are this many.
constexpr size_t kSentBytesKept = 64u << 10;

using ReadOutcome = TcpConnection::ReadOutcome;

struct Received {
  ReadOutcome outcome;
  size_t bytes;
};

Received Receive(int fd, char* at, size_t room) {
  const ssize_t got = ::recv(fd, at, room, 0);
  if (got > 0) return {ReadOutcome::kSome, static_cast<size_t>(got)};
  if (got == 0) return {ReadOutcome::kEnd, 0};
  const bool later = errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
  return {later ? ReadOutcome::kNothing : ReadOutcome::kBroken, 0};
}

}  // namespace

void TcpConnection::HandOut(Frame frame, Read& read) {
  const auto size = static_cast<uint32_t>(frame.bytes().size());
  unanswered_.push_back(size);
  unanswered_bytes_ += size;
  read.frames.push_back(std::move(frame));
}

TcpConnection::Read TcpConnection::ReadOnce(const std::shared_ptr<ReceiveBuffers::Buffer>& chunk,
                                            size_t& chunk_used) {
  Read read;
  if (large_ != nullptr) {
    const auto [outcome, got] =
        Receive(fd(), large_->data() + large_filled_, large_->size() - large_filled_);
    read.outcome = outcome;
    read.bytes = got;
    large_filled_ += got;
    if (large_filled_ < large_->size()) return read;
    const size_t size = large_->size() - kLengthBytes;
    large_->Count(size);
    const std::string_view bytes(large_->data() + kLengthBytes, size);
    HandOut({std::exchange(large_, nullptr), bytes}, read);
    large_filled_ = 0;
    return read;
  }
  // What is left of the last read goes in front, so that every frame is in one piece.
  const size_t begin = chunk_used;
  std::memcpy(chunk->data() + begin, partial_.data(), partial_.size());
  const size_t filled = begin + partial_.size();
  const auto [outcome, got] = Receive(fd(), chunk->data() + filled, chunk->size() - filled);
  read.outcome = outcome;
  read.bytes = got;
  if (got > 0) ParseChunk(chunk, chunk_used, filled + got, read);
  return read;
}

void TcpConnection::ParseChunk(const std::shared_ptr<ReceiveBuffers::Buffer>& chunk,
                               size_t& chunk_used, size_t end, Read& read) {
  size_t at = chunk_used;
  size_t counted = 0;
  while (end - at >= kLengthBytes) {
    const uint32_t length = thrift_binary::LoadBigEndian32(chunk->data() + at);
    if (length > frame_bytes_max_) {
      read.oversized = length;
      break;
    }
    const size_t whole = kLengthBytes + length;
    if (end - at < whole) {
      if (whole > kLargeFrameBytes) large_wanted_ = whole;
      break;
    }
    HandOut({chunk, std::string_view(chunk->data() + at + kLengthBytes, length)}, read);
    counted += length;
    at += whole;
  }
  if (counted > 0) chunk->Count(counted);
  chunk_used = at;
  partial_.assign(chunk->data() + at, end - at);
}

void TcpConnection::GiveLarge(std::shared_ptr<ReceiveBuffers::Buffer> buffer) {
  large_ = std::move(buffer);
  std::memcpy(large_->data(), partial_.data(), partial_.size());
  large_filled_ = partial_.size();
  large_wanted_ = 0;
  partial_ = {};
}

std::string_view TcpConnection::head() const {
  if (partial_.size() <= kLengthBytes) return {};
  return std::string_view(partial_).substr(kLengthBytes);
}

void TcpConnection::DropUnfinished() {
  partial_ = {};
  large_.reset();
  large_filled_ = large_wanted_ = 0;
}

bool TcpConnection::Discard() {
  char nowhere[16384];
  const ReadOutcome outcome = Receive(fd(), nowhere, sizeof nowhere).outcome;
  return outcome == ReadOutcome::kSome || outcome == ReadOutcome::kNothing;
}

void TcpConnection::Append(std::string_view payload) {
  thrift_binary::AppendI32(out_, static_cast<int32_t>(payload.size()));
  out_.append(payload);
}

void TcpConnection::Answer(std::string_view payload) {
  if (!unanswered_.empty()) {
    unanswered_bytes_ -= unanswered_.front();
    unanswered_.pop_front();
  }
  if (!payload.empty()) Append(payload);
}

TcpConnection::WriteOutcome TcpConnection::Write(uint64_t& sent) {
  while (unsent_bytes() > 0) {
    const ssize_t took =
        ::send(fd(), out_.data() + out_sent_, unsent_bytes(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (took < 0) {
      if (errno == EINTR) continue;
      const bool later = errno == EAGAIN || errno == EWOULDBLOCK;
      if (out_sent_ > kSentBytesKept) out_.erase(0, std::exchange(out_sent_, 0));
      return later ? WriteOutcome::kPart : WriteOutcome::kBroken;
    }
    out_sent_ += static_cast<size_t>(took);
    sent += static_cast<uint64_t>(took);
  }
  // A buffer that has grown for a burst is given back.
  if (out_.capacity() > kSentBytesKept) out_ = {};
  out_.clear();
  out_sent_ = 0;
  return WriteOutcome::kAll;
}

}  // namespace databus
