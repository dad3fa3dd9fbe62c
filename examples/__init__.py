"""Examples of using Billy from other programs."""
