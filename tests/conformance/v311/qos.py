"""QoS flows, resending and order of MQTT 3.1.1 (§3.4 to §3.7, §4.3, §4.4, §4.6)."""
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


@case('MQTT-2.3.1-6', 'PUBACK, PUBREC, PUBCOMP carry the packet id of the PUBLISH')
def packet_ids(t):
    client = t.connect()
    for packet_id in (1, 255, 256, 32768, 65535):
        client.publish_done(t.topic(), 'x', 1, packet_id=packet_id)
        client.publish_done(t.topic(), 'x', 2, packet_id=packet_id)


@case('MQTT-4.3.2-2', 'a QoS 1 publish is delivered and acknowledged; a packet id may be used again')
def qos_1(t):
    client = t.connect()
    client.subscribe(t.topic(), 1)
    publisher = t.connect('pub')
    for text in ('a', 'b'):
        publisher.publish_done(t.topic(), text, 1, packet_id=9)
    client.expect_payloads('a', 'b')


@case('MQTT-4.3.3-2', 'a QoS 2 publish sent again before PUBREL is not delivered again')
def qos_2_once(t):
    client = t.connect()
    client.subscribe(t.topic(), 2)
    publisher = t.connect('pub')
    for dup in (False, True, True):
        publisher.publish(t.topic(), 'x', 2, packet_id=5, dup=dup)
        publisher.expect(codec.PUBREC, 5)
    publisher.ack(codec.PUBREL, 5)
    publisher.expect(codec.PUBCOMP, 5)
    publisher.publish_done(t.topic(), 'y', 2, packet_id=5)
    equal(client.expect(codec.PUBLISH).payload, b'x', 'payload')
    equal(client.expect(codec.PUBLISH).payload, b'y', 'payload')
    client.expect_nothing()


@case('MQTT-4.3.3-2', 'QoS 2 is not delivered again when it is sent again on a new connection')
def qos_2_once_across(t):
    client = t.connect()
    client.subscribe(t.topic(), 2)
    publisher = t.connect('pub', clean=False)
    publisher.publish(t.topic(), 'x', 2, packet_id=5)
    publisher.expect(codec.PUBREC, 5)
    publisher.drop()
    publisher = t.connect('pub', clean=False)
    publisher.publish(t.topic(), 'x', 2, packet_id=5, dup=True)
    publisher.expect(codec.PUBREC, 5)
    publisher.ack(codec.PUBREL, 5)
    publisher.expect(codec.PUBCOMP, 5)
    client.expect_publish(t.topic(), 'x', 2)
    client.expect_nothing()


@case('MQTT-4.3.3-2', 'PUBREL is answered with PUBCOMP, also when it comes again or unasked')
def pubrel_again(t):
    client = t.connect()
    client.publish_done(t.topic(), 'x', 2, packet_id=3)
    for packet_id in (3, 3, 77):
        client.ack(codec.PUBREL, packet_id)
        client.expect(codec.PUBCOMP, packet_id)


@case('MQTT-4.3.3-1', 'towards a subscriber QoS 2 is PUBLISH, PUBREC, PUBREL, PUBCOMP')
def qos_2_out(t):
    client = t.connect()
    client.subscribe(t.topic(), 2)
    t.connect('pub').publish_done(t.topic(), 'x', 2)
    packet_id = client.expect_publish(t.topic(), 'x', 2).packet_id
    client.ack(codec.PUBREC, packet_id)
    equal(client.expect(codec.PUBREL, packet_id).flags, 2, 'flags of PUBREL')  # [MQTT-3.6.1-1]
    client.ack(codec.PUBCOMP, packet_id)
    client.expect_nothing()


@case('MQTT-4.3.3-1', 'PUBREC that comes again is answered with PUBREL again')
def pubrec_again(t):
    client = t.connect()
    client.subscribe(t.topic(), 2)
    t.connect('pub').publish_done(t.topic(), 'x', 2)
    packet_id = client.expect_publish(t.topic(), 'x', 2).packet_id
    for _ in range(2):
        client.ack(codec.PUBREC, packet_id)
        client.expect(codec.PUBREL, packet_id)


@case('MQTT-2.3.1-4', 'packet ids in flight towards a subscriber are all different and not 0')
def unused_ids(t):
    client = t.connect()
    client.subscribe(t.topic(), 2)
    publisher = t.connect('pub')
    for number in range(50):
        publisher.publish_done(t.topic(), str(number), 1 + number % 2)
    ids = {client.expect(codec.PUBLISH).packet_id for _ in range(50)}
    check(len(ids) == 50 and 0 not in ids, f'ids: {sorted(ids)}')


@case('MQTT-2.3.1-4', 'a packet id that is not in flight, acknowledged, changes nothing')
def unknown_acks(t):
    client = t.connect()
    client.subscribe(t.topic(), 1)
    for kind in (codec.PUBACK, codec.PUBCOMP):
        client.ack(kind, 4711)
    client.publish_done(t.topic(), 'x', 1)
    client.expect_publish(t.topic(), 'x', 1)


