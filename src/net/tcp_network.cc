#include "net/network.h"
#include "net/tcp_frame_client.h"
#include "net/tcp_frame_server.h"

namespace databus {
namespace {

class Tcp final : public Network {
 public:
  Result<std::unique_ptr<FrameServer>> Listen(const ListenOptions& options) override {
    return TcpFrameServer::Listen(options, SystemClock());
  }
  Result<std::unique_ptr<FrameClient>> Connect(const ConnectOptions& options) override {
    return TcpFrameClient::Connect(options, SystemClock());
  }
};

}  // namespace

Network& TcpNetwork() {
  static Tcp tcp;
  return tcp;
}

}  // namespace databus
