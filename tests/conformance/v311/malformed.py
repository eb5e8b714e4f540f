"""Malformed input of MQTT 3.1.1 (§1.5, §2, §4.8): it costs that one connection."""
import os

import codec
from suite import case


@case('MQTT-2.2.2-1 MQTT-2.2.2-2', 'flags that a packet must not have end the connection')
def flags(t):
    for kind in (codec.PINGREQ, codec.DISCONNECT):
        for bad in (1, 2, 4, 8, 15):
            t.malformed(codec.packet(kind, bad))


@case('MQTT-2.2.2-2', 'packet types 0 and 15 end the connection')
def types(t):
    for kind in (0, 15):
        t.malformed(codec.packet(kind))


@case('MQTT-4.8.0-1', 'packets that only a server sends end the connection')
def server_packets(t):
    for raw in (codec.packet(codec.CONNACK, 0, b'\0\0'), codec.packet(codec.PINGRESP),
                codec.packet(codec.SUBACK, 0, b'\0\1\0'), codec.packet(codec.UNSUBACK, 0, b'\0\1')):
        t.malformed(raw)


@case('MQTT-4.8.0-1', 'a remaining length of five bytes ends the connection')
def length(t):
    t.malformed(b'\x30\xff\xff\xff\xff\x7f')
    t.malformed(b'\x30\x80\x80\x80\x80\x01')


@case('MQTT-4.8.0-1', 'a packet that is announced as too large ends the connection at once')
def too_large(t):
    t.malformed(b'\x30\xff\xff\xff\x7f', 0x95)
    t.malformed(codec.publish(4, t.topic(), bytes(300_000)), 0x95)


@case('MQTT-4.8.0-1', 'the first packet, too, must have a length that is allowed')
def first_too_large(t):
    client = t.client()
    client.send(b'\x10\xff\xff\xff\x7f')
    client.expect_closed()


@case('MQTT-4.8.0-1', 'PINGREQ and DISCONNECT with a body end the connection')
def bodies(t):
    t.malformed(codec.packet(codec.PINGREQ, 0, b'x'))
    t.malformed(codec.packet(codec.DISCONNECT, 0, b'x'))


@case('MQTT-4.8.0-1', 'a PUBLISH whose topic or packet id passes its end ends the connection')
def publish_short(t):
    for flags, body in ((0, b''), (0, b'\0'), (0, b'\0\x05abc'), (2, b'\0\1a'), (2, b'\0\1a\0')):
        t.malformed(codec.packet(codec.PUBLISH, flags, body))


@case('MQTT-4.8.0-1', 'a SUBSCRIBE or UNSUBSCRIBE that ends within a field ends the connection')
def subscribe_short(t):
    for kind in (codec.SUBSCRIBE, codec.UNSUBSCRIBE):
        for body in (b'', b'\0', b'\0\1\0', b'\0\1\0\5ab', b'\0\1\0\1a\0\0'):
            t.malformed(codec.packet(kind, 2, body))


@case('MQTT-1.5.3-1', 'surrogates, overlong forms and values past U+10FFFF are no UTF-8')
def utf8(t):
    for bad in (b'\xed\xa0\x80', b'\xed\xbf\xbf', b'\xc0\x80', b'\xc1\xbf', b'\xe0\x9f\xbf',
                b'\xf0\x8f\xbf\xbf', b'\xf4\x90\x80\x80', b'\xf8\x88\x80\x80\x80', b'\x80', b'\xbf',
                b'\xc3', b'\xe2\x82', b'\xf0\x9f\x98', b'\xe2\x28\xa1'):
        t.malformed(codec.publish(4, b'a' + bad, 'x'))


@case('MQTT-1.5.3-2', 'U+0000 in a string ends the connection')
def nul(t):
    t.malformed(codec.publish(4, b'a\0b', 'x'))
    t.malformed(codec.publish(4, b'\0', 'x'))
    t.malformed(codec.publish(4, b'abcdefgh\0jklmnop', 'x'))


@case('MQTT-1.5.3-1', 'every form of UTF-8 that is allowed is taken')
def utf8_good(t):
    client = t.connect()
    client.subscribe(t.topic('#'), 0)
    for good in ('\x01', '\x7f', '\x80', '\u07ff', '\u0800', '\ud7ff', '\ue000', '\ufffd', '\uffff',
                 '\U00010000', '\U0010ffff'):
        client.publish(t.topic(good), 'x')
        client.expect_publish(t.topic(good), 'x')


@case('MQTT-4.8.0-1', 'bytes of no meaning cost the connection they came on and no other')
def noise(t):
    witness = t.connect('witness')
    witness.subscribe(t.topic(), 1)
    publisher = t.connect('pub')
    for number in range(60):
        client = t.connect('noise') if number % 2 else t.client()
        client.send(bytes([0x30 | number % 16]) + os.urandom(50 + number * 7) + b'\0' * 300)
        client.socket.close()
        publisher.publish_done(t.topic(), str(number), 1)
        witness.expect_payloads(str(number))


@case('MQTT-4.8.0-1', 'packets may come byte by byte, or many in one write')
def pieces(t):
    client = t.client()
    raw = codec.connect(t.id()) + codec.subscribe(4, [(t.topic(), 1)], 1) + \
        codec.publish(4, t.topic(), 'x', 1, 2) + codec.packet(codec.PINGREQ)
    for byte in raw:
        client.send(bytes([byte]))
    client.expect(codec.CONNACK)
    client.expect(codec.SUBACK)
    found = sorted(client.next().kind for _ in range(3))
    assert found == [codec.PUBLISH, codec.PUBACK, codec.PINGRESP], found


@case('MQTT-4.8.0-1', 'a connection that ends within a packet leaves nothing behind')
def half_packet(t):
    watcher = t.connect('watcher')
    watcher.subscribe(t.topic(), 0)
    client = t.connect()
    client.send(codec.publish(4, t.topic(), 'x' * 1000)[:-1])
    client.drop()
    watcher.expect_nothing()
