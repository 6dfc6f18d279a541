"""Worlds by name: what each reads, and the playing of each once."""
