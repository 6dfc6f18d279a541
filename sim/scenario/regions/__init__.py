"""Where nodes stand, and what a place in the world means for their links and their time of day."""

from sim.scenario.regions.settings import RegionsSettings
from sim.scenario.regions.table import Region, RegionName
from sim.scenario.regions.tables import TABLES

__all__ = ["TABLES", "Region", "RegionName", "RegionsSettings"]
