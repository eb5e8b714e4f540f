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
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
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
constexpr std::size_t kReadBytes = 16 * 1024;
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

AdminAnswer answer_to(const error_code& malformed) {
  if (malformed == http::error::body_limit) {
    return error_answer(413, "the body is larger than 512 KiB");
  }
  if (malformed == http::error::header_limit) {
    return error_answer(431, "the head is larger than 8 KiB");
  }
  return error_answer(400, "this is no HTTP request: " + malformed.message());
}

// One connection: read a request, answer it, again until the peer closes or asks to. Beast parses;
// its own read and write would be compiled once more for TLS, at 300 KiB.
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
    parser_->eager(true);
    limit(kRequestLimit);
    parse();
  }

  // What has come; more of it is waited for until the request is whole.
  void parse() {
    error_code error;
    if (buffer_.size() > 0) buffer_.consume(parser_->put(buffer_.data(), error));
    if (error && error != http::error::need_more) return write(answer_to(error));
    if (parser_->is_done()) return answer();
    const std::size_t room = beast::read_size(buffer_, kReadBytes);
    if (room == 0) return write(answer_to(http::error::buffer_overflow));
    stream_.async_read_some(buffer_.prepare(room), [self = this->shared_from_this()](
                                                       const error_code& failed, std::size_t size) {
      if (failed) return;
      self->buffer_.commit(size);
      self->parse();
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
                   [self = this->shared_from_this()](const AdminAnswer& answer) mutable {
                     if (self) std::exchange(self, nullptr)->write(answer);
                   });
  }

  void write(const AdminAnswer& answer) {
    const auto& request = parser_->get();
    const bool stays = request.keep_alive() && parser_->is_done();
    output_ = fmt::format(
        "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n{}Connection: {}\r\n\r\n",
        answer.status, http::obsolete_reason(http::int_to_status(answer.status)),
        answer.content_type, answer.body.size(),
        answer.status == 401 ? "WWW-Authenticate: Bearer\r\n" : "", stays ? "keep-alive" : "close");
    if (request.method() != http::verb::head) output_ += answer.body;
    asio::async_write(
        stream_, asio::buffer(output_),
        [self = this->shared_from_this(), stays](const error_code& error, std::size_t) {
          if (!error && stays) self->read();
        });
  }

  Stream stream_;
  beast::flat_buffer buffer_{kMaxRequestHead + kReadBytes};
  std::optional<http::request_parser<http::string_body>> parser_;
  std::string output_;
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
