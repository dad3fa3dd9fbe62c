"""The kinds of task, their prices, and carrying orders to a processor."""
