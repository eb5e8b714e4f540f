"""Sessions, wills, DISCONNECT of MQTT 5 (§3.1.2.11, §3.1.3.2, §3.14, §4.1)."""
import time

import codec
from suite import Will, case, check, equal


def lasting(seconds=100):
    return [(codec.SESSION_EXPIRY, seconds)]


@case('MQTT-3.1.2-23 MQTT-4.1.0-1', 'a session with an expiry holds subscriptions and messages')
def stored(t):
    client = t.connect(properties=lasting())
    client.subscribe([(t.topic('1'), 1), (t.topic('2'), 2)])
    client.disconnect()
    publisher = t.connect('pub')
    for n in range(5):
        publisher.publish_done(t.topic('1'), f'one {n}', 1)
        publisher.publish_done(t.topic('2'), f'two {n}', 2)
    client = t.connect(clean=False)
    found = [(p.payload.decode(), p.qos) for p in (client.expect(codec.PUBLISH) for _ in range(10))]
    equal(found, [x for n in range(5) for x in ((f'one {n}', 1), (f'two {n}', 2))], 'messages')


@case('MQTT-3.1.2-23', 'without an expiry, or with 0, the session ends with its connection')
def not_stored(t):
    for name, properties in (('a', []), ('b', lasting(0))):
        client = t.connect(name, properties=properties)
        client.subscribe(t.topic(), 1)
        client.drop()
        equal(t.connect(name, clean=False).connack.session_present, 0, 'session present')


@case('MQTT-3.1.2-23', 'a session ends when its expiry has passed, not before', waits=True)
def expires(t):
    t.connect('short', properties=lasting(1)).drop()
    t.connect('long', properties=lasting(4)).drop()
    time.sleep(2.5)
    equal(t.connect('short', clean=False).connack.session_present, 0, 'session present')
    equal(t.connect('long', clean=False).connack.session_present, 1, 'session present')


@case('MQTT-3.1.2-23', 'an expiry that is cut is named in CONNACK')
def expiry_cut(t):
    given = t.connect(properties=lasting(0xFFFFFFFF)).connack.get(codec.SESSION_EXPIRY)
    check(given is not None and given > 3600, f'session expiry {given}')
    equal(t.connect('b', properties=lasting(60)).connack.get(codec.SESSION_EXPIRY), None,
          'session expiry')


@case('MQTT-3.14.2-1', 'DISCONNECT may change the expiry')
def disconnect_expiry(t):
    client = t.connect(properties=lasting())
    client.disconnect(0, lasting(0))
    equal(t.connect(clean=False, properties=lasting(1)).connack.session_present, 0,
          'session present')
    t.connect('b', properties=lasting(1)).disconnect(0, lasting(100))
    equal(t.connect('b', clean=False).connack.session_present, 1, 'session present')


@case('MQTT-3.14.2-2', 'an expiry of 0 in CONNECT may not be changed by DISCONNECT')
def disconnect_prolongs(t):
    client = t.connect()
    client.send(codec.disconnect(5, 0, lasting(5)))
    client.expect_end(0x82)


@case('MQTT-3.1.4-3', 'a session that is taken over goes on where it was, in order')
def take_over(t):
    older = t.connect(properties=lasting())
    older.subscribe(t.topic(), 1)
    publisher = t.connect('pub')
    for n in range(20):
        publisher.publish_done(t.topic(), str(n), 1)
    newer = t.connect(clean=False)
    equal(newer.connack.session_present, 1, 'session present')
    newer.expect_payloads(*map(str, range(20)))


@case('MQTT-4.1.0-1', 'a session may go on at another version of the protocol')
def across_versions(t):
    client = t.connect(properties=lasting())
    client.subscribe(t.topic(), 1)
    client.disconnect()
    t.connect('pub').publish_done(t.topic(), 'x', 1,
                                  properties=[(codec.CONTENT_TYPE, 'text/plain')])
    client = t.connect(version=4, clean=False)
    equal(client.connack.session_present, 1, 'session present')
    client.expect_payloads('x')
    client.disconnect()
    t.connect('pub').publish_done(t.topic(), 'y', 1)
    t.connect(clean=False).expect_payloads('y')


@case('MQTT-3.1.2-8', 'the will is published when the connection ends without DISCONNECT')
def will(t):
    watcher = t.connect('watcher')
    watcher.subscribe(t.topic(), 2)
    for qos in (0, 1, 2):
        t.connect(will=Will(t.topic(), 'gone', qos)).drop()
        watcher.expect_publish(t.topic(), 'gone', qos)


