"""Requests that nobody honest would send, real web processes, and a judge of the answers."""
