"""What every request passes through: it gets a name, and errors get a body that tells nothing."""
