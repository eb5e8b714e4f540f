"""How the clients of the cases reach the broker: tcp, tls, ws (WebSocket) or wss. Each is something
with sendall, recv, settimeout and close, that carries MQTT."""
import base64
import os
import socket
import ssl
import struct

kind = 'tcp'    # what connect() makes
context = None  # of tls and wss


def connect(address, timeout):
    peer = socket.create_connection(address, timeout)
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if kind in ('tls', 'wss'):
        peer = context.wrap_socket(peer, server_hostname='localhost')
    return WebSocket(peer) if kind in ('ws', 'wss') else peer


class WebSocket:
    """A client's side: what is sent at once is a frame."""

    def __init__(self, peer):
        self.peer = peer
        self.unread = bytearray()
        key = base64.b64encode(os.urandom(16)).decode()
        peer.sendall(('GET /mqtt HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n'
                      f'Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n'
                      'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n').encode())
        while b'\r\n\r\n' not in self.unread:
            got = peer.recv(4096)
            if not got:
                raise ConnectionError('closed instead of an answer')
            self.unread += got
        head, self.unread = self.unread.split(b'\r\n\r\n', 1)
        if b' 101 ' not in head.split(b'\r\n')[0]:
            raise ConnectionError(head.decode())

    def sendall(self, data):
        mask = os.urandom(4)
        size = len(data)
        short = size if size < 126 else 126 if size < 65536 else 127
        head = bytes([0x82, 0x80 | short])
        head += b'' if short < 126 else struct.pack('!H' if short == 126 else '!Q', size)
        repeated = mask * (size // 4 + 1)
        masked = (int.from_bytes(data, 'big') ^ int.from_bytes(repeated[:size], 'big'))
        self.peer.sendall(head + mask + masked.to_bytes(size, 'big'))

    def recv(self, _size):
        """The payload of the next frame; nothing at the end."""
        while True:
            frame = self.cut()
            if frame:
                code, payload = frame
                if code == 8:
                    return b''
                if code == 2 and payload:
                    return payload
                continue
            got = self.peer.recv(65536)
            if not got:
                return b''
            self.unread += got

    def cut(self):
        if len(self.unread) < 2:
            return None
        short = self.unread[1]
        start = 2 + (0 if short < 126 else 2 if short == 126 else 8)
        size = short if short < 126 else int.from_bytes(self.unread[2:start], 'big')
        if len(self.unread) < start + size:
            return None
        code, payload = self.unread[0] & 15, bytes(self.unread[start:start + size])
        del self.unread[:start + size]
        return code, payload

    def settimeout(self, seconds):
        self.peer.settimeout(seconds)

    def close(self):
        self.peer.close()
