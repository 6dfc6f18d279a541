"""What a result folder is, said once for its writers and its readers; below, what settings are."""
