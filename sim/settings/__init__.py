"""Settings of what a user names in a scenario: faults and protocols.

A room of its own because the scenario composes them from below the rooms that act on them.
"""
