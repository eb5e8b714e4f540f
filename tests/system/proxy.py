"""A TCP relay that can be slow, silent or shut, for links that misbehave without root."""
import socket
import threading
import time


class Proxy:
    """Relays 127.0.0.1:port to 127.0.0.1:target. Settings may change at any moment:
    rate = bytes a second each way (0: no limit), silent = nothing passes, nothing is closed."""

    def __init__(self, target, port):
        self.target = target
        self.port = port
        self.rate = 0
        self.silent = False
        self.relayed = 0  # bytes towards the target
        self.connections = 0
        self._open = True
        self._pairs = []
        self._listener = None
        self.listen()

    def listen(self):
        """Takes connections (again)."""
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Small buffers: what the sender may have under way is what a thin link would hold.
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        self._listener.bind(('127.0.0.1', self.port))
        self._listener.listen()
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def shut(self):
        """Refuses connections and ends those there are."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def cut(self):
        """Ends all connections."""
        pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for end in pair:
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
                end.close()

    def close(self):
        self._open = False
        try:
            self.shut()
        except OSError:
            pass  # shut before

    def _accept(self, listener):
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return  # shut
            try:
                far = socket.create_connection(('127.0.0.1', self.target), timeout=5)
            except OSError:
                near.close()
                continue
            far.settimeout(None)
            self.connections += 1
            self._pairs.append((near, far))
            threading.Thread(target=self._relay, args=(near, far, True), daemon=True).start()
            threading.Thread(target=self._relay, args=(far, near, False), daemon=True).start()

    def _relay(self, source, sink, outward):
        try:
            while True:
                data = source.recv(4096)
                while self.silent and self._open:
                    time.sleep(0.02)
                if self.rate:
                    time.sleep(len(data) / self.rate)
                if not data:
                    break
                sink.sendall(data)
                if outward:
                    self.relayed += len(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
