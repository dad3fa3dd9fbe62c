"""What can be done to each kind of resource: one file for each kind."""
