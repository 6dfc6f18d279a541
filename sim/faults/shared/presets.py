"""Lives as they were measured, written as settings of `churn`."""

from collections.abc import Mapping
from typing import Any

PRESETS: Mapping[str, Mapping[str, Any]] = {
    # Fits to 4,334 user-weeks of a phone app's trace (Berta, Bilicki, Jelasity, "Defining and
    # understanding smartphone churn over the internet", P2P 2014). Of those published the Weibull
    # ones: by them 19 % of the phones are online, by the lognormal ones 11 %, in the trace 23 %.
    # The rhythm gives the trace's ratio of 28 to 29 % at night to 17 % from 15 to 16 h.
    "phones": {
        "time_to_failure": {"distribution": "weibull", "shape": 0.59, "scale": "45 min"},
        "time_to_repair": {"distribution": "weibull", "shape": 0.49, "scale": "138 min"},
        "begins": "equilibrium",
        "daily": {"peak": "13.5 h", "swing": 0.45},
    },
    # Schroeder, Gibson, "A large-scale study of failures in high-performance computing systems",
    # DSN 2006: times up are Weibull, of shape 0.7 to 0.8, and repairs lognormal. Systems differ, in
    # failures from 20 to 1,000 a year, in mean repairs from below an hour to above a day; here are
    # 20 a year, and a mean of 6 h.
    "servers": {
        "time_to_failure": {"distribution": "weibull", "shape": 0.75, "scale": "15.3 d"},
        "time_to_repair": {"distribution": "lognormal", "median": "54 min", "sigma": 1.94},
        "begins": "equilibrium",
    },
}
