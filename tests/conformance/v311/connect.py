"""CONNECT, CONNACK, PINGREQ, DISCONNECT of MQTT 3.1.1 (§3.1, §3.2, §3.12, §3.14)."""
import time

import codec
from suite import Will, case, check, equal


@case('MQTT-3.1.0-1', 'the first packet is CONNECT; another one ends the connection')
def first_packet(t):
    for raw in (codec.packet(codec.PINGREQ), codec.publish(4, t.topic(), 'x'),
                codec.subscribe(4, [(t.topic(), 0)]), codec.disconnect(4)):
        client = t.client()
        client.send(raw)
        client.expect_closed()


@case('MQTT-3.1.0-2', 'a second CONNECT ends the connection')
def second_connect(t):
    t.malformed(codec.connect(t.id('again')))


@case('MQTT-3.1.2-1', 'another protocol name ends the connection')
def protocol_name(t):
    for protocol in ('MQTt', 'mqtt', 'MQTTT', 'HTTP', 'MQ'):
        t.offer(protocol=protocol).expect_closed()


@case('MQTT-3.1.2-2', 'a protocol level that is not served is answered with code 1 and closed')
def protocol_level(t):
    for level in (0, 1, 2, 3, 6, 0x7F, 0x84):
        t.refused(1, level=level)


@case('MQTT-3.1.2-2', 'level 3 with the name MQIsdp is MQTT 3.1 and served')
def version_31(t):
    client = t.connect(version=3)
    equal(client.subscribe(t.topic(), 1), [1], 'SUBACK')
    client.publish_done(t.topic(), 'x', 1)
    client.expect_publish(t.topic(), 'x', 1)


@case('MQTT-3.1.2-3', 'the reserved connect flag must be 0')
def reserved_flag(t):
    t.offer(flags=0x03).expect_closed()


@case('MQTT-3.1.2-4', 'clean session 0 goes on with the stored session')
def session_resumed(t):
    t.connect(clean=False).subscribe(t.topic(), 1)
    client = t.connect(clean=False)
    equal(client.connack.session_present, 1, 'session present')
    t.connect('pub').publish_done(t.topic(), 'x')
    client.expect_publish(t.topic(), 'x')


@case('MQTT-3.1.2-6', 'clean session 1 ends the stored session and leaves none')
def session_clean(t):
    t.connect(clean=False).subscribe(t.topic(), 1)
    client = t.connect(clean=True)
    t.connect('pub').publish_done(t.topic(), 'x')
    client.expect_nothing()
    client.subscribe(t.topic(), 1)
    client.disconnect()
    equal(t.connect(clean=False).connack.session_present, 0, 'session present')


@case('MQTT-3.1.2-9', 'with the will flag, will topic and message must be there')
def will_fields(t):
    for flags in (0x06, 0x0E, 0x26):
        t.offer(flags=flags).expect_closed()


@case('MQTT-3.1.2-11', 'without the will flag, will QoS, will retain and the fields must be absent')
def no_will_fields(t):
    t.offer(flags=0x02, will=Will(t.topic(), 'x')).expect_closed()


@case('MQTT-3.1.2-13', 'without the will flag the will QoS must be 0')
def no_will_qos(t):
    for flags in (0x0A, 0x12):
        t.offer(flags=flags).expect_closed()


@case('MQTT-3.1.2-14', 'will QoS 3 ends the connection')
def will_qos_3(t):
    t.offer(flags=0x1E, will=Will(t.topic(), 'x')).expect_closed()


@case('MQTT-3.1.2-15', 'without the will flag will retain must be 0')
def no_will_retain(t):
    t.offer(flags=0x22).expect_closed()


@case('MQTT-3.1.2-18 MQTT-3.1.2-19', 'a user name is there exactly when its flag says so')
def username_flag(t):
    t.connect('with', username='someone')
    t.offer('flag', flags=0x82).expect_closed()
    t.offer('field', flags=0x02, username='someone').expect_closed()


@case('MQTT-3.1.2-20 MQTT-3.1.2-21', 'a password is there exactly when its flag says so')
def password_flag(t):
    t.connect('with', username='someone', password=b'\x00\xff')
    t.offer('flag', flags=0xC2, username='someone').expect_closed()
    t.offer('field', flags=0x82, username='someone', password='x').expect_closed()


