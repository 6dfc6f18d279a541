"""Who believes whom to be down, by the kinds of detectors that there are."""

from sim.world.detection.detector import Detector, FailureDetection, Watch
from sim.world.detection.extremes import NoDetection, Perfect
from sim.world.detection.heartbeats import Heartbeat

__all__ = [
    "DETECTORS",
    "Detector",
    "FailureDetection",
    "Heartbeat",
    "NoDetection",
    "Perfect",
    "Watch",
]

DETECTORS: dict[str, type[FailureDetection]] = {
    "heartbeat": Heartbeat,
    "perfect": Perfect,
    "none": NoDetection,
}
