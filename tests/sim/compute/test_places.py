"""Places: where a name was put last comes first, and nothing that was put is missed."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from sim.compute.store import places
from sim.compute.store.places import Places

# Few halves, so that names agree in those that are known.
NAMES = some.tuples(some.integers(0, 2), some.integers(0, 3)).map(
    lambda halves: b"".join(half.to_bytes(8, "big") for half in halves)
)


@given(some.lists(NAMES), some.integers(0, 5))
def test_the_latest_place_comes_before_earlier_ones(names: list[bytes], least: int) -> None:
    found = Places()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(places, "_LEAST", least)
        for place, name in enumerate(names):
            found[name] = place
    last = {name: place for place, name in enumerate(names)}
    for name, place in last.items():
        # Whoever looks there knows what is another's.
        own = [each for each in found.candidates(name) if names[each] == name]
        assert own[0] == place
    assert list(found.candidates(b"no name of those")) == []
