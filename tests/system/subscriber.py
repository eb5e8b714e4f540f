"""A subscriber with a session that lasts, as MQTT 3.1.1 asks it to be: QoS 1 messages are taken and
acknowledged, QoS 2 messages are taken when their packet id is new and forgotten with PUBREL. It comes
back by itself when the connection breaks. One thread each.
"""
import json
import socket
import struct
import threading
import time

from device import CONNACK, CONNECT, PINGREQ, PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL, packet, string

SUBSCRIBE, SUBACK = 8, 9
KEEP_ALIVE_S = 20
RETRY_S = 0.03


class Subscriber:
    """filters: [(filter, qos)]. `taken` is [(topic, payload, qos)] in order of arrival."""

    def __init__(self, client_id, filters):
        self.id = client_id
        self.filters = filters
        self.taken = []
        self.retained = []  # those of `taken` with the retain flag
        self.presents = []  # session present of each CONNACK
        self.subscribed = False
        self.held = set()  # packet ids of QoS 2 messages that were taken and not released
        self.dups = 0
        self.away = False
        self.port = None
        self.running = False
        self.thread = None
        self.socket = None

    def start(self, port):
        self.port = port
        self.running = True
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        return self

    def leave(self):
        """Breaks the connection and stays away until back()."""
        self.away = True
        self._break()

    def back(self):
        self.away = False

    def close(self):
        self.running = False
        self._break()
        if self.thread is not None:
            self.thread.join()
            self.thread = None

    def numbers(self, device, qos=None):
        """The numbers of a device's messages, as device.py makes them, in order of arrival."""
        bodies = [(json.loads(payload), got) for _, payload, got in list(self.taken)]
        return [body['n'] for body, got in bodies
                if body['d'] == device and (qos is None or qos == got)]

    def _break(self):
        if self.socket is not None:
            try:
                self.socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _run(self):
        while self.running:
            if not self.away:
                try:
                    self._live()
                except OSError:
                    pass
            time.sleep(RETRY_S)

    def _live(self):
        with socket.create_connection(('127.0.0.1', self.port), timeout=5) as self.socket:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.socket.settimeout(KEEP_ALIVE_S / 2)
            self.socket.sendall(packet(CONNECT, 0, string('MQTT') + b'\x04\x00' +
                                       struct.pack('!H', KEEP_ALIVE_S) + string(self.id)))
            unread = bytearray()
            while self.running and not self.away:
                try:
                    data = self.socket.recv(65536)
                except socket.timeout:
                    self.socket.sendall(PINGREQ)
                    continue
                if not data:
                    return
                unread += data
                self._answer(unread)

    def _answer(self, unread):
        out = bytearray()
        for kind, flags, body in frames(unread):
            if kind == CONNACK:
                self.presents.append(body[0] == 1)
                if not self.subscribed:
                    wanted = b''.join(string(name) + bytes([qos]) for name, qos in self.filters)
                    out += packet(SUBSCRIBE, 2, b'\x00\x01' + wanted)
            elif kind == SUBACK:
                self.subscribed = True
            elif kind == PUBLISH:
                out += self._take(flags, body)
            elif kind == PUBREL:
                self.held.discard(body[:2])
                out += packet(PUBCOMP, 0, body[:2])
        if out:
            self.socket.sendall(out)

    def _take(self, flags, body):
        qos = flags >> 1 & 3
        length = struct.unpack('!H', body[:2])[0]
        topic = body[2:2 + length].decode()
        packet_id = body[2 + length:4 + length] if qos else b''
        self.dups += flags >> 3 & 1
        if qos < 2 or packet_id not in self.held:
            payload = bytes(body[2 + length + len(packet_id):])
            self.taken.append((topic, payload, qos))
            if flags & 1:
                self.retained.append((topic, payload, qos))
        if qos == 2:
            self.held.add(packet_id)
        return packet(PUBACK if qos == 1 else PUBREC, 0, packet_id) if qos else b''


def frames(buffer):
    """Takes the complete packets out of a bytearray: (kind, flags, body)."""
    while len(buffer) >= 2:
        length = shift = 0
        end = 1
        while True:
            if end >= len(buffer):
                return
            byte = buffer[end]
            end += 1
            length |= (byte & 0x7f) << shift
            shift += 7
            if not byte & 0x80:
                break
        if len(buffer) < end + length:
            return
        head, body = buffer[0], bytes(buffer[end:end + length])
        del buffer[:end + length]
        yield head >> 4, head & 15, body


def check_deliveries(check, fleet, subscribers, timeout=30):
    """What was acknowledged to the devices reached every subscriber: nothing lost; first arrivals in
    order; at QoS 2 both ways nothing twice. Returns how many came twice at QoS 1."""
    end = time.monotonic() + timeout
    twice = 0
    for subscriber in subscribers:
        for device in fleet.devices:
            while not device.acked <= set(subscriber.numbers(device.id)):
                lost = sorted(device.acked - set(subscriber.numbers(device.id)))
                check(time.monotonic() < end,
                      f'{subscriber.id} lacks {len(lost)} of {len(device.acked)} messages of '
                      f'{device.id}: {lost[:20]}')
                time.sleep(0.1)
            numbers = subscriber.numbers(device.id)
            firsts = list(dict.fromkeys(numbers))
            check(firsts == sorted(firsts), f'{subscriber.id}: {device.id} is out of order')
            doubles = len(numbers) - len(firsts)
            if device.qos == 2 and subscriber.filters[0][1] == 2:
                check(doubles == 0, f'{subscriber.id} got {doubles} QoS 2 messages of {device.id} '
                      'twice')
            twice += doubles
    return twice
