"""Tests of the processors: the contract suite, and what is each one's own."""