@case('MQTT-3.1.2-8 MQTT-3.14.4-3', 'DISCONNECT 0 drops the will')
def will_dropped(t):
    watcher = t.connect('watcher')
    watcher.subscribe(t.topic(), 0)
    t.connect(will=Will(t.topic(), 'gone')).disconnect()
    t.connect(will=Will(t.topic(), 'gone')).disconnect(0)
    watcher.expect_nothing()


@case('MQTT-3.1.2-8', 'DISCONNECT 0x04 asks for the will')
def will_asked_for(t):
    watcher = t.connect('watcher')
    watcher.subscribe(t.topic(), 0)
    t.connect(will=Will(t.topic(), 'gone')).disconnect(4)
    watcher.expect_publish(t.topic(), 'gone')


@case('MQTT-3.1.2-8', 'any reason of DISCONNECT but 0 leaves the will in force')
def will_other_reason(t):
    watcher = t.connect('watcher')
    watcher.subscribe(t.topic(), 0)
    t.connect(will=Will(t.topic(), 'gone')).disconnect(0x80)
    watcher.expect_publish(t.topic(), 'gone')


@case('MQTT-3.1.2-10', 'a will is published once')
def will_once(t):
    watcher = t.connect('watcher')
    watcher.subscribe(t.topic(), 0)
    t.connect(properties=lasting(), will=Will(t.topic(), 'gone')).drop()
    watcher.expect_publish(t.topic(), 'gone')
    t.connect(clean=False).drop()
    watcher.expect_nothing()


@case('MQTT-3.1.2-14 MQTT-3.1.2-15', 'a will is retained when will retain says so')
def will_retained(t):
    watcher = t.connect('watcher')
    watcher.subscribe(t.topic('+'), 0)
    for name, retain in (('no', False), ('yes', True)):
        t.connect(will=Will(t.topic(name), 'gone', retain=retain)).drop()
        watcher.expect_publish(t.topic(name), 'gone')
    late = t.connect('late')
    late.subscribe(t.topic('+'), 0)
    late.expect_publish(t.topic('yes'), 'gone', retain=True)
    late.expect_nothing()


@case('MQTT-3.1.3-10', 'the properties of a will are passed on in order, will delay is not')
def will_properties(t):
    watcher = t.connect('watcher')
    watcher.subscribe(t.topic(), 1)
    wanted = [(codec.PAYLOAD_FORMAT, 1), (codec.CONTENT_TYPE, 'text/plain'),
              (codec.RESPONSE_TOPIC, 'r'), (codec.CORRELATION_DATA, b'\0\1'),
              (codec.USER_PROPERTY, ('b', '1')), (codec.USER_PROPERTY, ('a', '2')),
              (codec.USER_PROPERTY, ('b', '1'))]
    t.connect(will=Will(t.topic(), 'gone', 1, properties=[(codec.WILL_DELAY, 0)] + wanted)).drop()
    equal(watcher.expect_publish(t.topic(), 'gone', 1).properties, wanted, 'properties')


@case('MQTT-3.1.3-10', 'the message expiry of a will counts from its publication')
def will_expiry(t):
    watcher = t.connect('watcher')
    watcher.subscribe(t.topic(), 1)
    t.connect(will=Will(t.topic(), 'gone', 1, properties=[(codec.MESSAGE_EXPIRY, 50)])).drop()
    equal(watcher.expect_publish(t.topic(), 'gone', 1).get(codec.MESSAGE_EXPIRY), 50, 'expiry')


@case('MQTT-3.1.3-9', 'a will with a delay waits for it', waits=True)
def will_delay(t):
    watcher = t.connect('watcher')
    watcher.subscribe(t.topic(), 0)
    client = t.connect(properties=lasting(),
                       will=Will(t.topic(), 'gone', properties=[(codec.WILL_DELAY, 1)]))
    started = time.monotonic()
    client.drop()
    watcher.expect_publish(t.topic(), 'gone')
    waited = time.monotonic() - started
    check(0.9 <= waited <= 2.5, f'published after {waited:.2f} s')


@case('MQTT-3.1.3-9', 'a will with a delay is not published when the client is back in time',
      waits=True)
