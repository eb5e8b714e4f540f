"""A TCP relay that can be slow, silent or shut, for links that misbehave without root; and one that
knows MQTT enough to lose or delay acknowledgements."""
import queue
import socket
import threading
import time

from device import PUBACK, packet, packets


class Proxy:
    """Relays 127.0.0.1:port to 127.0.0.1:target. Settings may change at any moment:
    rate = bytes a second each way (0: no limit), silent = nothing passes, nothing is closed,
    cut_after = bytes towards the target until all connections are cut (None: never)."""

    def __init__(self, target, port):
        self.target = target
        self.port = port
        self.rate = 0
        self.silent = False
        self.cut_after = None
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
            if listener.fileno() == -1:  # shut meanwhile
                self.cut()
                return
            threading.Thread(target=self._relay, args=(near, far, True), daemon=True).start()
            threading.Thread(target=self._relay, args=(far, near, False), daemon=True).start()

    def _relay(self, source, sink, outward):
        try:
            while True:
                # A thin link passes on byte by byte what a fast one takes in one gulp.
                data = source.recv(max(1, min(4096, self.rate // 10)) if self.rate else 4096)
                while self.silent and self._open:
                    time.sleep(0.02)
                if self.rate:
                    time.sleep(len(data) / self.rate)
                if not data:
                    break
                if outward:
                    self._outward(sink, data)
                else:
                    self._inward(sink, data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _outward(self, sink, data):
        if self.cut_after is not None:
            data = data[:self.cut_after]
            self.cut_after -= len(data)
        sink.sendall(data)
        self.relayed += len(data)
        if self.cut_after == 0:
            self.cut_after = None
            self.cut()

    def _inward(self, sink, data):
        sink.sendall(data)


class AckProxy(Proxy):
    """MQTT without TLS. ack_delay = seconds that each PUBACK takes longer (None: it is lost)."""

    def __init__(self, target, port):
        self.ack_delay = 0
        self._unread = {}  # socket → the beginning of a packet
        self._late = queue.SimpleQueue()
        super().__init__(target, port)
        threading.Thread(target=self._send_late, daemon=True).start()

    def _inward(self, sink, data):
        unread = self._unread.setdefault(sink, bytearray())
        unread += data
        for kind, body in packets(unread):
            answer = packet(kind, 0, body)  # no answer of a broker without subscriptions has flags
            if kind != PUBACK or self.ack_delay == 0:
                sink.sendall(answer)
            elif self.ack_delay is not None:
                self._late.put((time.monotonic() + self.ack_delay, sink, answer))

    def _send_late(self):
        while self._open:
            due, sink, answer = self._late.get()
            time.sleep(max(0.0, due - time.monotonic()))
            try:
                sink.sendall(answer)
            except OSError:
                pass  # that connection has been given up
