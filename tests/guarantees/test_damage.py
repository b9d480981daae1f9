"""Whatever happens to the bytes of a log, it is noticed, and what is sound is read."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from git_session.core.wire.chunk import decode_chunk
from git_session.core.wire.event import Event
from git_session.errors import TooLargeError, WireError
from git_session.git.cat_file import CatFile
from git_session.git.repository.object_files import decode_loose
from git_session.git.repository.objects import ObjectStore
from git_session.health import fsck
from git_session.log.actors.trust import read_trusted_keys
from tests.conftest import git
from tests.support.damage import (
    Bits,
    Specimen,
    Workshop,
    flip,
    flips,
    judge,
    loose_files,
    make_specimen,
    oid_of,
    read_object,
    replace,
    write_object,
)
from tests.support.figures import Figures

SAMPLE: Final = Bits(0, 97)
"""What the quick tests take: 97 has no part in 8, so each place in a byte has its turn."""

every_bit = pytest.mark.parametrize(
    "bits",
    [
        pytest.param(SAMPLE, id="sample"),
        *(pytest.param(Bits(n, 8), id=f"bit {n}", marks=pytest.mark.exhaustive) for n in range(8)),
    ],
)
every_length = pytest.mark.parametrize(
    "step", [pytest.param(29, id="sample"), pytest.param(1, id="all", marks=pytest.mark.exhaustive)]
)


@pytest.fixture
def specimen(bare: Path, little_memory: None, monkeypatch: pytest.MonkeyPatch) -> Specimen:
    made = make_specimen(bare)
    # They are the same in thousands of cases, and asking git for them takes longer than the rest.
    keys = read_trusted_keys(ObjectStore.open(bare))
    monkeypatch.setattr(fsck, "read_trusted_keys", lambda _: keys)
    assert judge(made, made.commits) == "harmless"
    return made


def add(figures: Figures, what: str, counts: Counter[str]) -> None:
    """Adds how many cases were tried, and how many changed the meaning: judge() saw them found."""
    figures.add(f"damage: {what}", counts.total())
    figures.add("damage: changes of meaning, all found", counts["found"] + counts["head lost"])


# -- in the files that git keeps objects in


@every_bit
def test_a_flipped_bit_in_an_objects_file_is_noticed_or_changes_nothing(
    specimen: Specimen, figures: Figures, bits: Bits
) -> None:
    """What the store makes of the file is all that anybody sees of it: each outcome is judged."""
    counts: Counter[str] = Counter()
    for file in loose_files(specimen.path):
        data, sound = file.read_bytes(), read_object(specimen.path, oid_of(file))
        lost = b""
        for damaged in flips(data, bits):
            found = decode_loose(damaged, oid_of(file))
            assert found in (None, sound)
            counts["lost" if found is None else "harmless"] += 1
            lost = damaged if found is None else lost
        replace(file, lost)
        assert judge(specimen, specimen.commits) in ("found", "head lost", "harmless")
        replace(file, data)
    add(figures, "bits flipped in files of objects", counts)
    assert counts["lost"] > 20 * counts["harmless"]


def test_each_object_that_is_lost_is_found_out_and_the_rest_is_read(
    specimen: Specimen, figures: Figures
) -> None:
    """Only the empty merge's and the side's own are not needed: their event stands twice."""
    counts: Counter[str] = Counter()
    for by_git in (False, True):
        for file in loose_files(specimen.path):
            data = file.read_bytes()
            for damaged in (data[: len(data) // 2], b"", flip(data, 16)):
                replace(file, damaged)
                counts[judge(specimen, specimen.commits, by_git=by_git)] += 1
                replace(file, data)
    add(figures, "objects lost, each in three ways", counts)
    assert counts["found"] > counts["harmless"] > 0
    assert counts["head lost"] == 6


@every_length
def test_an_objects_file_cut_short_at_any_length_is_noticed(
    specimen: Specimen, figures: Figures, step: int
) -> None:
    counts: Counter[str] = Counter()
    for file in loose_files(specimen.path):
        data = file.read_bytes()
        for length in range(0, len(data), step):
            assert decode_loose(data[:length], oid_of(file)) is None
            counts["lost"] += 1
    add(figures, "lengths that files of objects were cut to", counts)


def test_data_that_goes_on_past_its_end_holds_nobody_up(specimen: Specimen) -> None:
    """Without the bit that ends the compressed data, libgit2 waits for the end for ever."""
    for number, file in enumerate(loose_files(specimen.path)):
        replace(file, flip(file.read_bytes(), 16))
        assert decode_loose(file.read_bytes(), oid_of(file)) is None
        assert number < 100
    assert judge(specimen, specimen.commits) == "head lost"
    assert judge(specimen, specimen.commits, by_git=True) == "head lost"
    store = ObjectStore.open(specimen.path)
    assert not store.is_ancestor(specimen.commits[0], specimen.commits[-1])


@pytest.mark.parametrize("claimed", [10**12, (1 << 30) - 1])
def test_what_claims_to_be_larger_than_it_is_takes_no_memory_for_it(
    bare: Path, little_memory: None, claimed: int
) -> None:
    oid = "1" * 40
    file = bare / "objects" / oid[:2] / oid[2:]
    file.parent.mkdir()
    file.write_bytes(zlib.compress(b"blob %d\0little" % claimed))
    with pytest.raises(TooLargeError):
        CatFile(bare).read(oid)
    assert decode_loose(file.read_bytes(), oid) is None


@every_bit
def test_an_object_that_is_not_what_its_id_says_is_noticed(
    specimen: Specimen, figures: Figures, bits: Bits
) -> None:
    """Damage from before git compressed it. git itself believes these, and reads short logs."""
    counts: Counter[str] = Counter()
    for file in loose_files(specimen.path):
        data, (kind, content) = file.read_bytes(), read_object(specimen.path, oid_of(file))
        for number, damaged in enumerate(flips(content, bits)):
            write_object(specimen.path, kind, damaged, oid_of(file))
            assert decode_loose(file.read_bytes(), oid_of(file)) is None
            counts["lost"] += 1
            if number % 40 == 0:
                assert judge(specimen, specimen.commits, by_git=True)
        replace(file, data)
    add(figures, "bits flipped in objects that keep their id", counts)


@pytest.fixture
def packed(specimen: Specimen) -> Specimen:
    git(specimen.path, "repack", "-adfq")
    git(specimen.path, "prune-packed", "--quiet")
    return specimen


def pack_file(specimen: Specimen, suffix: str) -> Path:
    (file,) = (specimen.path / "objects" / "pack").glob(f"pack-*{suffix}")
    return file


@pytest.mark.parametrize("suffix", [".pack", ".idx"])
@every_bit
def test_a_flipped_bit_in_a_pack_is_noticed_or_changes_nothing(
    packed: Specimen, figures: Figures, suffix: str, bits: Bits
) -> None:
    file = pack_file(packed, suffix)
    data, counts = file.read_bytes(), Counter[str]()
    for damaged in flips(data, bits):
        replace(file, damaged)
        counts[judge(packed, packed.commits)] += 1
    add(figures, f"bits flipped in a {suffix}", counts)


@pytest.mark.parametrize("suffix", [".pack", ".idx"])
@every_length
def test_a_pack_cut_short_at_any_length_is_noticed(
    packed: Specimen, figures: Figures, suffix: str, step: int
) -> None:
    file = pack_file(packed, suffix)
    data, counts = file.read_bytes(), Counter[str]()
    for length in range(0, len(data), step):
        replace(file, data[:length])
        counts[judge(packed, packed.commits)] += 1
    add(figures, f"lengths that a {suffix} was cut to", counts)
    assert not counts["harmless"]


# -- in what the objects say, about which git has no doubts


def chunks_of(specimen: Specimen) -> Iterator[bytes]:
    """Gives the chunks of the log."""
    for _, _, kind, content in Workshop(specimen).parts():
        if kind == 3 and content.startswith(b"GRITECNK"):
            yield content


def test_every_flipped_bit_of_a_chunk_is_noticed_by_whoever_decodes_it(
    specimen: Specimen, figures: Figures
) -> None:
    counts: Counter[str] = Counter()
    for chunk in chunks_of(specimen):
        sound = {event.event_id: event for event in decode_chunk(chunk)[0]}
        for damaged in flips(chunk, Bits(0, 1)):
            counts[_notice(damaged, sound)] += 1
    add(figures, "bits flipped in chunks that are decoded", counts)
    assert set(counts) == {"no chunk", "no event", "another id", "another signature"}


def _notice(damaged: bytes, sound: dict[bytes, Event]) -> str:
    """Tells what whoever decodes a damaged chunk notices; what is good is as it was."""
    try:
        events, faults = decode_chunk(damaged)
    except WireError:
        return "no chunk"
    good = [event for event in events if not event.fault]
    for event in good:
        known = sound[event.event_id]
        assert (event.issue_id, event.actor, event.ts) == (known.issue_id, known.actor, known.ts)
        assert (event.parent, event.kind, event.payload) == (
            *(known.parent, known.kind),
            known.payload,
        )
    if faults:
        return "no event"
    if len(good) < len(sound):
        return "another id"
    return "another signature" if good != [*sound.values()] else "harmless"


@every_length
def test_a_chunk_cut_short_at_any_length_is_no_chunk(specimen: Specimen, step: int) -> None:
    for chunk in chunks_of(specimen):
        for length in range(0, len(chunk), step):
            with pytest.raises(WireError):
                decode_chunk(chunk[:length])


@every_bit
@pytest.mark.parametrize("is_consistent", [False, True], ids=["", "consistent"])
def test_damage_that_git_does_not_see_is_found_by_fsck_with_its_commit(
    specimen: Specimen, figures: Figures, bits: Bits, is_consistent: bool
) -> None:
    """Each bit of each object; what names the object, and lies above it, is hashed anew."""
    counts: Counter[str] = Counter()
    workshop = Workshop(specimen)
    for _, oid, _, content in list(workshop.parts()):
        if is_consistent and not content.startswith(b"GRITECNK"):
            continue
        for damaged in flips(content, bits):
            names = workshop.change(oid, damaged, is_consistent=is_consistent)
            counts[judge(specimen, names)] += 1
            workshop.restore()
    what = "chunks, with all hashes anew" if is_consistent else "objects, with git's ids anew"
    add(figures, f"bits flipped in {what}", counts)
    assert counts["found"] > counts["harmless"] / 2


@every_length
def test_a_chunk_cut_short_and_hashed_anew_is_found_with_its_commit(
    specimen: Specimen, figures: Figures, step: int
) -> None:
    counts: Counter[str] = Counter()
    workshop = Workshop(specimen)
    for _, oid, _, content in list(workshop.parts()):
        if content.startswith(b"GRITECNK"):
            for length in range(0, len(content), step):
                names = workshop.change(oid, content[:length], is_consistent=True)
                counts[judge(specimen, names)] += 1
                workshop.restore()
    add(figures, "lengths that chunks were cut to, with all hashes anew", counts)
    assert counts["found"] > 3 * counts["harmless"]
