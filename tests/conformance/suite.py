"""What the conformance cases are written with: clients that send any bytes and say what must come
back, and the table of cases. A case is a function of `t`, a Case:

    @case('MQTT-3.1.0-1', 'the first packet is CONNECT; another one ends the connection')
    def first_packet(t):
        client = t.client()
        client.send(codec.packet(codec.PINGREQ))
        client.expect_closed()

Names of a case's own, t.id('a') and t.topic('x'), keep the cases of one broker apart. "Nothing
comes" is shown by a PING round: what the broker had to send stands before the PINGRESP.
"""
import os
import ssl
import threading
import time
import traceback

import codec
import transport
from codec import Will  # noqa: F401 (for the cases)

TIMEOUT_S = 10
RUN = os.urandom(2).hex()  # a broker that was there before has retained messages of other runs


class Mismatch(AssertionError):
    pass


def check(condition, text):
    if not condition:
        raise Mismatch(text)


def equal(found, wanted, what):
    check(found == wanted, f'{what}: found {found!r}, wanted {wanted!r}')


class Client:
    def __init__(self, address, version):
        self.version = version
        self.socket = transport.connect(address, TIMEOUT_S)
        self.buffer = bytearray()
        self.connack = None
        self.last_id = 0

    # --- sending

    def send(self, raw):
        try:
            self.socket.sendall(raw)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            pass  # what comes back is what a case is about

    def publish(self, topic, payload=b'', qos=0, **more):
        """The packet id, 0 at QoS 0. Answers are not waited for."""
        if qos and 'packet_id' not in more:
            more['packet_id'] = self.next_id()
        self.send(codec.publish(self.version, topic, payload, qos, **more))
        return more.get('packet_id', 0)

    def publish_done(self, topic, payload=b'', qos=0, **more):
        """The whole exchange; returns the first answer."""
        packet_id = self.publish(topic, payload, qos, **more)
        if qos == 0:
            return self.ping()
        answer = self.expect(codec.PUBACK if qos == 1 else codec.PUBREC, packet_id)
        if qos == 2 and answer.code < 0x80:
            self.ack(codec.PUBREL, packet_id)
            self.expect(codec.PUBCOMP, packet_id)
        return answer

    def ack(self, kind, packet_id, reason=None, properties=None):
        self.send(codec.ack(kind, packet_id, reason, properties))

    def subscribe(self, filters, options=0, **more):
        """The answer's codes. filters: one, or [(filter, options)]."""
        if isinstance(filters, (str, bytes)):
            filters = [(filters, options)]
        more.setdefault('packet_id', self.next_id())
        self.send(codec.subscribe(self.version, filters, **more))
        return self.expect(codec.SUBACK, more['packet_id']).codes

    def unsubscribe(self, *filters):
        packet_id = self.next_id()
        self.send(codec.unsubscribe(self.version, filters, packet_id))
        return self.expect(codec.UNSUBACK, packet_id).codes

    def disconnect(self, reason=None, properties=None):
        self.send(codec.disconnect(self.version, reason, properties))
        self.expect_closed()

    def drop(self):
        """Without DISCONNECT."""
        self.socket.close()

    def next_id(self):
        self.last_id += 1
        return self.last_id

    # --- receiving

    def next(self, timeout=TIMEOUT_S):
        """The next packet; None at the end of the connection."""
        end = time.monotonic() + timeout
        while True:
            packet = codec.cut(self.buffer, self.version)
            if packet:
                return packet
            self.socket.settimeout(max(end - time.monotonic(), 0.001))
            try:
                got = self.socket.recv(65536)
            except ConnectionError:
                return None
            except TimeoutError:
                raise Mismatch(f'nothing came within {timeout} s') from None
            if not got:
                check(not self.buffer, f'half a packet: {bytes(self.buffer).hex()}')
                return None
            self.buffer += got

    def expect(self, kind, packet_id=None, timeout=TIMEOUT_S):
        packet = self.next(timeout)
        check(packet, f'the connection was closed instead of {codec.NAMES[kind]}')
        check(packet.kind == kind, f'{packet} came instead of {codec.NAMES[kind]}')
        if packet_id is not None:
            equal(packet.packet_id, packet_id, f'packet id of {codec.NAMES[kind]}')
        return packet

    def expect_publish(self, topic, payload, qos=0, retain=False, dup=False, timeout=TIMEOUT_S):
        packet = self.expect(codec.PUBLISH, timeout=timeout)
        raw = payload.encode() if isinstance(payload, str) else payload
        equal((packet.topic, packet.payload, packet.qos, packet.retain, packet.dup),
              (topic, raw, qos, retain, dup), 'topic, payload, QoS, RETAIN, DUP')
        return packet

    def expect_payloads(self, *payloads):
        """These publishes, in this order; QoS 1 is acknowledged."""
        found = []
        for _ in payloads:
            packet = self.expect(codec.PUBLISH)
            found.append(packet.payload.decode())
            if packet.qos == 1:
                self.ack(codec.PUBACK, packet.packet_id)
        equal(found, list(payloads), 'payloads')

    def expect_nothing(self):
        self.send(codec.packet(codec.PINGREQ))
        packet = self.next()
        check(packet and packet.kind == codec.PINGRESP,
              f'{packet or "the end"} came; nothing should')

    ping = expect_nothing

    def expect_closed(self, timeout=TIMEOUT_S):
        packet = self.next(timeout)
        check(packet is None, f'{packet} came instead of the end of the connection')

    def expect_end(self, *reasons):
        """DISCONNECT with one of these reasons, then the end; before version 5 only the end."""
        if self.version == 5:
            packet = self.expect(codec.DISCONNECT)
            check(packet.code in reasons, f'{packet}; wanted {[hex(r) for r in reasons]}')
        self.expect_closed()