@case('MQTT-4.4.0-1 MQTT-3.3.1-1 MQTT-2.3.1-3',
      'an unacknowledged PUBLISH is sent again on reconnect, with DUP and its packet id')
def resend_publish(t):
    for qos in (1, 2):
        client = t.connect(f'c{qos}', clean=False)
        client.subscribe(t.topic(str(qos)), qos)
        t.connect('pub').publish_done(t.topic(str(qos)), 'x', qos)
        packet_id = client.expect_publish(t.topic(str(qos)), 'x', qos).packet_id
        client.drop()
        client = t.connect(f'c{qos}', clean=False)
        again = client.expect_publish(t.topic(str(qos)), 'x', qos, dup=True)
        equal(again.packet_id, packet_id, 'packet id')
        client.expect_nothing()


@case('MQTT-4.4.0-1', 'an unacknowledged PUBREL is sent again on reconnect with its packet id')
def resend_pubrel(t):
    client = t.connect(clean=False)
    client.subscribe(t.topic(), 2)
    t.connect('pub').publish_done(t.topic(), 'x', 2)
    packet_id = client.expect_publish(t.topic(), 'x', 2).packet_id
    client.ack(codec.PUBREC, packet_id)
    client.expect(codec.PUBREL, packet_id)
    client.drop()
    client = t.connect(clean=False)
    client.expect(codec.PUBREL, packet_id)
    client.ack(codec.PUBCOMP, packet_id)
    client.drop()
    client = t.connect(clean=False)
    client.expect_nothing()


@case('MQTT-4.4.0-1', 'what was acknowledged is not sent again')
def no_resend(t):
    client = t.connect(clean=False)
    client.subscribe(t.topic(), 1)
    t.connect('pub').publish_done(t.topic(), 'x', 1)
    client.expect_payloads('x')
    client.ping()
    client.drop()
    t.connect(clean=False).expect_nothing()


@case('MQTT-4.6.0-6', 'the order of one publisher on one topic is kept at every QoS')
def order(t):
    for qos in (0, 1, 2):
        client = t.connect(f'sub{qos}')
        client.subscribe(t.topic(str(qos)), qos)
        publisher = t.connect(f'pub{qos}')
        publisher.send(b''.join(codec.publish(4, t.topic(str(qos)), str(n), qos, n + 1)
                                for n in range(90)))
        equal([client.expect(codec.PUBLISH).payload for _ in range(90)],
              [str(n).encode() for n in range(90)], f'order at QoS {qos}')


@case('MQTT-4.6.0-6', 'messages are sent again in the order in which they were sent first')
def order_resent(t):
    client = t.connect(clean=False)
    client.subscribe(t.topic(), 1)
    publisher = t.connect('pub')
    for n in range(10):
        publisher.publish_done(t.topic(), str(n), 1)
    for _ in range(10):
        client.expect(codec.PUBLISH)
    client.drop()
    t.connect(clean=False).expect_payloads(*map(str, range(10)))


@case('MQTT-4.6.0-6', 'PUBACKs come in the order of the publishes')
def order_pubacks(t):
    client = t.connect()
    ids = list(range(1, 200, 3))
    client.send(b''.join(codec.publish(4, t.topic(), 'x', 1, n) for n in ids))
    equal([client.expect(codec.PUBACK).packet_id for _ in ids], ids, 'packet ids')


@case('MQTT-4.6.0-6', 'a subscriber with QoS 1 and a full window gets the rest as it acknowledges')
def window(t):
    client = t.connect()
    client.subscribe(t.topic(), 1)
    publisher = t.connect('pub')
    publisher.send(b''.join(codec.publish(4, t.topic(), str(n), 1, n + 1) for n in range(400)))
    client.expect_payloads(*map(str, range(400)))


@case('MQTT-3.8.4-6', 'what is delivered has the lower of the granted and the published QoS')
def qos_of_delivery(t):
    for granted in (0, 1, 2):
        client = t.connect(f'sub{granted}')
        client.subscribe(t.topic(), granted)
        for published in (0, 1, 2):
            t.connect('pub').publish_done(t.topic(), 'x', published)
            client.expect_publish(t.topic(), 'x', min(granted, published))


@case('MQTT-3.6.1-1', 'PUBREL with other flags than 2 ends the connection')
def pubrel_flags(t):
    for flags in (0, 1, 3, 10):
        t.malformed(codec.packet(codec.PUBREL, flags, codec.u16(1)))


@case('MQTT-2.2.2-2', 'PUBACK, PUBREC, PUBCOMP with flags end the connection')
def ack_flags(t):
    for kind in (codec.PUBACK, codec.PUBREC, codec.PUBCOMP):
        t.malformed(codec.packet(kind, 2, codec.u16(1)))


@case('MQTT-2.3.1-6', 'acknowledgements without, with half or with too long a packet id end it')
def ack_bodies(t):
    for kind, flags in ((codec.PUBACK, 0), (codec.PUBREC, 0), (codec.PUBREL, 2),
                        (codec.PUBCOMP, 0)):
        for body in (b'', b'\0', b'\0\1\0'):
            t.malformed(codec.packet(kind, flags, body))
