"""MQTT packets as bytes, both versions: written from the standard, not from the broker's code, and
able to write what the standard forbids. Property lists are [(identifier, value)], in order."""
import struct

CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBSCRIBE, SUBACK, UNSUBSCRIBE, \
    UNSUBACK, PINGREQ, PINGRESP, DISCONNECT, AUTH = range(1, 16)
NAMES = ['0', 'CONNECT', 'CONNACK', 'PUBLISH', 'PUBACK', 'PUBREC', 'PUBREL', 'PUBCOMP', 'SUBSCRIBE',
         'SUBACK', 'UNSUBSCRIBE', 'UNSUBACK', 'PINGREQ', 'PINGRESP', 'DISCONNECT', 'AUTH']

PAYLOAD_FORMAT, MESSAGE_EXPIRY, CONTENT_TYPE = 0x01, 0x02, 0x03
RESPONSE_TOPIC, CORRELATION_DATA, SUBSCRIPTION_ID = 0x08, 0x09, 0x0B
SESSION_EXPIRY, ASSIGNED_CLIENT_ID, SERVER_KEEP_ALIVE = 0x11, 0x12, 0x13
AUTH_METHOD, AUTH_DATA, REQUEST_PROBLEM_INFORMATION = 0x15, 0x16, 0x17
WILL_DELAY, REQUEST_RESPONSE_INFORMATION, RESPONSE_INFORMATION = 0x18, 0x19, 0x1A
SERVER_REFERENCE, REASON_STRING, RECEIVE_MAXIMUM = 0x1C, 0x1F, 0x21
TOPIC_ALIAS_MAXIMUM, TOPIC_ALIAS, MAXIMUM_QOS, RETAIN_AVAILABLE = 0x22, 0x23, 0x24, 0x25
USER_PROPERTY, MAXIMUM_PACKET_SIZE, WILDCARD_AVAILABLE = 0x26, 0x27, 0x28
SUBSCRIPTION_ID_AVAILABLE, SHARED_AVAILABLE = 0x29, 0x2A

BYTES_U8 = {PAYLOAD_FORMAT, REQUEST_PROBLEM_INFORMATION, REQUEST_RESPONSE_INFORMATION, MAXIMUM_QOS,
            RETAIN_AVAILABLE, WILDCARD_AVAILABLE, SUBSCRIPTION_ID_AVAILABLE, SHARED_AVAILABLE}
BYTES_U16 = {SERVER_KEEP_ALIVE, RECEIVE_MAXIMUM, TOPIC_ALIAS_MAXIMUM, TOPIC_ALIAS}
BYTES_U32 = {MESSAGE_EXPIRY, SESSION_EXPIRY, WILL_DELAY, MAXIMUM_PACKET_SIZE}


def data(value):
    """Two bytes of length, then the bytes; text becomes UTF-8."""
    raw = value.encode() if isinstance(value, str) else value
    return struct.pack('!H', len(raw)) + raw


def u16(value):
    return struct.pack('!H', value)


def u32(value):
    return struct.pack('!I', value)


def varint(value):
    out = bytearray()
    while True:
        value, low = value >> 7, value & 0x7F
        out.append(low | (0x80 if value else 0))
        if not value:
            return bytes(out)


def prop(identifier, value):
    """One property; bytes as a value of a number's kind are taken as they are."""
    head = varint(identifier)
    if identifier == USER_PROPERTY:
        return head + data(value[0]) + data(value[1])
    if not isinstance(value, int):
        return head + data(value)
    if identifier in BYTES_U8:
        return head + bytes([value])
    if identifier in BYTES_U16:
        return head + u16(value)
    if identifier in BYTES_U32:
        return head + u32(value)
    return head + varint(value)


def props(properties):
    """With their length; raw bytes stand for a list written by hand."""
    raw = properties if isinstance(properties, bytes) else b''.join(prop(*p) for p in properties)
    return varint(len(raw)) + raw


def packet(kind, flags=0, body=b''):
    return bytes([kind << 4 | flags]) + varint(len(body)) + body


class Will:
    def __init__(self, topic, payload=b'', qos=0, retain=False, properties=()):
        self.topic, self.payload, self.qos, self.retain = topic, payload, qos, retain
        self.properties = properties


def connect(client_id, version=4, clean=True, keep_alive=60, will=None, username=None,
            password=None, properties=(), flags=None, protocol=None, level=None):
    """`flags`, `protocol` and `level` replace what follows from the rest."""
    bits = (0x02 if clean else 0)
    payload = data(client_id)
    if will:
        bits |= 0x04 | will.qos << 3 | (0x20 if will.retain else 0)
        payload += (props(will.properties) if version == 5 else b'') + data(will.topic) + \
            data(will.payload)
    if username is not None:
        bits |= 0x80
        payload += data(username)
    if password is not None:
        bits |= 0x40
        payload += data(password)
    head = data(protocol or ('MQIsdp' if version == 3 else 'MQTT')) + \
        bytes([version if level is None else level, bits if flags is None else flags])
    return packet(CONNECT, 0, head + u16(keep_alive) +
                  (props(properties) if version == 5 else b'') + payload)


def publish(version, topic, payload=b'', qos=0, packet_id=1, retain=False, dup=False, properties=()):
    raw = payload.encode() if isinstance(payload, str) else payload
    return packet(PUBLISH, (8 if dup else 0) | qos << 1 | (1 if retain else 0),
                  data(topic) + (u16(packet_id) if qos else b'') +
                  (props(properties) if version == 5 else b'') + raw)


