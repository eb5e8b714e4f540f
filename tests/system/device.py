"""Devices as MQTT 3.1.1 asks them to be: what was not acknowledged is sent again on the next connection,
in the old order, with DUP. Many devices share one thread and one selector.

Device `d0` publishes {"d": "d0", "n": 1, "v": …}, n counting from 1, so that the ledger can tell what
is lost, double or out of order. A QoS 1 message counts as acknowledged with PUBACK, a QoS 2 message
with PUBREC: from there on the gateway owes it to the cloud.
"""
import errno
import json
import selectors
import socket
import struct
import threading
import time
from collections import OrderedDict

CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP = 1, 2, 3, 4, 5, 6, 7
PINGREQ = b'\xc0\x00'
RETRY_S = 0.05
KEEP_ALIVE_S = 20
MAX_UNSENT = 1 << 16


def string(text):
    data = text.encode()
    return struct.pack('!H', len(data)) + data


def packet(kind, flags, body):
    length = len(body)
    head = bytearray([kind << 4 | flags])
    while True:
        byte, length = length & 0x7f, length >> 7
        head.append(byte | (0x80 if length else 0))
        if not length:
            return bytes(head) + body


def packets(buffer):
    """Takes the complete packets out of a bytearray: [(kind, body)]."""
    found, start = [], 0
    while len(buffer) - start >= 2:
        length = shift = 0
        end = start + 1
        while True:
            if end >= len(buffer):
                del buffer[:start]
                return found
            byte = buffer[end]
            end += 1
            length |= (byte & 0x7f) << shift
            shift += 7
            if not byte & 0x80:
                break
        if len(buffer) < end + length:
            break
        found.append((buffer[start] >> 4, bytes(buffer[end:end + length])))
        start = end + length
    del buffer[:start]
    return found


class Message:
    __slots__ = ('number', 'topic', 'payload', 'first_sent', 'released')

    def __init__(self, number, topic, payload):
        self.number = number
        self.topic = topic
        self.payload = payload
        self.first_sent = None
        self.released = False  # QoS 2: PUBREC has come


class Device:
    """One client. Options: qos; rate in messages a second; window of unacknowledged messages;
    limit = messages in all; topic with {id}; pad = bytes added to each payload; value(n)."""

    def __init__(self, client_id, qos=1, rate=50.0, window=20, limit=None, topic='dt/{id}/t', pad=0,
                 value=None):
        self.id = client_id
        self.qos = qos
        self.rate = rate
        self.window = window
        self.limit = limit
        self.topic = topic.format(id=client_id)
        self.pad = 'x' * pad
        self.value = value or (lambda n: n % 100)
        self.published = 0
        self.acked = set()
        self.latencies = []  # (moment of the ack, seconds since first sent)
        self.outbox = OrderedDict()  # packet id → Message
        self.connects = 0
        self.resent = 0
        self.socket = None
        self.connected = False
        self.next_send = 0.0
        self.retry_at = 0.0
        self.last_packet_id = 0
        self.unread = bytearray()
        self.unsent = bytearray()
        self.last_out = 0.0

    # --- called by the fleet's thread

    def connect(self, port):
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        code = self.socket.connect_ex(('127.0.0.1', port))
        if code not in (0, errno.EINPROGRESS):
            raise OSError(code, 'connect')
        self.unread.clear()
        self.unsent.clear()
        self.unsent += packet(CONNECT, 0, string('MQTT') + b'\x04\x00' +
                              struct.pack('!H', KEEP_ALIVE_S) + string(self.id))

    def lost(self, now):
        self.socket.close()
        self.socket = None
        self.connected = False
        self.retry_at = now + RETRY_S

    def produce(self, now, producing):
        """Puts what is due into the send buffer."""
        while (producing and self.connected and now >= self.next_send and
               len(self.outbox) < self.window and len(self.unsent) < MAX_UNSENT and
               (self.limit is None or self.published < self.limit)):
            self.published += 1
            number = self.published
            body = {'d': self.id, 'n': number, 'v': self.value(number)}
            if self.pad:
                body['p'] = self.pad
            message = Message(number, self.topic, json.dumps(body).encode())
            self.send(message, now)
            # A device that was held back catches up a little, not all at once.
            self.next_send = max(self.next_send + 1 / self.rate, now - 0.05)
        if self.connected and now - self.last_out > KEEP_ALIVE_S / 2:
            self.unsent += PINGREQ
            self.last_out = now

    def send(self, message, now):
        message.first_sent = now
        self.last_out = now
        if self.qos == 0:
            self.unsent += packet(PUBLISH, 0, string(message.topic) + message.payload)
            return
        self.last_packet_id = self.last_packet_id % 65535 + 1
        self.outbox[self.last_packet_id] = message
        self.put(self.last_packet_id, message, 0)

    def put(self, packet_id, message, dup):
        if message.released:
            self.unsent += packet(PUBREL, 2, struct.pack('!H', packet_id))
        else:
            self.unsent += packet(PUBLISH, dup << 3 | self.qos << 1, string(message.topic) +
                                  struct.pack('!H', packet_id) + message.payload)

    def receive(self, data, now):
        self.unread += data
        for kind, body in packets(self.unread):
            if kind == CONNACK:
                if body[1] != 0:
                    raise OSError(f'CONNACK {body[1]}')
                self.connected = True
                self.connects += 1
                self.resent += len(self.outbox)
                for packet_id, message in self.outbox.items():
                    self.put(packet_id, message, 1)
            elif kind in (PUBACK, PUBREC, PUBCOMP):
                self.answered(kind, struct.unpack('!H', body[:2])[0], now)

    def answered(self, kind, packet_id, now):
        message = self.outbox.get(packet_id)
        if message is None:
            return
        if kind != PUBCOMP and message.number not in self.acked:
            self.acked.add(message.number)
            self.latencies.append((now, now - message.first_sent))
        if kind == PUBREC:
            message.released = True
            self.put(packet_id, message, 0)
        else:
            del self.outbox[packet_id]


