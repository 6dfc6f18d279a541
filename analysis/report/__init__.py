"""One page about a run or a sweep, which opens anywhere: figures, tables, warnings, settings.

It holds the drawing library's code, and asks the network for nothing.
"""
