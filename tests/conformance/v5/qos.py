"""QoS flows, flow control and order of MQTT 5 (§3.4 to §3.7, §4.3, §4.4, §4.6, §4.9)."""
import codec
from suite import case, check, equal


@case('MQTT-3.3.4-1', 'the answer is none at QoS 0, PUBACK at 1, PUBREC at 2')
def answers(t):
    client = t.connect()
    client.publish(t.topic(), 'x')
    client.expect_nothing()
    client.publish(t.topic(), 'x', 1, packet_id=7)
    client.expect(codec.PUBACK, 7)
    client.publish(t.topic(), 'x', 2, packet_id=65535)
    client.expect(codec.PUBREC, 65535)


@case('MQTT-2.2.1-5', 'PUBACK, PUBREC, PUBCOMP carry the packet id of the PUBLISH')
def packet_ids(t):
    client = t.connect()
    for packet_id in (1, 255, 256, 32768, 65535):
        client.publish_done(t.topic(), 'x', 1, packet_id=packet_id)
        client.publish_done(t.topic(), 'x', 2, packet_id=packet_id)


@case('MQTT-4.3.3-10 MQTT-4.3.3-12', 'a QoS 2 publish sent again before PUBREL is delivered once')
def qos_2_once(t):
    client = t.connect()
    client.subscribe(t.topic(), 2)
    publisher = t.connect('pub', properties=[(codec.SESSION_EXPIRY, 100)])
    publisher.publish(t.topic(), 'x', 2, packet_id=5)
    publisher.expect(codec.PUBREC, 5)
    publisher.drop()
    publisher = t.connect('pub', clean=False)
    publisher.publish(t.topic(), 'x', 2, packet_id=5, dup=True)
    check(publisher.expect(codec.PUBREC, 5).code < 0x80, 'PUBREC')
    publisher.ack(codec.PUBREL, 5)
    equal(publisher.expect(codec.PUBCOMP, 5).code, 0, 'PUBCOMP')
    client.expect_publish(t.topic(), 'x', 2)
    client.expect_nothing()


@case('MQTT-4.3.3-11', 'PUBREL of an unknown packet id is answered with PUBCOMP 0x92')
def pubrel_unknown(t):
    client = t.connect()
    client.ack(codec.PUBREL, 77)
    equal(client.expect(codec.PUBCOMP, 77).code, 0x92, 'code')


@case('MQTT-4.3.3-4', 'PUBREC is answered with PUBREL; of an unknown packet id with 0x92')
def pubrec(t):
    client = t.connect()
    client.subscribe(t.topic(), 2)
    t.connect('pub').publish_done(t.topic(), 'x', 2)
    packet_id = client.expect_publish(t.topic(), 'x', 2).packet_id
    client.ack(codec.PUBREC, packet_id)
    answer = client.expect(codec.PUBREL, packet_id)
    equal((answer.flags, answer.code), (2, 0), 'flags and code')  # [MQTT-3.6.1-1]
    client.ack(codec.PUBCOMP, packet_id)
    client.ack(codec.PUBREC, 9999)
    equal(client.expect(codec.PUBREL, 9999).code, 0x92, 'code')


@case('MQTT-4.3.3-4', 'PUBREC with a failure ends the exchange: no PUBREL, the place is free')
def pubrec_refused(t):
    client = t.connect(properties=[(codec.RECEIVE_MAXIMUM, 1)])
    client.subscribe(t.topic(), 2)
    publisher = t.connect('pub')
    for text in ('a', 'b'):
        publisher.publish_done(t.topic(), text, 2)
    packet_id = client.expect_publish(t.topic(), 'a', 2).packet_id
    client.expect_nothing()
    client.ack(codec.PUBREC, packet_id, 0x83)
    client.expect_publish(t.topic(), 'b', 2)


@case('MQTT-4.3.2-2', 'PUBACK with a failure is an acknowledgement: nothing is sent again')
def puback_refused(t):
    client = t.connect(properties=[(codec.SESSION_EXPIRY, 100)])
    client.subscribe(t.topic(), 1)
    t.connect('pub').publish_done(t.topic(), 'x', 1)
    client.ack(codec.PUBACK, client.expect_publish(t.topic(), 'x', 1).packet_id, 0x80)
    client.ping()
    client.drop()
    t.connect(clean=False).expect_nothing()