@case('MQTT-3.1.2-22', 'a password without a user name ends the connection')
def password_alone(t):
    t.offer(password='x').expect_closed()


@case('MQTT-3.1.3-1', 'the payload is client id, will topic, will message, user name, password')
def payload_order(t):
    watcher = t.connect('watcher')
    watcher.subscribe(t.topic(), 0)
    client = t.connect(will=Will(t.topic(), 'gone'), username='u', password='p')
    client.drop()
    watcher.expect_publish(t.topic(), 'gone')


@case('MQTT-3.1.3-2', 'the client id names the session')
def client_id_names_session(t):
    t.connect('a', clean=False)
    equal(t.connect('b', clean=False).connack.session_present, 0, 'session present of another id')
    equal(t.connect('a', clean=False).connack.session_present, 1, 'session present of the same id')


@case('MQTT-3.1.3-3', 'the client id must be there')
def client_id_present(t):
    client = t.client()
    client.send(codec.packet(codec.CONNECT, 0, codec.data('MQTT') + b'\x04\x02' + codec.u16(60)))
    client.expect_closed()


@case('MQTT-3.1.3-4', 'a client id that is not UTF-8 ends the connection')
def client_id_utf8(t):
    for name in (b'\xff', b'a\x00b', b'\xed\xa0\x80', b'\xc0\xaf'):
        t.offer(client_id=name).expect_closed()


@case('MQTT-3.1.3-5', 'client ids of 1 to 23 letters and digits are taken')
def client_id_alphabet(t):
    for name in ('Z', '0123456789abcdefghijklm', 'nopqrstuvwxyzABCDEFGHIJ', 'KLMNOPQRSTUVWXYZ'):
        t.connect(client_id=name).disconnect()


@case('MQTT-3.1.3-5', 'longer ids, and ids of other characters, are taken as well')
def client_id_other(t):
    for name in ('x' * 200, 'with space/and:sign', 'Gerät-№5'):
        t.connect(client_id=name).disconnect()


@case('MQTT-3.1.3-6', 'an empty client id with clean session 1 gets one of its own')
def client_id_empty(t):
    first, second = t.connect(client_id=''), t.connect(client_id='')
    first.ping()
    second.ping()


@case('MQTT-3.1.3-7 MQTT-3.1.3-8', 'an empty client id with clean session 0 is answered with code 2')
def client_id_empty_session(t):
    t.refused(2, client_id='', clean=False)


@case('MQTT-3.1.3-9', 'a client id that is refused is answered with code 2')
def client_id_refused(t):
    t.refused(2, client_id='x' * 5000)


@case('MQTT-3.1.3-10', 'a will topic that is not UTF-8 ends the connection')
def will_topic_utf8(t):
    for topic in (b'\xff', b'a\x00', b'\xed\xb0\x80'):
        t.offer(will=Will(topic, 'x')).expect_closed()


@case('MQTT-4.7.1-1', 'a will topic with wildcards, or an empty one, ends the connection')
def will_topic_wildcards(t):
    for topic in ('a/#', '+', ''):
        t.offer(will=Will(topic, 'x')).expect_closed()


@case('MQTT-3.1.3-11', 'a user name that is not UTF-8 ends the connection')
def username_utf8(t):
    t.offer(username=b'\xc3\x28').expect_closed()


@case('MQTT-3.1.4-1', 'a CONNECT that breaks the rules is closed without CONNACK')
def no_connack(t):
    body = codec.connect(t.id())[2:]
    for bad in (codec.packet(codec.CONNECT), codec.packet(codec.CONNECT, 0, body[:-1]),
                codec.packet(codec.CONNECT, 0, body + b'\0'), codec.packet(codec.CONNECT, 1, body)):
        client = t.client()
        client.send(bad)
        client.expect_closed()


@case('MQTT-3.1.4-2', 'a client id in use: the older connection is ended')
def take_over(t):
    older = t.connect()
    newer = t.connect()
    older.expect_closed()
    newer.ping()


