"""Data frames, statistics and figures from result folders.

A room of its own because it reads finished files only: it never imports the simulation or the
models, so a result can be studied where PyTorch is not installed.
"""
