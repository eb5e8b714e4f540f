#include "daemon/app/admin_server.h"

#include <fmt/format.h>
#include <grp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/ssl/stream.hpp>
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
using PlainStream = beast::basic_stream<Protocol>;
using TlsStream = asio::ssl::stream<PlainStream>;
using boost::system::error_code;

const log::Component kLog{"admin"};

constexpr int kMaxConnections = 32;  // of each kind: nobody on TCP keeps an operator out
constexpr std::size_t kMaxRequestHead = 8 * 1024;
constexpr std::size_t kMaxRequestBody = 512 * 1024;
constexpr std::chrono::seconds kHandshakeLimit{10};
constexpr std::chrono::seconds kRequestLimit{10};
constexpr std::chrono::seconds kAnswerLimit{60};
constexpr const char* kGroup = "tidegate";

struct Caller {
  std::string name;
  Access granted = Access::kOpen;
};

Caller peer_of(int fd) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return {"?", Access::kOpen};
  return {fmt::format("uid {}", peer.uid), Access::kChange};
}

// So that the operators' group may use the socket, whoever started the daemon.
void give_to_group(const std::string& path) {
  const group* found = ::getgrnam(kGroup);
  if (found == nullptr || found->gr_gid == ::getegid()) return;
  if (::chown(path.c_str(), static_cast<uid_t>(-1), found->gr_gid) != 0) {
    log::debug(kLog, "{} stays with its group: not allowed to give it to {}", path, kGroup);
  }
}

}  // namespace

class AdminServer::State : public std::enable_shared_from_this<State> {
 public:
  State(asio::io_context& context, const AdminRoutes& routes)
      : context_(context), routes_(routes) {}

  template <class Acceptor>
  void accept(std::shared_ptr<Acceptor> acceptor);
  void serve(Socket socket, bool is_local);

  asio::io_context& context_;
  const AdminRoutes& routes_;
  AdminTokens tokens_;
  AdminTls tls_;  // null = plain HTTP over TCP
  Access without_token_ = Access::kOpen;
  int local_connections_ = 0;
  int tcp_connections_ = 0;
  std::vector<std::function<void()>> closers_;
  std::string socket_path_;
};

