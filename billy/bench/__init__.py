"""The benchmark: Billy's cycle beside the limit of the database, and beside a plain loop.

Everything that is measured runs in a child process of its own (`child.py`), on a fresh copy of one
prepared database (`database.py`, `stage.py`), right after a checkpoint. The runs are interleaved,
so that whatever else the machine does hits all of them alike (`rounds.py`). Each run is looked at
afterwards: a cycle that did not move its money counts as a failure and not as speed (`checked.py`).
"""