def will_delay_back(t):
    watcher = t.connect('watcher')
    watcher.subscribe(t.topic(), 0)
    t.connect(properties=lasting(),
              will=Will(t.topic(), 'gone', properties=[(codec.WILL_DELAY, 2)])).drop()
    t.connect(clean=False)
    time.sleep(3)
    watcher.expect_nothing()


@case('MQTT-3.1.3-9', 'a delay longer than the session ends with it', waits=True)
def will_delay_session(t):
    watcher = t.connect('watcher')
    watcher.subscribe(t.topic(), 0)
    will_of_long_delay = Will(t.topic(), 'gone', properties=[(codec.WILL_DELAY, 100)])
    t.connect('a', will=will_of_long_delay).drop()  # a session that ends at once
    watcher.expect_publish(t.topic(), 'gone')
    t.connect('b', properties=lasting(1), will=will_of_long_delay).drop()
    watcher.expect_publish(t.topic(), 'gone')


@case('MQTT-3.1.3-9', 'a delayed will is published when a clean start ends its session')
def will_delay_clean_start(t):
    watcher = t.connect('watcher')
    watcher.subscribe(t.topic(), 0)
    t.connect(properties=lasting(),
              will=Will(t.topic(), 'gone', properties=[(codec.WILL_DELAY, 100)])).drop()
    t.connect(clean=True)
    watcher.expect_publish(t.topic(), 'gone')


@case('MQTT-3.1.3-9', 'take-over: a will without delay is published, one with a delay is not')
def will_take_over(t):
    watcher = t.connect('watcher')
    watcher.subscribe(t.topic('+'), 0)
    t.connect('a', properties=lasting(), will=Will(t.topic('a'), 'gone'))
    t.connect('a', clean=False)
    watcher.expect_publish(t.topic('a'), 'gone')
    t.connect('b', properties=lasting(),
              will=Will(t.topic('b'), 'gone', properties=[(codec.WILL_DELAY, 100)]))
    t.connect('b', clean=False)
    watcher.expect_nothing()


@case('MQTT-3.14.1-1', 'DISCONNECT with flags is malformed')
def disconnect_flags(t):
    for bad in (1, 2, 8):
        t.malformed(codec.packet(codec.DISCONNECT, bad), 0x81)


@case('MQTT-3.14.2-1', 'DISCONNECT with a reason code it may not have ends with a reason')
def disconnect_reason(t):
    for code in (0x01, 0x10, 0x85, 0xFF):
        t.malformed(codec.packet(codec.DISCONNECT, 0, bytes([code])))


@case('MQTT-3.14.2-1', 'DISCONNECT may leave out reason and properties, or have them')
def disconnect_forms(t):
    properties = [(codec.REASON_STRING, 'tired'), (codec.USER_PROPERTY, ('a', 'b'))]
    for more in ((), (0,), (0, []), (0, properties)):
        t.connect().disconnect(*more)


@case('MQTT-2.2.2-1', 'DISCONNECT with a property it may not have, or cut short, ends with a reason')
def disconnect_properties(t):
    t.malformed(codec.disconnect(5, 0, [(codec.CONTENT_TYPE, 'x')]))
    t.malformed(codec.disconnect(5, 0, lasting() * 2))
    t.malformed(codec.packet(codec.DISCONNECT, 0, b'\0\5'))
    t.malformed(codec.packet(codec.DISCONNECT, 0, b'\0\0\0'))


@case('MQTT-3.14.4-1 MQTT-3.14.4-2', 'the broker closes after DISCONNECT and ignores what follows')
def after_disconnect(t):
    watcher = t.connect('watcher')
    watcher.subscribe(t.topic(), 0)
    client = t.connect()
    client.send(codec.disconnect(5) + codec.publish(5, t.topic(), 'x'))
    client.expect_closed()
    watcher.expect_nothing()


@case('MQTT-3.14.2-3', 'a DISCONNECT of the server has no session expiry')
def server_disconnect(t):
    client = t.connect()
    t.connect()
    packet = client.expect(codec.DISCONNECT)
    equal(packet.get(codec.SESSION_EXPIRY), None, 'session expiry')


@case('MQTT-3.14.0-1', 'the server sends no DISCONNECT to who has not been accepted')
def no_disconnect_before(t):
    client = t.client()
    client.send(codec.packet(codec.PINGREQ))
    client.expect_closed()
    client = t.offer(flags=0x03)
    equal(client.expect(codec.CONNACK).code, 0x81, 'code')
    client.expect_closed()
