"""The offers: what is charged or paid out, and how often."""
