"""Malformed input of MQTT 5 (§1.5, §2, §4.13): a reason, and the end of that one connection."""
import os

import codec
from suite import case, equal


@case('MQTT-2.1.3-1', 'flags that a packet must not have end the connection')
def flags(t):
    for kind in (codec.PINGREQ, codec.DISCONNECT, codec.AUTH):
        for bad in (1, 2, 4, 8, 15):
            t.malformed(codec.packet(kind, bad))


@case('MQTT-4.13.1-1', 'packet type 0 and packets that only a server sends end the connection')
def types(t):
    for raw in (codec.packet(0), codec.packet(codec.CONNACK, 0, b'\0\0\0'),
                codec.packet(codec.PINGRESP), codec.packet(codec.SUBACK, 0, b'\0\1\0\0'),
                codec.packet(codec.UNSUBACK, 0, b'\0\1\0\0')):
        t.malformed(raw)


@case('MQTT-1.5.5-1', 'a remaining length of five bytes is malformed')
def length(t):
    t.malformed(b'\x30\xff\xff\xff\xff\x7f', 0x81)
    t.malformed(b'\x30\x80\x80\x80\x80\x01', 0x81)


@case('MQTT-1.5.5-1', 'a property length of five bytes is malformed')
def property_length(t):
    body = codec.data(t.topic()) + b'\x80\x80\x80\x80\x01'
    t.malformed(codec.packet(codec.PUBLISH, 0, body), 0x81)


@case('MQTT-4.13.1-1', 'a packet that is announced as too large: DISCONNECT 0x95 at once')
def too_large(t):
    t.malformed(b'\x30\xff\xff\xff\x7f', 0x95)


@case('MQTT-4.13.1-1', 'PINGREQ with a body is malformed')
def bodies(t):
    t.malformed(codec.packet(codec.PINGREQ, 0, b'x'), 0x81)


@case('MQTT-4.13.1-1', 'packets that end within a field are malformed')
def short(t):
    for kind, bits, body in ((codec.PUBLISH, 0, b''), (codec.PUBLISH, 0, b'\0\5abc'),
                             (codec.PUBLISH, 2, b'\0\1a\0'), (codec.PUBLISH, 2, b'\0\1a\0\1'),
                             (codec.SUBSCRIBE, 2, b'\0'), (codec.SUBSCRIBE, 2, b'\0\1'),
                             (codec.SUBSCRIBE, 2, b'\0\1\0\0\1a'),
                             (codec.SUBSCRIBE, 2, b'\0\1\5\0\1a\0'),
                             (codec.UNSUBSCRIBE, 2, b'\0\1\0\0\5ab')):
        t.malformed(codec.packet(kind, bits, body), 0x81)


@case('MQTT-1.5.4-1', 'surrogates, overlong forms and values past U+10FFFF are no UTF-8')
def utf8(t):
    for bad in (b'\xed\xa0\x80', b'\xc0\x80', b'\xe0\x9f\xbf', b'\xf0\x8f\xbf\xbf',
                b'\xf4\x90\x80\x80', b'\x80', b'\xc3', b'\xf0\x9f\x98'):
        t.malformed(codec.publish(5, t.topic(), 'x', properties=[(codec.CONTENT_TYPE, bad)]), 0x81)


@case('MQTT-1.5.4-2', 'U+0000 in a string is malformed')
def nul(t):
    t.malformed(codec.publish(5, b'a\0b', 'x'), 0x81, 0x90)
    t.malformed(codec.publish(5, t.topic(), 'x', properties=[(codec.CONTENT_TYPE, b'\0')]), 0x81)
    t.malformed(codec.publish(5, t.topic(), 'x', properties=[(codec.USER_PROPERTY, ('a', b'b\0'))]),
                0x81)


@case('MQTT-1.5.4-3', 'a byte order mark is a character like any other')
def byte_order_mark(t):
    client = t.connect()
    client.subscribe(t.topic('\ufeffx'), 0)
    client.publish_done(t.topic('x'), 'without')
    client.publish(t.topic('\ufeffx'), 'with', properties=[(codec.CONTENT_TYPE, '\ufeffa')])
    packet = client.expect_publish(t.topic('\ufeffx'), 'with')
    equal(packet.get(codec.CONTENT_TYPE), '\ufeffa', 'content type')


@case('MQTT-4.13.1-1', 'bytes of no meaning cost the connection they came on and no other')
def noise(t):
    witness = t.connect('witness')
    witness.subscribe(t.topic(), 1)
    publisher = t.connect('pub')
    for number in range(60):
        client = t.connect('noise') if number % 2 else t.client()
        client.send(bytes([number * 4 & 0xFF]) + os.urandom(50 + number * 7) + b'\0' * 300)
        client.socket.close()
        publisher.publish_done(t.topic(), str(number), 1)
        witness.expect_payloads(str(number))


@case('MQTT-4.13.2-1', 'the DISCONNECT of the server is followed by the end of the connection')
def end(t):
    client = t.connect()
    client.send(codec.packet(codec.PINGREQ, 0, b'x') + codec.packet(codec.PINGREQ))
    client.expect_end(0x81)


@case('MQTT-4.7.1-1 MQTT-4.7.1-2', 'filters with misplaced wildcards end the connection')
def filters(t):
    for name in ('#/a', 'a/#/b', 'a#', '##', 'a+', '+a', '++', ''):
        t.malformed(codec.subscribe(5, [(name, 0)]), 0x81, 0x82, 0x8F)


@case('MQTT-4.7.2-1', 'filters that begin with a wildcard do not match topics that begin with $')
def dollar(t):
    client = t.connect()
    client.subscribe([(f'+/d{t.number}', 0), (f'$x/d{t.number}', 0)])
    client.publish(f'$x/d{t.number}', 'x')
    client.expect_publish(f'$x/d{t.number}', 'x')
    client.expect_nothing()
