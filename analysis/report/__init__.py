"""One page about a run or a sweep, which opens anywhere: figures, tables, warnings, settings.

A room of its own because a page for a colleague is made of what the other rooms compute; here is
only how it is said. It holds the drawing library's code, and asks the network for nothing.
"""

from analysis.report.page import report

__all__ = ["report"]
