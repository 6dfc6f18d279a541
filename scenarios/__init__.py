"""Scenarios that come with the program, each with its question in the first comment."""
