"""The check of a protocol finds what is wrong with each of many, and nothing with ours."""

import pytest

from braintorrent.testing import Broken, check_protocol
from tests.braintorrent.testing import wrong


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (wrong.Nosy, r"reads client_\d+\.up"),
        (wrong.NosyOfTheNetwork, "reads network.up"),
        (wrong.NosyOfStarts, "reads network.started_s"),
        (wrong.Discreet, r"reads client_\d+\.up"),
        (wrong.Thief, r"client_\d+ trains client_\d+\.0, which never arrived there"),
        (wrong.Weightless, "which never arrived there"),
        (wrong.Heavy, "weights 0.5, 0.75; they sum to 1.25"),
        (wrong.Hasty, "trains in no time"),
        (wrong.Restless, "time stands still"),
        (wrong.Gambler, "another trace"),
        (wrong.BySet, "another trace"),
        (wrong.ByAddress, "another trace"),
        (wrong.ByCount, "another trace"),
        (wrong.Undead, "is down"),
        (wrong.Sender, r"client_\d+, which is down, sends"),
        (wrong.Pinger, "pings whom"),
        (wrong.Twofold, "trains two models at once"),
        (wrong.Backwards, "version goes back"),
        (wrong.Amnesiac, "loses its storage without a fault"),
        (wrong.Forger, "records a train from"),
        (wrong.Quitter, "ends the run"),
        (wrong.Blind, r"seen\(\) yields client_0 at stage received 0 times"),
        (wrong.Liar, r"seen\(\) says that client_\d+ is up"),
        (wrong.Behind, r"staleness\(\) is \[-1.0"),
        (wrong.Meddler, r"seen\(\) or staleness\(\) changes the world"),
        (wrong.Saboteur, "faults strike otherwise"),
        (wrong.Sleeper, "no local round was finished"),
        (wrong.Clumsy, "KeyError: 'no such key'"),
    ],
)
def test_what_is_wrong_is_found(kind: type[wrong.Wrong], says: str) -> None:
    with pytest.raises(Broken, match=says):
        check_protocol(kind, worlds=12)


def test_nothing_is_wrong_with_what_they_all_do() -> None:
    assert check_protocol(wrong.Wrong, worlds=12)["train"] > 100
