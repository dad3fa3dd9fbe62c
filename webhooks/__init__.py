"""What comes in from processors, and what goes out to apps."""
