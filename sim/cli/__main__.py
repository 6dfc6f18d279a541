"""`python -m sim.cli`, for when the command is not on the path."""

from sim.cli.commands import main

main()
