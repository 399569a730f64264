import asyncio
import gzip
import zlib

import pytest

from encas.serving.http.body import BodyLimits, ClientGone, packed, read_body
from encas.serving.protocol.protocol import Refusal


def read(*messages, headers=None, limits=None):
    limits = limits or BodyLimits(max_bytes=100, max_bytes_together=150, timeout_s=30.0)
    waiting = list(messages)

    async def receive():
        if not waiting:
            await asyncio.Event().wait()
        return waiting.pop(0)

    async def all_of_it():
        with limits.lease() as lease:
            return await read_body(headers or {}, receive, limits, lease)

    return asyncio.run(all_of_it())


def part(body, more=False):
    return {"type": "http.request", "body": body, "more_body": more}


def refusal(*messages, **options):
    with pytest.raises(Refusal) as refused:
        read(*messages, **options)
    return refused.value.kind, refused.value.message


def test_parts_are_put_together():
    assert read(part(b"ab", more=True), part(b"cd")) == b"abcd"
    assert read(part(b"")) == b""


def test_declared_length_far_above_the_limit_is_refused_unread():
    kind, message = refusal(headers={b"content-length": b"201"})
    assert (kind, message) == ("too_large", "a request has at most 100 bytes")


@pytest.mark.parametrize("length", [b"abc", b"-1", b""])
def test_length_that_is_no_number_is_refused(length):
    assert refusal(headers={b"content-length": length})[0] == "too_large"


def test_body_above_the_limit_is_read_on_for_a_while_and_refused():
    parts = [part(b"x" * 60, more=True)] * 2
    assert refusal(*parts, part(b""))[0] == "too_large"
    assert refusal(*parts, *parts, *parts)[0] == "too_large"


def test_body_that_stops_is_refused_when_the_time_is_up():
    limits = BodyLimits(max_bytes=100, max_bytes_together=150, timeout_s=0.01)
    kind, message = refusal(part(b"x", more=True), limits=limits)
    assert (kind, message) == ("too_slow", "the body took over 0.01 s")


def test_client_that_hangs_up_is_no_error_of_ours():
    with pytest.raises(ClientGone):
        read(part(b"x", more=True), {"type": "http.disconnect"})


def test_bodies_together_have_a_limit_and_give_their_room_back():
    limits = BodyLimits(max_bytes=100, max_bytes_together=150, timeout_s=30.0)
    with limits.lease() as other:
        assert other.add(b"x" * 90)
        assert refusal(part(b"y" * 80), limits=limits)[0] == "exhausted"
        assert read(part(b"y" * 60), limits=limits) == b"y" * 60
    assert read(part(b"y" * 80), limits=limits) == b"y" * 80


@pytest.mark.parametrize(("name", "pack"), [(b"gzip", gzip.compress), (b"deflate", zlib.compress)])
def test_packed_body_is_unpacked(name, pack):
    assert read(part(pack(b"a" * 90)), headers={b"content-encoding": name}) == b"a" * 90


@pytest.mark.parametrize(
    ("encoding", "body", "fault"),
    [
        (b"br", b"x", "cannot read the content encoding 'br'"),
        (b"gzip", b"nonsense", "not packed with gzip"),
        (b"gzip", gzip.compress(b"a" * 50)[:-9], "one whole gzip stream"),
        (b"gzip", gzip.compress(b"a") + b"more", "one whole gzip stream"),
    ],
)
def test_body_that_is_not_packed_as_it_says_is_refused(encoding, body, fault):
    kind, message = refusal(part(body), headers={b"content-encoding": encoding})
    assert (kind, fault in message) == ("invalid", True)


def test_bomb_is_refused_before_it_goes_off():
    bomb = gzip.compress(b"\0" * 10_000_000)[:100]
    kind, message = refusal(part(bomb), headers={b"content-encoding": b"gzip"})
    assert (kind, "at most 100 bytes unpacked" in message) == ("too_large", True)


@pytest.mark.parametrize(
    ("accepted", "name"),
    [
        ("gzip", "gzip"),
        ("br, deflate;q=0.5", "deflate"),
        ("gzip;q=0, identity", None),
        ("", None),
        ("br", None),
    ],
)
def test_answer_is_packed_as_it_is_wished(accepted, name):
    body = b"a" * 5000
    content, found = packed(body, accepted)
    assert found == name
    unpack = {"gzip": gzip.decompress, "deflate": zlib.decompress, None: bytes}[name]
    assert unpack(content) == body


def test_small_answer_is_not_packed():
    assert packed(b"a" * 100, "gzip") == (b"a" * 100, None)