namespace {

using Request = http::request<http::string_body>;
// What the caller is allowed; nothing for a token that is not known.
using Admit = std::function<std::optional<Caller>(const Request&)>;

// One connection: read a request, answer it, again until the peer closes or asks to.
template <class Stream>
class Connection : public std::enable_shared_from_this<Connection<Stream>> {
 public:
  Connection(Stream stream, const AdminRoutes& routes, Admit admit, std::function<void()> on_end)
      : stream_(std::move(stream)),
        routes_(routes),
        admit_(std::move(admit)),
        on_end_(std::move(on_end)) {}
  ~Connection() { on_end_(); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void start() {
    if constexpr (std::is_same_v<Stream, TlsStream>) {
      limit(kHandshakeLimit);
      stream_.async_handshake(TlsStream::server,
                              [self = this->shared_from_this()](const error_code& error) {
                                if (!error) self->read();
                              });
    } else {
      read();
    }
  }

 private:
  void read() {
    parser_.emplace();
    parser_->header_limit(kMaxRequestHead);
    parser_->body_limit(kMaxRequestBody);
    limit(kRequestLimit);
    http::async_read(stream_, buffer_, *parser_,
                     [self = this->shared_from_this()](const error_code& error, std::size_t) {
                       if (error == http::error::body_limit) {
                         self->write(error_answer(413, "the body is larger than 512 KiB"));
                       } else if (!error) {
                         self->answer();
                       }
                     });
  }

  void limit(std::chrono::seconds time) { beast::get_lowest_layer(stream_).expires_after(time); }

  void answer() {
    const auto& request = parser_->get();
    auto caller = admit_(request);
    if (!caller) return write(error_answer(401, "this bearer token is not known"));
    limit(kAnswerLimit);
    AdminRequest asked;
    asked.method = std::string(request.method_string());
    asked.body = request.body();
    asked.caller = std::move(caller->name);
    routes_.handle(std::move(asked), request.target(), caller->granted,
                   [self = this->shared_from_this()](AdminAnswer answer) mutable {
                     if (self) std::exchange(self, nullptr)->write(std::move(answer));
                   });
  }

  void write(AdminAnswer answer) {
    const auto& request = parser_->get();
    response_ = {};
    response_.version(request.version());
    response_.result(answer.status);
    response_.set(http::field::content_type, answer.content_type);
    if (answer.status == 401) response_.set(http::field::www_authenticate, "Bearer");
    response_.keep_alive(request.keep_alive() && parser_->is_done());
    response_.body() = std::move(answer.body);
    response_.prepare_payload();
    if (request.method() == http::verb::head) response_.body().clear();
    http::async_write(stream_, response_,
                      [self = this->shared_from_this()](const error_code& error, std::size_t) {
                        if (!error && self->response_.keep_alive()) self->read();
                      });
  }

  Stream stream_;
  beast::flat_buffer buffer_{kMaxRequestHead + kMaxRequestBody};
  std::optional<http::request_parser<http::string_body>> parser_;
  http::response<http::string_body> response_;
  const AdminRoutes& routes_;
  Admit admit_;
  std::function<void()> on_end_;
};

}  // namespace

template <class Acceptor>
void AdminServer::State::accept(std::shared_ptr<Acceptor> acceptor) {
  acceptor->async_accept([self = shared_from_this(), acceptor](const error_code& error,
                                                               auto socket) {
    if (error == asio::error::operation_aborted) return;
    if (error) {
      log::warning(kLog, "accept failed: {}; waiting for the next", error.message());
    } else {
      constexpr bool kIsLocal = std::is_same_v<Acceptor, asio::local::stream_protocol::acceptor>;
      self->serve(Socket(std::move(socket)), kIsLocal);
    }
    self->accept(acceptor);
  });
}

void AdminServer::State::serve(Socket socket, bool is_local) {
  int& connections = is_local ? local_connections_ : tcp_connections_;
  if (connections >= kMaxConnections) return;
  ++connections;
  Admit admit;
  if (is_local) {
    admit = [caller = peer_of(socket.native_handle())](const Request&) {
      return std::optional(caller);
    };
  } else {
    admit = [self = shared_from_this()](const Request& request) {
      constexpr std::string_view kScheme = "Bearer ";
      const std::string_view header = request[http::field::authorization];
      if (!beast::iequals(header.substr(0, kScheme.size()), kScheme)) {
        return std::optional(Caller{"tcp", self->without_token_});
      }
      const auto holder = self->tokens_.find(header.substr(kScheme.size()));
      if (!holder) return std::optional<Caller>();
      return std::optional(Caller{"token " + holder->name, holder->access});
    };
  }
  const auto start = [&](auto stream) {
    std::make_shared<Connection<decltype(stream)>>(std::move(stream), routes_, std::move(admit),
                                                   [weak = weak_from_this(), &connections] {
                                                     if (const auto state = weak.lock())
                                                       --connections;
                                                   })
        ->start();
  };
  PlainStream plain(std::move(socket));
  if (is_local || tls_ == nullptr) return start(std::move(plain));
  start(TlsStream(std::move(plain), ::SSL_new(tls_->native())));
}

Result<AdminTls> load_admin_tls(const config::AdminTls& files) {
  auto loaded = broker::TlsContext::load({files.certificate, files.private_key});
  if (!loaded) return fail(loaded.error().code, "admin." + loaded.error().message);
  return AdminTls(std::move(*loaded));
}

AdminServer::AdminServer(asio::io_context& context, const AdminRoutes& routes)
    : state_(std::make_shared<State>(context, routes)) {}

void AdminServer::set_tokens(AdminTokens tokens) { state_->tokens_ = std::move(tokens); }
void AdminServer::set_tls(AdminTls tls) { state_->tls_ = std::move(tls); }

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
  give_to_group(path);
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
    if (state_->tls_ == nullptr) {
      return fail(ErrorCode::kInvalid,
                  fmt::format("admin.http: {} is not a loopback address, and there is no admin.tls",
                              address));
    }
    state_->without_token_ = Access::kProbe;
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
