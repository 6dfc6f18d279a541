"""A scenario's mistakes: what only its whole shows, and all of them in a researcher's words."""
