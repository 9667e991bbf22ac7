#include "telemetry/http.h"

#include <fmt/format.h>
#include <httplib.h>

#include <cerrno>
#include <cstring>

#include "base/sync.h"

namespace databus {
namespace {

constexpr const char* kHost = "127.0.0.1";
constexpr const char* kText = "text/plain; charset=utf-8";
constexpr int kThreads = 2;

// A port in use must be an error. The library's own default shares it (SO_REUSEPORT).
void SetSocketOptions(socket_t sock) {
  const int on = 1;
  setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
}

}  // namespace

struct HttpEndpoint::State {
  httplib::Server server;
  Sources sources;
  int port = 0;
  Thread thread;  // last: joined before what it uses goes away
};

HttpEndpoint::HttpEndpoint(std::unique_ptr<State> state) : state_(std::move(state)) {}

HttpEndpoint::~HttpEndpoint() {
  state_->server.stop();
  state_->thread.Join();
}

int HttpEndpoint::port() const { return state_->port; }

Result<std::unique_ptr<HttpEndpoint>> HttpEndpoint::Start(int port, Sources sources) {
  auto state = std::make_unique<State>();
  state->sources = std::move(sources);
  httplib::Server& server = state->server;
  server.new_task_queue = [] { return new httplib::ThreadPool(kThreads); };
  server.set_socket_options(SetSocketOptions);
  // Short, so that an idle or half-dead client cannot delay the end of the process.
  server.set_read_timeout(std::chrono::seconds(1));
  server.set_write_timeout(std::chrono::seconds(1));
  server.set_keep_alive_max_count(1);
  const Sources& from = state->sources;
  server.Get("/metrics", [&from](const httplib::Request&, httplib::Response& reply) {
    reply.set_content(from.metrics(), "text/plain; version=0.0.4; charset=utf-8");
  });
  server.Get("/healthz", [](const httplib::Request&, httplib::Response& reply) {
    reply.set_content("ok\n", kText);
  });
  server.Get("/readyz", [&from](const httplib::Request&, httplib::Response& reply) {
    const auto why_not = from.why_not_ready();
    if (why_not) reply.status = 503;
    reply.set_content(why_not ? *why_not + "\n" : "ready\n", kText);
  });
  state->port =
      port == 0 ? server.bind_to_any_port(kHost) : (server.bind_to_port(kHost, port) ? port : -1);
  if (state->port < 0) {
    return Status(Code::kRefused,
                  fmt::format("cannot listen on {}:{}: {}; set databus.http_port to a free port, "
                              "or to 0 for no HTTP",
                              kHost, port, std::strerror(errno)));
  }
  state->thread = Thread("http", [&server] { server.listen_after_bind(); });
  // The library's stop() does nothing before its loop runs: wait for the first answer.
  httplib::Client(kHost, state->port).Get("/healthz");
  return std::unique_ptr<HttpEndpoint>(new HttpEndpoint(std::move(state)));
}

}  // namespace databus