class Case:
    def __init__(self, number, address, version):
        self.number = f'{number}{RUN}'
        self.address, self.version = address, version
        self.clients = []

    def id(self, name='c'):
        return f'c{self.number}-{name}'

    def topic(self, name='t'):
        return f'c{self.number}/{name}'

    def client(self, version=None):
        """A connection that has not sent CONNECT."""
        client = Client(self.address, version or self.version)
        self.clients.append(client)
        return client

    def offer(self, name='c', version=None, **connect):
        """CONNECT, whatever comes of it; `connect` is codec.connect's."""
        client = self.client(version)
        client.send(codec.connect(connect.pop('client_id', self.id(name)), client.version,
                                  **connect))
        return client

    def connect(self, name='c', **connect):
        """A connected client."""
        client = self.offer(name, **connect)
        client.connack = client.expect(codec.CONNACK)
        equal(client.connack.code, 0, 'code of CONNACK')
        return client

    def refused(self, *codes, **connect):
        """CONNACK with one of these codes, then the end."""
        client = self.offer(**connect)
        answer = client.expect(codec.CONNACK)
        check(answer.code in codes, f'{answer}; wanted {[hex(code) for code in codes]}')
        equal(answer.session_present, 0, 'session present of a refusal')
        client.expect_closed()
        return answer

    def malformed(self, raw, *reasons, name='c'):
        """A connected client sends this and is ended; the broker serves others as before."""
        client = self.connect(name)
        client.send(raw)
        client.expect_end(*(reasons or (0x81, 0x82)))

    def close(self):
        for client in self.clients:
            client.socket.close()


class Entry:
    def __init__(self, statements, sentence, function, waits):
        self.name = f'[{", ".join(statements)}] {sentence}'
        self.function, self.waits = function, waits
        self.failure = None
        self.thread = None

    def run(self, number, address, version):
        t = Case(number, address, version)
        try:
            self.function(t)
        except Mismatch as mismatch:
            frames = [f for f in traceback.extract_tb(mismatch.__traceback__)
                      if f.filename == self.function.__code__.co_filename]
            self.failure = f'{mismatch} (line {frames[-1].lineno})'
        except Exception:
            self.failure = traceback.format_exc()
        finally:
            t.close()


CASES = []


def case(statements, sentence, waits=False):
    """`waits`: the case is about time; all such run side by side."""
    def register(function):
        CASES.append(Entry(statements.split(), sentence, function, waits))
        return function
    return register


def run_all(address, version):
    """Runs what has been registered and prints a line for each; the number of failures."""
    names = [entry.name for entry in CASES]
    for name in {name for name in names if names.count(name) > 1}:
        raise SystemExit(f'two cases have one name: {name}')
    for number, entry in enumerate(CASES):
        if entry.waits:
            entry.thread = threading.Thread(target=entry.run, args=(number, address, version))
            entry.thread.start()
    for number, entry in enumerate(CASES):
        if entry.thread:
            entry.thread.join()
        else:
            entry.run(number, address, version)
        print(f'ok {entry.name}' if entry.failure is None else f'FAIL {entry.name}')
        for line in (entry.failure or '').splitlines():
            print(f'    {line}')
    return sum(entry.failure is not None for entry in CASES)
