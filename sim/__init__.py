"""Simulation of federated learning among nodes that fail, on a virtual clock."""