def ack(kind, packet_id, reason=None, properties=None):
    """PUBACK, PUBREC, PUBREL, PUBCOMP."""
    body = u16(packet_id)
    if reason is not None:
        body += bytes([reason])
    if properties is not None:
        body += props(properties)
    return packet(kind, 2 if kind == PUBREL else 0, body)


def subscribe(version, filters, packet_id=1, properties=(), flags=2):
    """filters: [(filter, options)]"""
    return packet(SUBSCRIBE, flags, u16(packet_id) + (props(properties) if version == 5 else b'') +
                  b''.join(data(name) + bytes([options]) for name, options in filters))


def unsubscribe(version, filters, packet_id=1, properties=(), flags=2):
    return packet(UNSUBSCRIBE, flags, u16(packet_id) +
                  (props(properties) if version == 5 else b'') + b''.join(map(data, filters)))


def disconnect(version, reason=None, properties=None):
    body = b'' if reason is None else bytes([reason])
    return packet(DISCONNECT, 0, body + (b'' if properties is None else props(properties)))


# --- reading


class Reader:
    def __init__(self, raw):
        self.raw, self.at = raw, 0

    def take(self, count):
        if self.at + count > len(self.raw):
            raise ValueError(f'a field passes the end of {self.raw.hex()}')
        self.at += count
        return self.raw[self.at - count:self.at]

    def u8(self):
        return self.take(1)[0]

    def u16(self):
        return struct.unpack('!H', self.take(2))[0]

    def u32(self):
        return struct.unpack('!I', self.take(4))[0]

    def data(self):
        return self.take(self.u16())

    def varint(self):
        value = 0
        for index in range(4):
            byte = self.u8()
            value |= (byte & 0x7F) << 7 * index
            if byte < 0x80:
                if index and not byte:
                    raise ValueError('[MQTT-1.5.5-1] a variable integer is longer than it must be')
                return value
        raise ValueError('a variable integer of more than four bytes')

    def rest(self):
        return self.take(len(self.raw) - self.at)

    def done(self):
        return self.at == len(self.raw)

    def props(self):
        inner = Reader(self.take(self.varint()))
        found = []
        while not inner.done():
            identifier = inner.varint()
            if identifier == USER_PROPERTY:
                value = (inner.data().decode(), inner.data().decode())
            elif identifier in BYTES_U8:
                value = inner.u8()
            elif identifier in BYTES_U16:
                value = inner.u16()
            elif identifier in BYTES_U32:
                value = inner.u32()
            elif identifier == SUBSCRIPTION_ID:
                value = inner.varint()
            elif identifier in (CORRELATION_DATA, AUTH_DATA):
                value = inner.data()
            else:
                value = inner.data().decode()
            found.append((identifier, value))
        return found


class Packet:
    """A packet from the server, taken apart. Fields that it does not have are None."""

    def __init__(self, version, kind, flags, body):
        self.kind, self.flags, self.body = kind, flags, body
        self.packet_id = self.code = self.topic = None
        self.properties = []
        self.codes = []
        reader = Reader(body)
        self._read(version, reader)
        if not reader.done():
            raise ValueError(f'{self}: bytes after its end: {body.hex()}')

    def _read(self, version, reader):
        kind = self.kind
        if kind == CONNACK:
            self.session_present = reader.u8()
            self.code = reader.u8()
            if version == 5 and not reader.done():
                self.properties = reader.props()
        elif kind == PUBLISH:
            self.dup, self.qos = bool(self.flags & 8), self.flags >> 1 & 3
            self.retain = bool(self.flags & 1)
            self.topic = reader.data().decode()
            self.packet_id = reader.u16() if self.qos else None
            self.properties = reader.props() if version == 5 else []
            self.payload = reader.rest()
        elif kind in (PUBACK, PUBREC, PUBREL, PUBCOMP):
            self.packet_id = reader.u16()
            self.code = 0
            if version == 5 and not reader.done():
                self.code = reader.u8()
                self.properties = [] if reader.done() else reader.props()
        elif kind in (SUBACK, UNSUBACK):
            self.packet_id = reader.u16()
            if version == 5:
                self.properties = reader.props()
            self.codes = list(reader.rest())
        elif kind == DISCONNECT and version == 5:
            self.code = 0 if reader.done() else reader.u8()
            self.properties = [] if reader.done() else reader.props()

    def get(self, identifier):
        """The property's value, a list of them when it stands several times, or None."""
        values = [value for name, value in self.properties if name == identifier]
        return values[0] if len(values) == 1 else values or None

    def __str__(self):
        text = NAMES[self.kind]
        if self.kind == PUBLISH:
            text += f' {self.topic} {self.payload[:40]!r} qos {self.qos}'
        if self.packet_id is not None:
            text += f' id {self.packet_id}'
        if self.code is not None:
            text += f' code 0x{self.code:02x}'
        return text


def cut(buffer, version):
    """Takes the first packet out of a bytearray, or None."""
    length = shift = 0
    at = 1
    while True:
        if at >= len(buffer):
            return None
        byte = buffer[at]
        at += 1
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
        if shift > 21:
            raise ValueError('a remaining length of more than four bytes')
    if len(buffer) < at + length:
        return None
    found = Packet(version, buffer[0] >> 4, buffer[0] & 15, bytes(buffer[at:at + length]))
    del buffer[:at + length]
    return found
