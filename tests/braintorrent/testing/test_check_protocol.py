"""The check of a protocol finds what is wrong with each of many, and nothing with ours."""

import itertools
import re
from pathlib import Path
from typing import Any

import pytest

from braintorrent.testing import Broken, check_protocol
from sim.record.errors import ScenarioError
from tests.braintorrent.testing import wrong
from tests.outside.relay import Relay
from tests.outside.ring import Ring


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (wrong.Nosy, r"reads client_\d+\.up"),
        (wrong.NosyOfTheNetwork, "reads network.up"),
        (wrong.NosyOfStarts, "reads network.started_s"),
        (wrong.NosyOfMembers, r"reads client_\d+\.is_member"),
        (wrong.Discreet, r"reads client_\d+\.up"),
        (wrong.Thief, r"client_\d+ trains client_\d+\.\d+, which never arrived there"),
        (wrong.Weightless, "which never arrived there"),
        (wrong.Heavy, "weights 0.5, 0.75; they sum to 1.25"),
        (wrong.Misled, r"client_\d+ corrects its training by direction.\d+, which never arrived"),
        (wrong.Mistaken, "is a direction, where a model is needed"),
        (wrong.Hasty, "trains in no time"),
        (wrong.Restless, "time stands still"),
        (wrong.Gambler, "another trace"),
        (wrong.BySet, "another trace"),
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


@pytest.mark.parametrize(
    ("kind", "settings", "does"),
    [
        (wrong.Wrong, {}, "train"),
        ("braintorrent", {"schedule": "lockstep", "max_senders": 1}, "merge"),
        ("fedavg", {"deadline": "5 s", "close_at": 0.5, "late_updates": "next_round"}, "round"),
        (Relay, {"patience": "5 s"}, "transfer_lost"),
    ],
)
def test_nothing_is_wrong_with_ours(kind: Any, settings: dict[str, Any], does: str) -> None:
    assert check_protocol(kind, settings, worlds=5)[does] > 0


def test_directions_are_sent_and_used_like_models() -> None:
    assert check_protocol(wrong.Steered, worlds=4, lasts_s=10.0)["transfer"] > 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "settings", "does"),
    [
        ("local", {}, "train_lost"),
        ("pooled", {}, "train"),
        ("braintorrent", {}, "transfer"),
        ("fedavg", {"deadline": "10 s"}, "transfer"),
        (Ring, {}, "transfer"),
        (Relay, {}, "transfer"),
    ],
)
def test_nothing_is_wrong_in_very_many_worlds(
    kind: Any, settings: dict[str, Any], does: str
) -> None:
    assert check_protocol(kind, settings, worlds=200, seed=7)[does] > 300


def test_what_is_told_begins_with_the_line_and_says_how_it_is_met_again() -> None:
    with pytest.raises(Broken) as told:
        check_protocol(wrong.Clumsy, worlds=5)
    first, again, learner, *text = str(told.value).splitlines()
    file, line, what = first.split(":", 2)
    assert file == wrong.__file__ and what == " KeyError: 'no such key'"
    assert "no such key" in Path(file).read_text(encoding="utf-8").splitlines()[int(line) - 1]
    assert re.fullmatch(
        r"world (\d+): check_protocol\(\.\.\., seed=0, lasts_s=60, only=\1\) plays it again", again
    )
    assert learner.startswith("# samples [")
    assert text[0] == f"name: world_{again.split()[1][:-1]}"
    # Of their exception the whole way is there, too.
    assert isinstance(told.value.__cause__, KeyError)
    number = int(again.split()[1][:-1])
    with pytest.raises(Broken) as same:
        check_protocol(wrong.Clumsy, only=number)
    assert str(same.value) == str(told.value)


def test_code_that_no_other_process_finds_is_played_again_in_this_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Other tests count, too, and then nobody is done with waiting in time.
    monkeypatch.setattr(wrong, "NUMBERS", itertools.count())

    class Here(wrong.ByCount):
        pass

    with pytest.raises(Broken, match="another trace"):
        check_protocol(Here, worlds=5)


def test_an_exception_in_the_other_process_alone_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHASHSEED", "0")
    with pytest.raises(Broken, match="in a process of its own: RuntimeError: not at home"):
        check_protocol(wrong.AtHome, worlds=2)


def test_exceptions_that_are_not_the_users_go_their_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("braintorrent.testing.trials.Counters", None)
    with pytest.raises(TypeError, match="not callable"):
        check_protocol("local", worlds=1)


def test_settings_that_no_world_with_faults_allows_are_refused_in_a_line() -> None:
    with pytest.raises(ScenarioError) as told:
        check_protocol("fedavg", worlds=5)
    assert str(told.value) == (
        "world 0: protocols.it.deadline: is missing, but faults or loss can stall a round; "
        "allowed: a duration, e.g. '2 min'"
    )
