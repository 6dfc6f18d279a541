"""A session: playing and observing worlds, resuming what was interrupted, planning, predicting."""