@case('MQTT-3.1.4-4 MQTT-3.2.0-1', 'CONNECT is answered with CONNACK, code 0, before anything else')
def connack_first(t):
    first = t.connect(clean=False)
    first.subscribe(t.topic(), 1)
    first.drop()
    t.connect('pub').publish_done(t.topic(), 'x', 1)
    again = t.offer(clean=False)
    again.expect(codec.CONNACK)
    again.expect_publish(t.topic(), 'x', 1)


@case('MQTT-3.1.4-5', 'what follows a CONNECT that is refused is not handled')
def nothing_after_refusal(t):
    watcher = t.connect('watcher')
    watcher.subscribe(t.topic(), 0)
    client = t.client()
    client.send(codec.connect('', clean=False) + codec.publish(4, t.topic(), 'x'))
    client.expect(codec.CONNACK)
    client.expect_closed()
    watcher.expect_nothing()


@case('MQTT-3.1.4-4', 'packets sent right behind CONNECT are handled')
def pipelined(t):
    client = t.client()
    client.send(codec.connect(t.id()) + codec.subscribe(4, [(t.topic(), 0)], 1) +
                codec.publish(4, t.topic(), 'x'))
    client.expect(codec.CONNACK)
    client.expect(codec.SUBACK, 1)
    client.expect_publish(t.topic(), 'x')


@case('MQTT-3.2.2-1', 'clean session 1: session present is 0')
def session_present_clean(t):
    t.connect(clean=False).disconnect()
    equal(t.connect(clean=True).connack.session_present, 0, 'session present')


@case('MQTT-3.2.2-2', 'clean session 0 with a stored session: session present is 1')
def session_present(t):
    t.connect(clean=False).disconnect()
    equal(t.connect(clean=False).connack.session_present, 1, 'session present')


@case('MQTT-3.2.2-3', 'clean session 0 without a stored session: session present is 0')
def session_present_new(t):
    equal(t.connect(clean=False).connack.session_present, 0, 'session present')


@case('MQTT-3.2.2-4 MQTT-3.2.2-5', 'a refusal has session present 0 and ends the connection')
def refusal(t):
    t.refused(2, client_id='', clean=False)


@case('MQTT-3.12.4-1', 'PINGREQ is answered with PINGRESP')
def ping(t):
    client = t.connect()
    client.send(codec.packet(codec.PINGREQ) * 3)
    for _ in range(3):
        answer = client.expect(codec.PINGRESP)
        equal((answer.flags, answer.body), (0, b''), 'flags and body')


@case('MQTT-3.14.4-3', 'after DISCONNECT the will is gone')
def disconnect_drops_will(t):
    watcher = t.connect('watcher')
    watcher.subscribe(t.topic(), 0)
    t.connect(will=Will(t.topic(), 'gone')).disconnect()
    watcher.expect_nothing()


@case('MQTT-3.14.4-1 MQTT-3.14.4-2', 'the broker closes after DISCONNECT and ignores what follows')
def after_disconnect(t):
    watcher = t.connect('watcher')
    watcher.subscribe(t.topic(), 0)
    client = t.connect()
    client.send(codec.disconnect(4) + codec.publish(4, t.topic(), 'x'))
    client.expect_closed()
    watcher.expect_nothing()


@case('MQTT-3.1.2-24', 'silence for one and a half keep-alives ends the connection', waits=True)
def keep_alive(t):
    client = t.connect(keep_alive=1)
    started = time.monotonic()
    client.expect_closed()
    waited = time.monotonic() - started
    check(1.4 <= waited <= 3.0, f'closed after {waited:.2f} s')


@case('MQTT-3.1.2-24', 'any packet counts as a sign of life', waits=True)
def keep_alive_packets(t):
    client = t.connect(keep_alive=1)
    for number in range(6):
        time.sleep(0.5)
        if number % 2:
            client.ping()
        else:
            client.publish(t.topic(), 'x')
    client.ping()


@case('MQTT-3.1.2-24', 'keep-alive 0 means that silence is allowed', waits=True)
def keep_alive_zero(t):
    client = t.connect(keep_alive=0)
    time.sleep(3.5)
    client.ping()
