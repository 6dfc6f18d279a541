"""Runs one protocol under one seed: builds its world, steps its clock, names its real work.

The one package that joins the two towers: the control plane in `sim` and the data plane in
`models`.
"""

from models.fingerprint import libraries
from sim.simulation.data import Data, learner_spec, mistakes_placed, with_pinned_files
from sim.simulation.playing import Played, play
from sim.simulation.price import Price, price
from sim.simulation.training import Training

__all__ = [
    "Data",
    "Played",
    "Price",
    "Training",
    "learner_spec",
    "libraries",
    "mistakes_placed",
    "play",
    "price",
    "with_pinned_files",
]
