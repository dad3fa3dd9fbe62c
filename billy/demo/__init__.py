"""A year of a small shop, in seconds: what `manage.py demo` tells.

Everything is real but the time: a PostgreSQL database of its own, the sandbox as a process of its
own, the HTTP client, the cycle that production runs. Only the clock is moved by hand.

    story      the chapters, and what happens on which day
    year       moves the clock from one instant to the next at which something is due
    agreement  compares every transaction with what the processor has
"""
