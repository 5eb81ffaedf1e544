"""Triggers from a commitment and a beacon: the same everywhere, uniform, and bound to every word of the terms."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from stealproof.errors import InputError
from stealproof.evidence.derivation import Derivation, bounds, canonical_row, canonical_terms
from stealproof.oracle import Domain

FIXED = Derivation(commitment=bytes(range(32)), beacon=bytes(range(32, 64)), terms=b'{"classes":10}')
secret_bytes = st.binary(min_size=16, max_size=40)


@st.composite
def derivations(draw: st.DrawFn) -> Derivation:
    return Derivation(commitment=draw(secret_bytes), beacon=draw(secret_bytes), terms=draw(st.binary(max_size=20)))


def test_vectors_that_no_version_may_change() -> None:
    assert FIXED.stream("label", 0, 8).hex() == "3d631b73f261782e"
    assert FIXED.labels(12, 10).tolist() == [2, 2, 4, 5, 1, 9, 4, 1, 1, 9, 2, 3]
    assert FIXED.rows(6, 1000).tolist() == [773, 323, 923, 215, 409, 264]
    assert (FIXED.noise(1, Domain(shape=(4,))) * 2**24).tolist() == [[3839571.0, 3953787.0, 3790427.0, 13580655.0]]
    assert FIXED.noise(1, Domain(shape=(2,), low=-3, high=3, levels={1: (0.0, 0.5, 1.0)})).tolist() == [
        [-1.6268624067306519, 0.5]
    ]
    assert FIXED.keyed("label", b"query", 10) == 2
    assert FIXED.keyed("mark", b"query", 1 << 32) == 3338736681


def test_the_stream_is_what_the_documentation_says() -> None:
    parts = (b"stealproof derived triggers 1", FIXED.commitment, FIXED.beacon, FIXED.terms, b"label")
    framed = b"".join(len(part).to_bytes(8, "big") + part for part in parts) + (7).to_bytes(8, "big")
    assert FIXED.stream("label", 7, 100) == hashlib.shake_256(framed).digest(100)
    words = [int.from_bytes(hashlib.shake_256(framed).digest(8 * (i + 1))[8 * i :], "big") for i in range(40)]
    drawn = FIXED.integers("label", 7, 10)
    assert [next(drawn) for _ in words] == [word % 10 for word in words]


def test_words_that_would_favour_small_integers_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    # 2^64 = 3 * 6148914691236517205 + 1, so that exactly the largest word is one too many.
    words = [b"\xff" * 8, (4).to_bytes(8, "big"), b"\xff" * 7 + b"\xfe"]
    monkeypatch.setattr(Derivation, "stream", lambda self, purpose, number, size: b"".join(words * 100)[:size])
    drawn = FIXED.integers("label", 0, 3)
    assert [next(drawn) for _ in range(4)] == [1, 2, 1, 2]


def test_a_keyed_word_that_would_favour_small_integers_is_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    messages = list[bytes]()

    def digest(key: bytes, message: bytes, name: str) -> bytes:
        messages.append(message)
        return (b"\xff" * 8 if len(messages) == 1 else (5).to_bytes(8, "big")) + bytes(24)

    monkeypatch.setattr("stealproof.evidence.derivation.hmac.digest", digest)
    assert FIXED.keyed("label", b"query", 3) == 2
    assert messages[0] != messages[1]


@given(derivations(), st.integers(1, 30), st.integers(1, 12))
def test_fewer_triggers_are_a_prefix_of_more(derivation: Derivation, n: int, classes: int) -> None:
    domain = Domain(shape=(3, 2))
    np.testing.assert_array_equal(derivation.noise(n, domain), derivation.noise(30, domain)[:n])
    np.testing.assert_array_equal(derivation.labels(n, classes), derivation.labels(30, classes)[:n])
    np.testing.assert_array_equal(derivation.rows(n, 50), derivation.rows(30, 50)[:n])


@given(derivations(), st.sampled_from(["commitment", "beacon", "terms"]), secret_bytes)
def test_another_commitment_beacon_or_word_of_the_terms_gives_other_triggers(
    derivation: Derivation, name: str, value: bytes
) -> None:
    other = dataclasses.replace(derivation, **{name: value + b"!"})
    if other == derivation:
        return
    assert not np.array_equal(derivation.noise(4, Domain(shape=(8,))), other.noise(4, Domain(shape=(8,))))
    assert not np.array_equal(derivation.labels(60, 10), other.labels(60, 10))
    assert derivation.keyed("mark", b"x", 1 << 32) != other.keyed("mark", b"x", 1 << 32)


def test_a_byte_that_moves_from_commitment_to_beacon_is_another_derivation() -> None:
    moved = dataclasses.replace(FIXED, commitment=FIXED.commitment[:-1], beacon=FIXED.commitment[-1:] + FIXED.beacon)
    assert moved.stream("label", 0, 8) != FIXED.stream("label", 0, 8)


@given(
    derivations(),
    st.floats(-1e6, 1e6, allow_subnormal=False),
    st.floats(1e-3, 1e6, allow_subnormal=False),
)
def test_noise_stays_in_the_box_even_where_float32_can_not_hold_its_sides(
    derivation: Derivation, low: float, width: float
) -> None:
    domain = Domain(shape=(64,), low=low, high=low + width)
    x = derivation.noise(3, domain)
    assert x.dtype == np.float32
    if np.nextafter(np.float32(low), np.float32(np.inf)) < low + width:
        assert float(x.min()) >= low
        assert float(x.max()) <= low + width


def test_noise_is_uniform_and_its_columns_with_levels_take_each_equally_often() -> None:
    domain = Domain(shape=(20,), low=-2, high=6, levels={3: (0.0, 1.0, 2.0)})
    x = FIXED.noise(600, domain)
    free = np.delete(x, 3, axis=1).ravel()
    assert stats.kstest((free + 2) / 8, "uniform").pvalue > 0.001
    assert abs(np.corrcoef(x[:, 0], x[:, 1])[0, 1]) < 0.15
    values, counts = np.unique(x[:, 3], return_counts=True)
    assert values.tolist() == [0, 1, 2]
    assert stats.chisquare(counts).pvalue > 0.001


@pytest.mark.parametrize("classes", [2, 3, 7, 10])
def test_labels_are_uniform(classes: int) -> None:
    counts = np.bincount(FIXED.labels(4000, classes), minlength=classes)
    assert stats.chisquare(counts).pvalue > 0.001


def test_keyed_integers_are_uniform_over_messages() -> None:
    drawn = [FIXED.keyed("label", number.to_bytes(4, "big"), 10) for number in range(4000)]
    assert stats.chisquare(np.bincount(drawn, minlength=10)).pvalue > 0.001


def test_every_order_of_rows_is_equally_likely() -> None:
    orders: dict[tuple[int, ...], int] = {}
    for number in range(3000):
        derivation = dataclasses.replace(FIXED, beacon=number.to_bytes(16, "big"))
        order = tuple(derivation.rows(2, 3).tolist())
        orders[order] = orders.get(order, 0) + 1
    assert len(orders) == 6
    assert stats.chisquare(list(orders.values())).pvalue > 0.001


@given(derivations(), st.integers(1, 40))
def test_all_rows_of_a_pool_can_be_drawn_each_once(derivation: Derivation, pool: int) -> None:
    assert sorted(derivation.rows(pool, pool).tolist()) == list(range(pool))


def test_an_unbounded_side_reads_as_one() -> None:
    assert bounds(Domain(shape=(2,), low=-math.inf, high=math.inf)) == (-1.0, 1.0)
    x = FIXED.noise(50, Domain(shape=(2,), low=-math.inf, high=math.inf))
    assert -1 <= float(x.min()) < -0.5 < 0.5 < float(x.max()) <= 1


def test_terms_have_one_spelling() -> None:
    assert canonical_terms({"b": 1.0, "a": [2]}) == b'{"a":[2],"b":1}' == canonical_terms({"a": [2.0], "b": 1})


def test_rows_that_compare_equal_have_equal_bytes() -> None:
    assert canonical_row(np.asarray([0.0, 0.1])) == canonical_row(np.asarray([-0.0, 0.1], dtype=np.float32))
    assert canonical_row(np.asarray([0.0, 0.1])) != canonical_row(np.asarray([0.0, 0.2]))


def test_what_can_be_guessed_or_drawn_too_often_is_refused() -> None:
    with pytest.raises(InputError, match="the beacon must have at least 16 bytes, got 3"):
        Derivation(commitment=bytes(16), beacon=bytes(3))
    with pytest.raises(InputError, match="the pool has 5 different rows, too few for 6 triggers"):
        FIXED.rows(6, 5)
    with pytest.raises(InputError, match="at least 1 trigger, got 0"):
        FIXED.labels(0, 10)
    with pytest.raises(InputError, match="from 1 to 2\\^32 choices, got 0"):
        FIXED.labels(1, 0)


def test_a_judge_needs_no_deep_learning_framework() -> None:
    program = "import sys, stealproof.evidence.derivation; assert not {'torch', 'sklearn'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
