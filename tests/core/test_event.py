"""Events: ids as grite computes them, and every oddity kept instead of lost."""

from __future__ import annotations

from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_session.core.wire import event as kinds
from git_session.core.wire.cbor import encode_array_header, end_of_item, split_array
from git_session.core.wire.chunk import decode_chunk, encode_chunk, hash_chunk, split_chunk
from git_session.core.wire.event import (
    Event,
    build_event,
    decode_event,
    decode_sound_event,
    hash_body,
)
from git_session.errors import WireError

ISSUE = bytes.fromhex("000102030405060708090a0b0c0d0e0f")
ACTOR = bytes.fromhex("101112131415161718191a1b1c1d1e1f")
PARENT = bytes(range(0x20, 0x40))

VECTORS: list[tuple[int, int, list[Any], bytes | None, str]] = [
    (
        0,
        1,
        ["Test", "Body", ["bug", "p0"]],
        None,
        "9c2aee7924bf7482dd3842c6ec32fd5103883b9d2354f63df2075ac61fe3d827",
    ),
    (
        0,
        2,
        ["Title 2", None],
        None,
        "5227efec6ae3d41725827edb3e62d00a595784d7adec58fb4e1b787c44c4b333",
    ),
    (
        1,
        3,
        ["Looks good"],
        PARENT,
        "fca597420160df9f7230b28384a27dc86656b206520e5c8085e78cbb02a46e27",
    ),
    (2, 4, ["bug"], None, "d742a0d9c83f17176e30511d62045686b491ddf55f8d1dfe7a74921787bdd436"),
    (3, 5, ["wip"], None, "f23e9c69c3fa4cd2889e57fe1c547630afa132052197a5fe449e6d5acf22c40c"),
    (4, 6, ["closed"], None, "839ae6d0898f48efcc7a41fdbb9631e64ba1f05a6c1725fc196971bfd1645b2b"),
    (
        5,
        7,
        ["https://example.com", "ref"],
        None,
        "b8af76be8b7a40244bb8e731130ed52969a77b87532dadf9a00a352eeb00e3b5",
    ),
    (6, 8, ["alice"], None, "42f329d826d34d425dd67080d91f6c909bc56411c9add54389fbec5d457b14e4"),
    (7, 9, ["alice"], None, "bfb0fdfed0f0ee36f31107963317dd904143f37d9ef8792f64272cf2f07f6a1e"),
    (
        8,
        10,
        ["log.txt", bytes(range(32)), "text/plain"],
        None,
        "dc83946d33437f0b73d8b04c63f7b0b85b9e9a24e790fee3ca129d3d8b870749",
    ),
]

PAYLOADS = st.one_of(
    st.tuples(st.just(1), st.tuples(st.text(), st.text(), st.lists(st.text()))),
    st.tuples(st.just(2), st.tuples(st.none() | st.text(), st.none() | st.text())),
    st.tuples(st.sampled_from([3, 4, 5, 8, 9]), st.tuples(st.text())),
    st.tuples(st.just(6), st.tuples(st.sampled_from(["open", "closed"]))),
    st.tuples(st.just(7), st.tuples(st.text(), st.none() | st.text())),
    st.tuples(st.just(10), st.tuples(st.text(), st.binary(min_size=32, max_size=32), st.text())),
    st.tuples(
        st.sampled_from([11, 12]),
        st.tuples(st.binary(min_size=16, max_size=16), st.sampled_from(kinds.DEPENDENCY_KINDS)),
    ),
    st.tuples(
        st.just(13),
        st.tuples(
            st.text(),
            st.text(),
            st.lists(
                st.tuples(st.text(), st.text(), st.integers(0, 9), st.integers(0, 9)).map(list)
            ),
            st.text(),
            st.binary(min_size=32, max_size=32),
        ),
    ),
    st.tuples(st.just(14), st.tuples(st.text(), st.text())),
).map(lambda pair: (pair[0], list(pair[1])))


def _event(kind: int = 3, payload: list[Any] | None = None, ts: int = 5, **more: Any) -> Event:
    return build_event(ISSUE, ACTOR, ts, kind, payload or ["hello"], **more)


