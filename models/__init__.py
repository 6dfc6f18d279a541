"""Learning: networks, tasks, partitions, training and parameters, without clock or world."""
