"""Carrying out a plan, taking it back, and purging: the only rooms that may change the data root."""
