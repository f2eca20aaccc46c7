"""Samples are kept to the last bit, in little room, and what is damaged is not taken for samples."""

import zlib
from math import isnan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as of_numpy

from benchmark.endpoints.sample import Failure, Temperature
from benchmark.record.samples import (
    FAILURES,
    ROW,
    TEMPERATURES,
    Samples,
    empty,
    from_rows,
    join,
    make_row,
    pack,
    response_ms,
    unpack,
)
from tests.benchmark.runs import pairs, row

LIMITS = {"temperature": len(TEMPERATURES) - 1, "failure": len(FAILURES)}
_fields = [
    st.integers(0, LIMITS[name])
    if name in LIMITS
    else of_numpy.from_dtype(ROW[name], allow_nan=True, allow_infinity=True)
    for name in ROW.names or ()
]
samples = st.lists(st.tuples(*_fields), max_size=20).map(from_rows)


def test_a_row_is_made_by_names_and_what_is_not_given_is_not_known() -> None:
    made = from_rows([make_row(group=7, service_ms=2.5)])[0]
    assert (made["group"], made["service_ms"], made["status"], made["warmup"]) == (7, 2.5, 0, False)
    assert isnan(made["wait_ms"])
    with pytest.raises(TypeError, match="no field of a row: latency_ms"):
        make_row(latency_ms=1.0)


@given(samples)
def test_samples_survive_packing_to_the_last_bit(packed: Samples) -> None:
    unpacked = unpack(pack(packed))
    assert unpacked.dtype == ROW
    assert unpacked.tobytes() == packed.tobytes()


@given(samples, st.data())
def test_a_chunk_that_was_cut_off_is_damaged(packed: Samples, data: st.DataObject) -> None:
    chunk = pack(packed)
    with pytest.raises(ValueError, match="damaged"):
        unpack(chunk[: data.draw(st.integers(0, len(chunk) - 1))])


@given(st.binary(max_size=200))
def test_other_bytes_are_damaged(data: bytes) -> None:
    with pytest.raises(ValueError, match="damaged"):
        unpack(data)


@pytest.mark.parametrize(
    "chunk",
    [
        zlib.compress(b"x" * (ROW.itemsize + 1)),
        pack(pairs([1.0], [2.0])) + b"x",
        pack(pairs([1.0], [2.0])) * 2,
    ],
)
def test_what_is_more_or_less_than_whole_rows_is_damaged(chunk: bytes) -> None:
    with pytest.raises(ValueError, match="damaged"):
        unpack(chunk)


@pytest.mark.parametrize(("field", "value"), [("temperature", len(TEMPERATURES)), ("failure", 1 + len(FAILURES))])
def test_a_code_that_stands_for_nothing_is_damaged(field: str, value: int) -> None:
    one = pairs([1.0], [2.0])
    one[field] = value
    with pytest.raises(ValueError, match="damaged"):
        unpack(pack(one))


def test_a_flag_that_is_neither_true_nor_false_is_damaged() -> None:
    data = bytearray(zlib.decompress(pack(from_rows([row(0, 0)]))))
    data[1] = 7  # after the column of one byte before it
    with pytest.raises(ValueError, match="damaged"):
        unpack(zlib.compress(bytes(data)))


def test_a_small_chunk_with_very_many_rows_is_refused_before_it_takes_memory() -> None:
    chunk = pack(np.zeros(100_000, ROW))
    assert len(unpack(chunk, most=100_000)) == 100_000
    with pytest.raises(ValueError, match="damaged"):
        unpack(chunk, most=99_999)


def test_no_samples_are_samples_too() -> None:
    assert len(unpack(pack(empty()))) == len(join([])) == 0
    assert join([]).dtype == ROW


def test_chunks_are_joined_in_their_order() -> None:
    first, second = from_rows([row(0, 0), row(1, 0)]), from_rows([row(0, 1)])
    assert join([first, second])["group"].tolist() == [0, 0, 1]


def test_the_response_time_has_the_wait_for_the_send_in_it() -> None:
    (late,) = response_ms(from_rows([row(0, 0, 10.0, scheduled_ms=100.0, sent_ms=350.0)]))
    assert late == 260.0


def test_what_is_not_given_is_unknown_and_not_zero() -> None:
    assert isnan(from_rows([row(0, 0)])["tls_ms"][0])


def test_the_codes_on_disk_stay_what_they_are() -> None:
    # A recorded run is read by these positions: new ones come after them.
    assert FAILURES[:12] == (
        Failure.NO_IDENTITY,
        Failure.TIMEOUT,
        Failure.REFUSED,
        Failure.UNREACHABLE,
        Failure.RESET,
        Failure.TLS,
        Failure.CLIENT_ERROR,
        Failure.SERVER_ERROR,
        Failure.UNEXPECTED_STATUS,
        Failure.TOO_LARGE,
        Failure.BAD_JSON,
        Failure.WRONG_SCHEMA,
    )
    assert TEMPERATURES[:4] == (Temperature.COLD, Temperature.WARM, Temperature.FIRST_ON_WARM, Temperature.UNKNOWN)
    assert ROW.itemsize == 60
