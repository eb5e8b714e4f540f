#include "daemon/app/admin_server.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/version.hpp>
#include <chrono>
#include <optional>
#include <utility>
#include <vector>

#include "daemon/base/log.h"

namespace tg::app {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using Protocol = asio::generic::stream_protocol;
using Socket = Protocol::socket;
using boost::system::error_code;

const log::Component kLog{"admin"};

constexpr int kMaxConnections = 32;
constexpr std::size_t kMaxRequestHead = 8 * 1024;
constexpr std::chrono::seconds kRequestLimit{10};

}  // namespace

class AdminServer::State : public std::enable_shared_from_this<State> {
 public:
  State(asio::io_context& context, Handler handler)
      : context_(context), handler_(std::move(handler)) {}

  template <class Acceptor>
  void accept(std::shared_ptr<Acceptor> acceptor);

  asio::io_context& context_;
  Handler handler_;
  int connections_ = 0;
  std::vector<std::function<void()>> closers_;
  std::string socket_path_;
};

namespace {

// One connection: read a request, answer it, again until the peer closes or asks to.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(Socket socket, AdminServer::Handler handler, std::function<void()> on_end)
      : stream_(std::move(socket)), handler_(std::move(handler)), on_end_(std::move(on_end)) {}
  ~Connection() { on_end_(); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void read() {
    parser_.emplace();
    parser_->header_limit(kMaxRequestHead);
    parser_->body_limit(0);
    stream_.expires_after(kRequestLimit);
    http::async_read(stream_, buffer_, *parser_,
                     [self = shared_from_this()](const error_code& error, std::size_t) {
                       if (!error) self->answer();
                     });
  }

 private:
  void answer() {
    const auto& request = parser_->get();
    AdminAnswer answer;
    if (request.method() != http::verb::get && request.method() != http::verb::head) {
      answer = {405, "application/json", R"({"error":"only GET is served here"})"};
    } else {
      const std::string_view target = request.target();
      answer = handler_(target.substr(0, target.find('?')));
    }
    response_ = {};
    response_.version(request.version());
    response_.result(answer.status);
    response_.set(http::field::content_type, answer.content_type);
    response_.keep_alive(request.keep_alive());
    response_.body() = std::move(answer.body);
    response_.prepare_payload();
    if (request.method() == http::verb::head) response_.body().clear();
    http::async_write(stream_, response_,
                      [self = shared_from_this()](const error_code& error, std::size_t) {
                        if (!error && self->response_.keep_alive()) self->read();
                      });
  }

  beast::basic_stream<Protocol> stream_;
  beast::flat_buffer buffer_{kMaxRequestHead};
  std::optional<http::request_parser<http::empty_body>> parser_;
  http::response<http::string_body> response_;
  AdminServer::Handler handler_;
  std::function<void()> on_end_;
};

}  // namespace

template <class Acceptor>
void AdminServer::State::accept(std::shared_ptr<Acceptor> acceptor) {
  acceptor->async_accept(
      [self = shared_from_this(), acceptor](const error_code& error, auto socket) {
        if (error == asio::error::operation_aborted) return;
        if (error) {
          log::warning(kLog, "accept failed: {}; waiting for the next", error.message());
        } else if (self->connections_ < kMaxConnections) {
          ++self->connections_;
          std::make_shared<Connection>(Socket(std::move(socket)), self->handler_,
                                       [weak = self->weak_from_this()] {
                                         if (const auto state = weak.lock()) --state->connections_;
                                       })
              ->read();
        }
        self->accept(acceptor);
      });
}

AdminServer::AdminServer(asio::io_context& context, Handler handler)
    : state_(std::make_shared<State>(context, std::move(handler))) {}

AdminServer::~AdminServer() {
  for (const auto& close : state_->closers_) close();
  if (!state_->socket_path_.empty()) ::unlink(state_->socket_path_.c_str());
}

Result<void> AdminServer::listen_unix(const std::string& path) {
  using Local = asio::local::stream_protocol;
  error_code error;
  if (path.size() >= sizeof(sockaddr_un::sun_path)) {
    return fail(ErrorCode::kInvalid, fmt::format("admin.socket: {} is longer than {} bytes", path,
                                                 sizeof(sockaddr_un::sun_path) - 1));
  }
  Local::socket probe(state_->context_);
  probe.connect(Local::endpoint(path), error);
  if (!error) {
    return fail(ErrorCode::kBusy, fmt::format("admin.socket: another process listens on {}", path));
  }
  ::unlink(path.c_str());
  auto acceptor = std::make_shared<Local::acceptor>(state_->context_);
  acceptor->open(Local(), error);
  const mode_t before = ::umask(0117);  // 0660 from the moment it exists
  if (!error) acceptor->bind(Local::endpoint(path), error);
  ::umask(before);
  if (!error) acceptor->listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    return fail(ErrorCode::kIo,
                fmt::format("admin.socket: cannot listen on {}: {}", path, error.message()));
  }
  state_->socket_path_ = path;
  state_->closers_.push_back([acceptor] { acceptor->close(); });
  state_->accept(acceptor);
  return {};
}

Result<std::uint16_t> AdminServer::listen_tcp(const std::string& address) {
  using Tcp = asio::ip::tcp;
  const auto colon = address.rfind(':');
  error_code error;
  std::string host = address.substr(0, colon == std::string::npos ? 0 : colon);
  if (host.size() > 2 && host.front() == '[') host = host.substr(1, host.size() - 2);
  const auto ip = asio::ip::make_address(host, error);
  unsigned long port = 0;
  try {
    port = std::stoul(address.substr(colon + 1));
  } catch (const std::exception&) {
    error = asio::error::invalid_argument;
  }
  if (colon == std::string::npos || error || port > 65535) {
    return fail(ErrorCode::kInvalid, fmt::format("admin.http: {} is not ADDRESS:PORT", address));
  }
  if (!ip.is_loopback()) {
    return fail(ErrorCode::kInvalid,
                fmt::format("admin.http: {} is not a loopback address", address));
  }
  auto acceptor = std::make_shared<Tcp::acceptor>(state_->context_);
  const Tcp::endpoint endpoint(ip, static_cast<std::uint16_t>(port));
  acceptor->open(endpoint.protocol(), error);
  if (!error) acceptor->set_option(Tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor->bind(endpoint, error);
  if (!error) acceptor->listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    return fail(ErrorCode::kIo,
                fmt::format("admin.http: cannot listen on {}: {}", address, error.message()));
  }
  state_->closers_.push_back([acceptor] { acceptor->close(); });
  state_->accept(acceptor);
  return acceptor->local_endpoint().port();
}

}  // namespace tg::app