@case('MQTT-4.4.0-1', 'unacknowledged PUBLISH and PUBREL are sent again on reconnect, and only then')
def resend(t):
    properties = [(codec.SESSION_EXPIRY, 100)]
    client = t.connect(properties=properties)
    client.subscribe(t.topic(), 2)
    publisher = t.connect('pub')
    for text in ('a', 'b'):
        publisher.publish_done(t.topic(), text, 2)
    first = client.expect_publish(t.topic(), 'a', 2).packet_id
    second = client.expect_publish(t.topic(), 'b', 2).packet_id
    client.ack(codec.PUBREC, first)
    client.expect(codec.PUBREL, first)
    client.expect_nothing()
    client.drop()
    client = t.connect(clean=False, properties=properties)
    client.expect(codec.PUBREL, first)
    equal(client.expect_publish(t.topic(), 'b', 2, dup=True).packet_id, second, 'packet id')
    client.expect_nothing()


@case('MQTT-4.6.0-6', 'the order of one publisher on one topic is kept at every QoS')
def order(t):
    for qos in (0, 1, 2):
        client = t.connect(f'sub{qos}')
        client.subscribe(t.topic(str(qos)), qos)
        t.connect(f'pub{qos}').send(b''.join(
            codec.publish(5, t.topic(str(qos)), str(n), qos, n + 1) for n in range(90)))
        equal([client.expect(codec.PUBLISH).payload for _ in range(90)],
              [str(n).encode() for n in range(90)], f'order at QoS {qos}')


@case('MQTT-4.9.0-1 MQTT-3.3.4-9', 'not more than receive maximum publishes are in flight')
def receive_maximum(t):
    client = t.connect(properties=[(codec.RECEIVE_MAXIMUM, 3)])
    client.subscribe(t.topic(), 1)
    publisher = t.connect('pub')
    for n in range(8):
        publisher.publish_done(t.topic(), str(n), 1)
    ids = [client.expect_publish(t.topic(), str(n), 1).packet_id for n in range(3)]
    client.expect_nothing()
    client.ack(codec.PUBACK, ids[0])
    client.expect_publish(t.topic(), '3', 1)
    client.expect_nothing()


@case('MQTT-4.9.0-2 MQTT-3.3.4-10', 'a full window does not hold back QoS 0 and other packets')
def full_window(t):
    client = t.connect(properties=[(codec.RECEIVE_MAXIMUM, 1)])
    client.subscribe([(t.topic('1'), 1), (t.topic('0'), 0)])
    publisher = t.connect('pub')
    publisher.publish_done(t.topic('1'), 'a', 1)
    client.expect_publish(t.topic('1'), 'a', 1)
    publisher.publish_done(t.topic('0'), 'b', 0)
    client.expect_publish(t.topic('0'), 'b', 0)
    equal(client.subscribe(t.topic('2'), 1), [1], 'SUBACK')
    client.ping()


@case('MQTT-4.9.0-1', 'a QoS 2 exchange keeps its place in the window until PUBCOMP')
def window_qos_2(t):
    client = t.connect(properties=[(codec.RECEIVE_MAXIMUM, 1)])
    client.subscribe(t.topic(), 2)
    publisher = t.connect('pub')
    for text in ('a', 'b'):
        publisher.publish_done(t.topic(), text, 2)
    packet_id = client.expect_publish(t.topic(), 'a', 2).packet_id
    client.ack(codec.PUBREC, packet_id)
    client.expect(codec.PUBREL, packet_id)
    client.expect_nothing()
    client.ack(codec.PUBCOMP, packet_id)
    client.expect_publish(t.topic(), 'b', 2)


@case('MQTT-4.9.0-1', 'what is sent again on reconnect keeps to the new receive maximum')
def resend_window(t):
    client = t.connect(properties=[(codec.SESSION_EXPIRY, 100)])
    client.subscribe(t.topic(), 1)
    publisher = t.connect('pub')
    for n in range(5):
        publisher.publish_done(t.topic(), str(n), 1)
        client.expect(codec.PUBLISH)
    client.drop()
    client = t.connect(clean=False, properties=[(codec.RECEIVE_MAXIMUM, 2)])
    packet_id = client.expect_publish(t.topic(), '0', 1, dup=True).packet_id
    client.expect_publish(t.topic(), '1', 1, dup=True)
    client.expect_nothing()
    client.ack(codec.PUBACK, packet_id)
    client.expect_publish(t.topic(), '2', 1, dup=True)


