"""Samples are kept to the last bit, in little room, and what is damaged is not taken for samples."""

import zlib
from math import isnan
from typing import Any

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
    VERSION,
    LaterVersion,
    Samples,
    empty,
    from_rows,
    join,
    make_row,
    measured,
    pack,
    response_ms,
    temperatures,
    unpack,
    warm,
)
from tests.benchmark.runs import pairs, row

HEAD = b"rows" + bytes([VERSION])
OLD_BYTES = 60
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
    with pytest.raises(TypeError, match="unknown fields: latency_ms"):
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
        HEAD + zlib.compress(b"x" * (ROW.itemsize + 1)),
        zlib.compress(b"x" * (OLD_BYTES + 1)),
        pack(pairs([1.0], [2.0])) + b"x",
        pack(pairs([1.0], [2.0])) * 2,
        HEAD,
        HEAD[:-1],
        HEAD[:-1] + b"\x01" + zlib.compress(b""),
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
    data = bytearray(zlib.decompress(pack(from_rows([row(0, 0)])).removeprefix(HEAD)))
    data[1] = 7  # after the column of one byte before it
    with pytest.raises(ValueError, match="damaged"):
        unpack(HEAD + zlib.compress(bytes(data)))


@pytest.mark.parametrize("version", [VERSION + 1, 255])
def test_what_a_later_version_packed_is_refused_by_that_name_and_never_read(version: int) -> None:
    later = HEAD[:-1] + bytes([version]) + zlib.compress(bytes(ROW.itemsize))
    with pytest.raises(LaterVersion, match="later version"):
        unpack(later)


def test_columns_that_a_version_did_not_have_are_not_known() -> None:
    one = pairs([1.0], [2.0])
    names = (ROW.names or ())[:-3]
    old = unpack(zlib.compress(b"".join(one[name].tobytes() for name in names)))  # as the first version packed
    assert old[list(names)].tobytes() == one[list(names)].tobytes()
    assert np.isnan(old["request_count"]).all()
    assert np.isnan(old["instance_age_ms"]).all()


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
    assert TEMPERATURES[4:] == (Temperature.QUEUED,)


def test_what_is_packed_has_not_changed_since_its_version() -> None:
    # Whoever adds a column, a failure or a temperature also adds a version, and keeps its history.
    assert (VERSION, ROW.itemsize, len(FAILURES), len(TEMPERATURES)) == (3, OLD_BYTES + 10, 12, 5)
    assert pack(empty()).startswith(HEAD)


# --- What a request met, by the evidence of the whole run


def told(rows: list[tuple[Any, ...]]) -> list[str]:
    return [TEMPERATURES[code].value for code in temperatures(from_rows(rows))]


def sent(sent_ms: float, service_ms: float, state: Temperature = Temperature.WARM, **more: Any) -> tuple[Any, ...]:
    at = more.pop("endpoint", 0)
    return row(at, int(sent_ms), service_ms, sent_ms=sent_ms, scheduled_ms=sent_ms, temperature=state, **more)


COLD_START = sent(0, 2000, Temperature.COLD)


def test_what_was_sent_before_the_first_answer_of_a_new_instance_came_queued_for_its_start() -> None:
    waiting = [sent(10.0 * number, 2001 - 10 * number) for number in range(1, 10)]
    after = [sent(2000.1, 5), sent(2050, 5)]
    assert told([*waiting, COLD_START, *after]) == ["queued for a start"] * 9 + ["cold"] + ["warm"] * 2


def test_the_first_answer_need_not_be_the_one_that_the_instance_counted_first() -> None:
    # Both came at the same moment, and the client read the second one's connection first.
    assert told([sent(5, 1994.9), COLD_START, sent(1999.95, 3)]) == ["queued for a start", "cold", "warm"]


def test_where_the_first_count_was_lost_in_a_timeout_those_that_waited_are_still_known() -> None:
    lost = sent(0, 1500, Temperature.UNKNOWN, failure=Failure.TIMEOUT, instance=0, status=0)
    rows = [lost, sent(100, 1900, Temperature.QUEUED), sent(1200, 801), sent(2010, 5)]
    assert told(rows) == ["unknown", "queued for a start", "queued for a start", "warm"]


@pytest.mark.parametrize("other", [{"instance": 2}, {"endpoint": 1}, {"instance": 0}])
def test_only_requests_to_the_same_instance_waited_for_its_start(other: dict[str, Any]) -> None:
    assert told([COLD_START, sent(10, 1995, **other)]) == ["cold", "warm"]


def test_an_instance_that_was_there_at_first_has_no_start_behind_its_early_answers() -> None:
    # Its name came back after a restart, which is no reason to doubt what was before.
    assert told([sent(0, 100), sent(50, 60), sent(9000, 800, Temperature.COLD)]) == ["warm", "warm", "cold"]


def test_no_request_that_waited_for_a_start_is_in_a_warm_latency() -> None:
    rows = [COLD_START, *(sent(10.0 * number, 2001) for number in range(1, 10)), sent(3000, 5), sent(3010, 6)]
    assert warm(from_rows(rows), 0)["service_ms"].tolist() == [5, 6]
    assert measured(from_rows(rows), 0)["service_ms"].tolist() == [5, 6]


def test_what_is_recorded_is_not_edited() -> None:
    samples_ = from_rows([COLD_START, sent(10, 1995)])
    before = samples_.tobytes()
    temperatures(samples_)
    assert samples_.tobytes() == before
