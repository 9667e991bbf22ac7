#include "cli/bench/receive.h"

#include <memory>
#include <string>
#include <vector>

#include "net/frame_server.h"
#include "net/scribe_codec.h"

namespace databus {
namespace {

class AnswerAll final : public FrameHandler {
 public:
  void AnswerTo(FrameServer& server) { server_ = &server; }

  void OnFrames(ConnectionId connection, std::vector<Frame> frames) override {
    std::vector<Reply> replies(frames.size(), Reply{connection, ok_});
    server_->Send(std::move(replies));
  }

 private:
  const std::string ok_ = EncodeLogReply({}, ResultCode::kOk);
  FrameServer* server_ = nullptr;
};

}  // namespace

Status RunBareReceiver(Network& network, const Clock& clock,
                       const std::function<void(uint16_t port)>& ready,
                       const std::function<void()>& until_end) {
  DATABUS_ASSIGN_OR_RETURN(const std::unique_ptr<FrameServer> server,
                           network.Listen({.bind_address = "127.0.0.1"}));
  AnswerAll handler;
  handler.AnswerTo(*server);
  server->Start(handler);
  ready(server->port());
  until_end();
  server->Shutdown(clock.Boot());
  return Status::Ok();
}

}  // namespace databus
