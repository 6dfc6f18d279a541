"""The tables of regions that come with the program, as published; what isn't known isn't there.

Offsets from UTC are no part of what was published: of standard time, for a continent somewhere in
its middle.
"""

from collections.abc import Mapping, Sequence

from sim.scenario.regions.table import Region, Shipped, Table

_CONTINENTS = ("north_america", "europe", "south_america", "asia_pacific", "japan", "australia")
_CONTINENTS_MS = (
    (32, 124, 184, 198, 151, 189),
    (124, 11, 227, 237, 252, 294),
    (184, 227, 88, 325, 301, 322),
    (198, 237, 325, 85, 58, 198),
    (151, 252, 301, 58, 12, 126),
    (189, 294, 322, 198, 126, 16),
)
_UP_MBITS = (19.2, 20.7, 5.8, 15.7, 10.2, 11.3)
_DOWN_MBITS = (52, 40, 18, 22.8, 22.8, 29.9)
_CONTINENTS_UTC_H = (-6, 1, -3, 8, 9, 10)

_CITIES_UTC_H = {
    "dallas": -6,
    "frankfurt": 1,
    "london": 0,
    "madrid": 1,
    "osaka": 9,
    "sao_paulo": -3,
    "sydney": 10,
    "tokyo": 9,
}
_ROUND_TRIPS_MS = {
    ("dallas", "frankfurt"): 123,
    ("dallas", "sao_paulo"): 146,
    ("dallas", "sydney"): 186,
    ("dallas", "tokyo"): 143,
    ("frankfurt", "london"): 13,
    ("frankfurt", "sao_paulo"): 198,
    ("frankfurt", "sydney"): 250,
    ("frankfurt", "tokyo"): 233,
    ("london", "madrid"): 27,
    ("osaka", "tokyo"): 9,
    ("sao_paulo", "sydney"): 328,
}
_BETWEEN_ZONES_MS = 2


def _continents() -> Table:
    links = zip(_UP_MBITS, _DOWN_MBITS, _CONTINENTS_UTC_H, strict=True)
    return {
        name: Region.model_validate(
            {
                "latency": _written(dict(zip(_CONTINENTS, row, strict=True))),
                "uplink": f"{up} Mbit/s",
                "downlink": f"{down} Mbit/s",
                "utc_offset": f"{hours} h",
            }
        )
        for name, row, (up, down, hours) in zip(_CONTINENTS, _CONTINENTS_MS, links, strict=True)
    }


def _cities() -> Table:
    pairs = {**_ROUND_TRIPS_MS, **{(city, city): _BETWEEN_ZONES_MS for city in _CITIES_UTC_H}}
    return {
        city: Region.model_validate(
            {
                "latency": _written({to: ms / 2 for (at, to), ms in pairs.items() if at == city}),
                "utc_offset": f"{hours} h",
            }
        )
        for city, hours in _CITIES_UTC_H.items()
    }


def _written(milliseconds: Mapping[str, float]) -> dict[str, str]:
    return {name: f"{ms} ms" for name, ms in milliseconds.items()}


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)


TABLES: dict[str, Shipped] = {
    "simblock2019": Shipped(
        f"{_listed(_CONTINENTS)}: one-way latencies and links of Bitcoin's peers, as SimBlock has "
        "them (Aoki et al. 2019, arXiv 1901.09777); latencies above 300 ms look like round trips",
        _continents(),
    ),
    "cloud2024": Shipped(
        f"{_listed(list(_CITIES_UTC_H))}: half the round trips between a cloud's regions in 2024, "
        "and between two zones of one; no links, and only the pairs that were measured: all among "
        "dallas, frankfurt, sao_paulo and sydney, and among dallas, frankfurt and tokyo",
        _cities(),
    ),
}
