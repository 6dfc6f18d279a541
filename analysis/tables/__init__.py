"""The closing tables: as numbers, and as text for a paper."""
