import pytest

from tests.reality.network.lines import TRIES, in_time


def test_what_is_late_once_is_tried_again_and_what_is_wrong_fails() -> None:
    tried = []

    @in_time
    def is_late(until: int) -> None:
        tried.append(until)
        assert len(tried) >= until

    is_late(TRIES)
    assert len(tried) == TRIES
    with pytest.raises(AssertionError):
        is_late(3 * TRIES)
    assert len(tried) == 2 * TRIES
