"""The closing tables as data, and as text for a paper."""

from analysis.tables.closing import closing_table
from analysis.tables.export import FORMATS, export

__all__ = ["FORMATS", "closing_table", "export"]
