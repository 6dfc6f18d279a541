"""One run's world on virtual time: the clock, the nodes, the network between them, the trace."""
