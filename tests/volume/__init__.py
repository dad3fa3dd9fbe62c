"""A database of a million occurrences, and how long `verify` takes for it.

    python -m tests.volume --occurrences 1000000

makes a database of its own on the embedded server (once; `--fresh` makes it anew), runs both depths
several times, and prints seconds and CPU seconds of client and server.
"""