class Fleet:
    """Runs devices against 127.0.0.1:port until closed."""

    def __init__(self, port, devices):
        self.port = port
        self.devices = devices
        self.producing = False
        self.running = False
        self.thread = None

    def start(self):
        """Connects, and publishes until pause()."""
        self.producing = True
        if self.thread is None:
            self.running = True
            self.thread = threading.Thread(target=self._run, daemon=True)
            self.thread.start()
        return self

    def pause(self):
        self.producing = False

    def outstanding(self):
        return sum(len(device.outbox) for device in self.devices)

    def drain(self, timeout=30):
        """Stops producing and waits until all is acknowledged; False when that does not happen."""
        self.producing = False
        end = time.monotonic() + timeout
        while self.outstanding():
            if time.monotonic() > end:
                return False
            time.sleep(0.02)
        return True

    def close(self):
        self.running = False
        if self.thread is not None:
            self.thread.join()
            self.thread = None
        for device in self.devices:
            if device.socket is not None:
                device.socket.close()
                device.socket = None

    def acked(self):
        return sum(len(device.acked) for device in self.devices)

    def published(self):
        return sum(device.published for device in self.devices)

    def latencies(self, since=0.0):
        return sorted(seconds for device in self.devices
                      for moment, seconds in device.latencies if moment >= since)

    def _run(self):
        with selectors.DefaultSelector() as selector:
            while self.running:
                now = time.monotonic()
                for device in self.devices:
                    self._step(selector, device, now)
                for key, events in selector.select(0.005):
                    self._io(selector, key.data, events)

    def _step(self, selector, device, now):
        if device.socket is None:
            if now >= device.retry_at:
                try:
                    device.connect(self.port)
                    selector.register(device.socket, selectors.EVENT_READ | selectors.EVENT_WRITE,
                                      device)
                except OSError:
                    device.lost(now)
            return
        device.produce(now, self.producing)
        self._watch(selector, device)

    def _watch(self, selector, device):
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if device.unsent else 0)
        if selector.get_key(device.socket).events != events:
            selector.modify(device.socket, events, device)

    def _io(self, selector, device, events):
        now = time.monotonic()
        try:
            if events & selectors.EVENT_READ:
                data = device.socket.recv(65536)
                if not data:
                    raise OSError('closed')
                device.receive(data, now)
            if device.unsent:
                sent = device.socket.send(device.unsent)
                del device.unsent[:sent]
            self._watch(selector, device)
        except BlockingIOError:
            pass
        except OSError:
            selector.unregister(device.socket)
            device.lost(now)
