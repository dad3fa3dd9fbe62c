"""The facts: trails, events, and the chain that holds them together."""