@st.composite
def events(draw: st.DrawFn) -> Event:
    kind, payload = draw(PAYLOADS)
    parent = draw(st.none() | st.binary(min_size=32, max_size=32))
    sig = draw(st.none() | st.binary(min_size=64, max_size=64))
    ts = draw(st.integers(0, 253402300799999))
    sign = None if sig is None else lambda _: sig
    return build_event(ISSUE, ACTOR, ts, kind, payload, parent, sign)


@pytest.mark.parametrize(("second", "kind", "payload", "parent", "expected"), VECTORS)
def test_event_ids_are_the_official_vectors(
    second: int, kind: int, payload: list[Any], parent: bytes | None, expected: str
) -> None:
    event = build_event(ISSUE, ACTOR, 1_700_000_000_000 + 1000 * second, kind, payload, parent)
    assert event.event_id.hex() == expected
    assert decode_event(event.raw) == event


def test_the_preimage_of_the_first_vector_is_the_official_bytes() -> None:
    raw = _event(1, ["Test", "Body", ["bug", "p0"]], 1_700_000_000_000).raw
    assert (b"\x87\x01" + raw[35:-1]).hex() == (
        "870150000102030405060708090a0b0c0d0e0f50101112131415161718191a1b1c1d1e1f"
        "1b0000018bcfe56800f60183645465737464426f64798263627567627030"
    )


@given(events())
def test_every_event_survives_a_round_trip_by_either_reader(event: Event) -> None:
    assert decode_event(event.raw) == event
    assert decode_sound_event(event.raw) == event


@pytest.mark.parametrize("more", [b"\xf6", b"\x00\xf6", b"\x60" * 40 + b"\xf6"], ids=len)
def test_bytes_after_an_event_are_none_of_it_even_if_its_id_is_right_for_them(more: bytes) -> None:
    """Else the log would hold an event here, and a damaged chunk where it is merged."""
    sound = _event(3, ["text"])
    body = sound.raw[35:] + more[:-1]
    raw = sound.raw[:3] + hash_body(body) + body + more[-1:]
    assert decode_sound_event(raw) is None
    with pytest.raises(WireError):
        decode_event(raw)
    chunk = encode_chunk([sound.raw])
    with pytest.raises(WireError):
        decode_chunk(chunk[: -len(sound.raw)] + raw)


@given(st.lists(events(), max_size=30))
def test_a_chunk_gives_back_the_bytes_of_its_events(found: list[Event]) -> None:
    data = encode_chunk(event.raw for event in found)
    assert split_chunk(data) == [event.raw for event in found]
    assert decode_chunk(data) == (found, [])


@given(st.integers(0, 70000))
def test_array_headers_are_the_shortest(count: int) -> None:
    assert encode_array_header(count) == cbor2.dumps([0] * count)[: -count or None]


@given(st.binary(max_size=200))
def test_random_bytes_are_no_chunk_and_raise_nothing_but_wire_errors(data: bytes) -> None:
    for attempt in (data, encode_chunk([])[:-1] + data):
        try:
            decode_chunk(attempt)
        except WireError:
            continue


@given(events(), st.data())
def test_a_changed_byte_never_passes_for_the_same_event(event: Event, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(event.raw) - 1))
    changed = bytearray(event.raw)
    changed[at] ^= data.draw(st.integers(1, 255))
    try:
        found = decode_event(bytes(changed))
    except WireError:
        return
    # The signature is not part of the id; every other byte is.
    assert found.fault or (found.event_id == event.event_id and found.sig != event.sig)


def test_an_unknown_kind_keeps_its_bytes_and_its_id_is_checked() -> None:
    payload = cbor2.dumps(["new", {"in": 2027}, cbor2.CBORTag(0, "not a date")])
    body = b"".join(cbor2.dumps(x) for x in (ISSUE, ACTOR, 7, None, 99)) + payload
    raw = b"\x88" + cbor2.dumps(kinds.hash_body(body)) + body + b"\xf6"
    event = decode_event(raw)
    assert (event.fault, event.kind, event.payload, event.raw) == ("unknown_kind", 99, None, raw)
    assert split_chunk(encode_chunk([raw])) == [raw]
    forged = raw[:3] + bytes(32) + raw[35:]
    assert decode_event(forged).fault == "event_id"


