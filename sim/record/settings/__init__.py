"""What all settings are made of: a strict base, quantities with units, distributions, nodes."""
