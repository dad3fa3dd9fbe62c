"""Timers and tasks together: what is due, and the cycle that runs it."""
