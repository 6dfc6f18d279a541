"""Where results of real operations lie by name: scores in a file, models in a folder."""
