"""Times and sizes in words, on both sides of each unit's beginning."""

from sim.record.words import amount_text, bytes_text, least_text, time_text


def test_times_read_as_people_say_them() -> None:
    times_s = (0.0, 0.25, 30.0, 59.9, 60.0, 102.0, 750.0, 3600.0, 7200.0, 9000.0)
    assert [time_text(seconds) for seconds in times_s] == [
        *("0 s", "0.2 s", "30 s", "59.9 s", "1 min", "1.7 min", "12.5 min", "60 min"),
        *("2 h", "2.5 h"),
    ]


def test_the_least_that_is_allowed_is_never_said_to_be_less() -> None:
    for seconds, text in (
        (5.05, "5.05 s"),
        (5.05000001, "5.05001 s"),
        (0.0505, "50.5 ms"),
        (0.0375, "37.5 ms"),
        (1.0, "1 s"),
        (1e12, "1000000000000 s"),
    ):
        assert least_text(seconds) == text


def test_sizes_read_as_people_say_them() -> None:
    assert [bytes_text(size) for size in (0, 12, 1500, 2e6, 130_048_512, 3.25e9, 4e12)] == [
        *("0 B", "12 B", "1.5 kB", "2 MB", "130 MB", "3.2 GB", "4 TB")
    ]


def test_amounts_of_settings() -> None:
    amounts = ((90.0, "s"), (1500.0, "B"), (2 / 3600, "1/s"), (2.5e6, "B/s"), (0.3333, ""))
    assert [amount_text(*one) for one in amounts] == [
        *("1.5 min", "1.5 kB", "2 / h", "20 Mbit/s", "0.333")
    ]