def test_a_known_kind_with_a_new_payload_is_kept_apart() -> None:
    body = b"".join(cbor2.dumps(x) for x in (ISSUE, ACTOR, 7, None, 3, ["text", "new field"]))
    raw = b"\x88" + cbor2.dumps(kinds.hash_body(body)) + body + b"\xf6"
    assert decode_event(raw).fault == "unknown_payload"


def test_a_timestamp_beyond_the_year_9999_is_kept_apart() -> None:
    assert decode_event(_event(ts=253402300799999).raw).fault == ""
    assert decode_event(_event(ts=253402300800000).raw).fault == "beyond_time"
    assert decode_event(_event(ts=2**64 - 1).raw).fault == "beyond_time"


def test_an_id_is_computed_from_the_bytes_as_they_lie_there() -> None:
    # The same timestamp in a longer encoding is other bytes, so another id: never re-encode.
    body = (
        cbor2.dumps(ISSUE) + cbor2.dumps(ACTOR) + b"\x18\x05" + b"\xf6\x03" + cbor2.dumps(["hello"])
    )
    raw = b"\x88" + cbor2.dumps(kinds.hash_body(body)) + body + b"\xf6"
    assert decode_event(raw).fault == ""
    honest = _event()
    mixed = b"\x88" + cbor2.dumps(honest.event_id) + body + b"\xf6"
    assert decode_event(mixed).fault == "event_id"


def test_text_that_is_not_utf8_is_read_with_replacement_and_keeps_its_bytes() -> None:
    body = b"".join(cbor2.dumps(x) for x in (ISSUE, ACTOR, 7, None, 3)) + b"\x81\x62\xff\xfe"
    raw = b"\x88" + cbor2.dumps(kinds.hash_body(body)) + body + b"\xf6"
    event = decode_event(raw)
    assert (event.fault, event.payload) == ("", ["\ufffd\ufffd"])
    assert event.raw == raw


@pytest.mark.parametrize(
    "cbor",
    [
        b"\x9b\x10" + bytes(7),  # an array that claims 2^60 items
        b"\x81" * 10_000 + b"\x01",  # arrays nested 10,000 deep
        b"\x5b\x10" + bytes(7),  # a string that claims 2^60 bytes
        b"\xbb" + b"\xff" * 8,  # a map that claims 2^64 pairs
        b"\x9f" * 10_000,  # open arrays without an end
        b"\xff",  # a break outside anything
        b"\x1c",  # a reserved head
        b"",
    ],
)
def test_hostile_cbor_is_an_error_and_costs_nothing(cbor: bytes) -> None:
    with pytest.raises(WireError):
        end_of_item(cbor, 0)
    with pytest.raises(WireError):
        decode_chunk(encode_chunk([])[:-1] + cbor)


def test_a_bad_event_in_a_chunk_does_not_hide_its_neighbours() -> None:
    good = _event()
    short = cbor2.dumps([b"x" * 32, ISSUE])
    found, faults = decode_chunk(encode_chunk([good.raw, short, good.raw]))
    assert found == [good, good]
    assert len(faults) == 1
    assert "event 1 " in faults[0]


@pytest.mark.parametrize("cut", range(1, 30))
def test_a_truncated_chunk_is_an_error(cut: int) -> None:
    data = encode_chunk([_event().raw, _event(ts=9).raw])
    with pytest.raises(WireError):
        decode_chunk(data[:-cut])
    with pytest.raises(WireError):
        decode_chunk(data + bytes(cut))


@pytest.mark.parametrize(
    "data", [b"GRITECNK", b"GRITECNL" + bytes(20), b"GRITECNK\x02\x00\x07cbor-v1\x80"]
)
def test_another_format_is_an_error_that_says_so(data: bytes) -> None:
    with pytest.raises(WireError, match="chunk"):
        decode_chunk(data)


def test_an_open_ended_array_is_cut_like_any_other() -> None:
    items, end = split_array(b"\x9f\x01\x9f\x02\xff\x7f\x61a\xff\xff")
    assert items == [b"\x01", b"\x9f\x02\xff", b"\x7f\x61a\xff"]
    assert end == 10


def test_lone_surrogates_are_refused_before_anything_is_written() -> None:
    with pytest.raises(WireError, match="Unicode"):
        _event(3, ["\udc80"])


def test_chunk_hash_is_blake2b_256_in_hex() -> None:
    assert hash_chunk(b"") == "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8"
