"""Say what the figures of a run show, and what to try next."""