@case('MQTT-3.3.4-7', 'more publishes than the receive maximum of CONNACK: DISCONNECT 0x93')
def receive_maximum_passed(t):
    client = t.connect()
    limit = client.connack.get(codec.RECEIVE_MAXIMUM)
    client.send(b''.join(codec.publish(5, t.topic(), 'x', 2, n + 1) for n in range(limit)))
    for _ in range(limit):
        client.expect(codec.PUBREC)
    client.send(codec.publish(5, t.topic(), 'x', 2, limit + 1))
    client.expect_end(0x93)


@case('MQTT-3.4.2-1', 'acknowledgements may leave out reason code and properties, or have them')
def forms(t):
    client = t.connect()
    client.subscribe(t.topic(), 1)
    publisher = t.connect('pub')
    properties = [(codec.REASON_STRING, 'because'), (codec.USER_PROPERTY, ('a', 'b')),
                  (codec.USER_PROPERTY, ('a', 'b'))]
    for more in ({}, {'reason': 0}, {'reason': 0x10}, {'reason': 0, 'properties': []},
                 {'reason': 0x97, 'properties': properties}):
        publisher.publish_done(t.topic(), 'x', 1)
        client.ack(codec.PUBACK, client.expect_publish(t.topic(), 'x', 1).packet_id, **more)
        client.ping()


@case('MQTT-3.4.2-1', 'an acknowledgement with a reason code that it may not have ends it')
def reasons(t):
    for kind, codes in ((codec.PUBACK, (0x01, 0x92, 0x8E, 0xFF)), (codec.PUBREC, (0x02, 0x92)),
                        (codec.PUBREL, (0x10, 0x80)), (codec.PUBCOMP, (0x10, 0x97))):
        for code in codes:
            t.malformed(codec.ack(kind, 1, code))


@case('MQTT-2.2.2-1', 'an acknowledgement with a property that it may not have, or twice, ends it')
def properties(t):
    for kind in (codec.PUBACK, codec.PUBREC, codec.PUBREL, codec.PUBCOMP):
        t.malformed(codec.ack(kind, 1, 0, [(codec.CONTENT_TYPE, 'x')]))
        t.malformed(codec.ack(kind, 1, 0, [(codec.REASON_STRING, 'x')] * 2))
        t.malformed(codec.ack(kind, 1, 0, [(codec.REASON_STRING, b'\xff')]))


@case('MQTT-3.6.1-1 MQTT-2.1.3-1', 'acknowledgements with flags they may not have end it')
def flags(t):
    for kind, bad in ((codec.PUBREL, 0), (codec.PUBREL, 3), (codec.PUBACK, 2), (codec.PUBREC, 1),
                      (codec.PUBCOMP, 8)):
        t.malformed(codec.packet(kind, bad, codec.u16(1)))


@case('MQTT-2.2.1-3', 'acknowledgements with packet id 0, or cut short, end the connection')
def bodies(t):
    for kind, bits in ((codec.PUBACK, 0), (codec.PUBREC, 0), (codec.PUBREL, 2), (codec.PUBCOMP, 0)):
        for body in (b'', b'\0', b'\0\0', b'\0\1\0\5', b'\0\1\0\0\0'):
            t.malformed(codec.packet(kind, bits, body))


@case('MQTT-4.3.1-1', 'QoS 0 is not stored for a client that is away')
def qos_0_away(t):
    client = t.connect(properties=[(codec.SESSION_EXPIRY, 100)])
    client.subscribe([(t.topic('0'), 0), (t.topic('1'), 1)])
    client.disconnect()
    publisher = t.connect('pub')
    publisher.publish_done(t.topic('0'), 'zero', 1)
    publisher.publish_done(t.topic('1'), 'one', 1)
    t.connect(clean=False).expect_publish(t.topic('1'), 'one', 1)
