"""Lists of values: what people write, and the values that they mean, digit by digit."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.scenario.ranges import MOST_VALUES, plain, values

MEANT = [
    ("10 min,20 min", "10 min|20 min"),
    (" 1 , 2 ", "1|2"),
    ("0.10", "0.10"),
    ("0:0.5:0.1", "0|0.1|0.2|0.3|0.4|0.5"),
    ("0:0.5:0.2", "0|0.2|0.4"),
    ("0.5:0:-0.25", "0.5|0.25|0"),
    ("1:1:1", "1"),
    ("10:30:10,50", "10|20|30|50"),
    ("0 min:9 min:3 min", "0 min|3 min|6 min|9 min"),
    ("0:9:3 min", "0 min|3 min|6 min|9 min"),
    ("0 / h:1 / h:0.5 / h", "0 / h|0.5 / h|1 / h"),
    ("1e3:2e3:5e2", "1000|1500|2000"),
    ("0:3e-9:1e-9", "0|0.000000001|0.000000002|0.000000003"),
    ("3 min,6 min,...,12 min", "3 min|6 min|9 min|12 min"),
    ("3 min, 6 min, …, 12 min, 1 h", "3 min|6 min|9 min|12 min|1 h"),
    ("0,1,3,...,7", "0|1|3|5|7"),
    ("4,3,...,1", "4|3|2|1"),
    ("1,2,...,3", "1|2|3"),
    ("[32],[32, 64]", "[32]|[32, 64]"),
    ("{name: mlp, hidden: [1, 2]},{name: cnn}", "{name: mlp, hidden: [1, 2]}|{name: cnn}"),
    ("'a,b',\"c,d\"", "'a,b'|\"c,d\""),
    (["3 min", "6 min", "...", "12 min"], "3 min|6 min|9 min|12 min"),
    ([0, 0.25, True, None, [1, 2], {"name": "cnn"}], '0|0.25|true|null|[1, 2]|{"name": "cnn"}'),
    (0.5, "0.5"),
]

MISTAKES: list[tuple[Any, str]] = [
    (None, "has no values"),
    ([], "has no values"),
    ({"a": 1}, "is a mapping"),
    ("1,,2", "has an empty value"),
    ("1,", "has an empty value"),
    ("0:1", "'0:1' is no range; allowed: start:end:step"),
    ("0:1:2:3", "'0:1:2:3' is no range"),
    ("0:1:0", "'0:1:0' has a step of zero"),
    ("0:1:-1", "'0:1:-1' steps away from its end"),
    ("1:0:1", "'1:0:1' steps away from its end"),
    ("0:x:1", "'x' is no number"),
    ("0:1:", "'' is no number"),
    ("0:1:1 2", "'1 2' is no number"),
    ("0 s:1 min:1 s", "mixes the units s and min; allowed: one unit in a range"),
    ("0:1:1e-9", "has 1000000001 values; allowed: at most 10000"),
    ("0:10000:1", "has 10001 values"),
    ("0:9000:1,10000:12000:1", "has 11002 values"),
    ("1,...,3", "a series lacks its ends; allowed: two values before"),
    ("1,2,...", "a series lacks its ends"),
    ("1,2,...,...,3", "'...' is no number"),
    ("1,3,...,6", "'1,3,...,6' misses its last value"),
    ("1,1,...,2", "'1,1,...,2' misses its last value"),
    ("1,2,...,2", "'1,2,...,2' misses its last value"),
    ("1,2,...,-3", "'1,2,...,-3' misses its last value"),
    ("a,b,...,c", "'a' is no number"),
]

DECIMALS = st.decimals(-1000, 1000, places=3)


@pytest.mark.parametrize(("written", "meant"), MEANT)
def test_what_is_written_means_these_values(written: Any, meant: str) -> None:
    assert values(written) == tuple(meant.split("|"))


@pytest.mark.parametrize(("written", "what"), MISTAKES)
def test_a_malformed_list_is_refused(written: Any, what: str) -> None:
    with pytest.raises(ValueError) as caught:
        values(written)
    text = str(caught.value)
    assert text.startswith(what)
    assert "; allowed: " in text


@given(start=DECIMALS, step=DECIMALS.filter(bool), count=st.integers(1, 40))
def test_a_range_is_exact_and_includes_the_end_that_it_hits(
    start: Decimal, step: Decimal, count: int
) -> None:
    expected = [start + step * index for index in range(count)]
    found = values(f"{start}:{expected[-1]}:{step}")
    assert [Decimal(text) for text in found] == expected
    assert all("e" not in text.lower() and not text.endswith(".") for text in found)
    past = values(f"{start} s:{expected[-1] + step / 2} s:{step} s")
    assert past == tuple(f"{text} s" for text in found)


@given(start=DECIMALS, step=DECIMALS.filter(bool), count=st.integers(3, 40))
def test_a_series_is_the_range_with_the_same_ends(
    start: Decimal, step: Decimal, count: int
) -> None:
    last = start + step * (count - 1)
    series = values(f"{start},{start + step},...,{last}")
    assert list(map(Decimal, series)) == [start + step * index for index in range(count)]


@given(st.lists(st.text(), max_size=5) | st.text())
def test_any_text_is_a_list_of_values_or_a_mistake_in_one_line(written: Any) -> None:
    try:
        found = values(written)
    except ValueError as error:
        assert "; allowed: " in str(error)
    else:
        assert 0 < len(found) <= MOST_VALUES
        assert all(text == text.strip() and text for text in found)


@given(
    st.lists(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.just("3 s"),
            lambda inner: st.lists(inner) | st.dictionaries(st.text("ab", min_size=1), inner),
            max_leaves=4,
        ),
        min_size=1,
        max_size=4,
    )
)
def test_values_read_back_as_they_were_written(written: list[Any]) -> None:
    texts = values(written)
    assert values([plain(text) for text in texts]) == texts
