"""A stand-in for the cloud that behaves as AWS IoT Core does where mosquitto does not: it closes the
connection on a publish its policy denies, speaks TLS with ALPN, and takes publishes by HTTPS."""
import http.server
import socket
import ssl
import struct
import threading
import urllib.parse


class FakeCloud:
    """MQTT 3.1.1 on 127.0.0.1:port. denied: a function topic → True for what its policy denies.
    What was taken is in `arrivals`, as (topic, payload)."""

    def __init__(self, port, denied=lambda topic: False, tls=None, alpn=None):
        self.port = port
        self.denied = denied
        self.tls = server_context(tls, alpn) if tls else None
        self.arrivals = []
        self.connects = 0
        self.alpns = []
        self._lock = threading.Lock()
        self._listener = None
        self._open = set()
        self.start()

    def start(self):
        self._listener = socket.create_server(('127.0.0.1', self.port), reuse_port=False)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def stop(self):
        """Refuses connections and ends those there are."""
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._listener.close()
        for connection in list(self._open):
            close(connection)

    def topics(self):
        with self._lock:
            return [topic for topic, _ in self.arrivals]

    def payloads(self):
        with self._lock:
            return [payload for _, payload in self.arrivals]

    def _accept(self, listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.tls:
                connection = self.tls.wrap_socket(connection, server_side=True)
                self.alpns.append(connection.selected_alpn_protocol())
            self._open.add(connection)
            self._session(connection, connection.makefile('rb'))
        except (OSError, EOFError, ssl.SSLError):
            pass
        self._open.discard(connection)
        close(connection)

    def _session(self, connection, stream):
        while True:
            kind, body = read_packet(stream)
            if kind >> 4 == 1:
                self.connects += 1
                connection.sendall(b'\x20\x02\x00\x00')
            elif kind >> 4 == 3:
                size = struct.unpack('>H', body[:2])[0]
                topic = body[2:2 + size].decode()
                packet_id, payload = body[2 + size:4 + size], body[4 + size:]
                if self.denied(topic):
                    return
                with self._lock:
                    self.arrivals.append((topic, payload))
                connection.sendall(b'\x40\x02' + packet_id)
            elif kind >> 4 == 8:
                connection.sendall(b'\x90\x03' + body[:2] + b'\x01')
            elif kind >> 4 == 12:
                connection.sendall(b'\xd0\x00')
            elif kind >> 4 == 14:
                return


class FakeHttps:
    """POST /topics/TOPIC?qos=1 over TLS, as AWS IoT Core takes it."""

    def __init__(self, port, tls):
        cloud = self
        self.arrivals = []
        self.status = 200

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'

            def do_POST(self):
                url = urllib.parse.urlsplit(self.path)
                payload = self.rfile.read(int(self.headers['Content-Length']))
                if cloud.status == 200:
                    topic = urllib.parse.unquote(url.path[len('/topics/'):])
                    cloud.arrivals.append((topic, payload, url.query))
                body = b'{"message":"OK"}' if cloud.status == 200 else b'{"message":"no"}'
                self.send_response(cloud.status)
                self.send_header('Content-Length', str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *words):
                pass

        self.server = http.server.ThreadingHTTPServer(('127.0.0.1', port), Handler)
        self.server.daemon_threads = True
        self.server.socket = server_context(tls).wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def server_context(tls, alpn=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls['certificate'], tls['private_key'])
    if 'client_ca' in tls:
        context.load_verify_locations(tls['client_ca'])
        context.verify_mode = ssl.CERT_REQUIRED
    if alpn:
        context.set_alpn_protocols([alpn])
    return context


def read_packet(stream):
    kind = stream.read(1)
    if not kind:
        raise EOFError
    size = shift = 0
    while True:
        byte = stream.read(1)
        if not byte:
            raise EOFError
        size |= (byte[0] & 0x7F) << shift
        shift += 7
        if byte[0] < 0x80:
            break
    body = stream.read(size)
    if len(body) < size:
        raise EOFError
    return kind[0], body


def close(connection):
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    connection.close()
