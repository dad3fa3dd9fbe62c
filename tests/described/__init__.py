"""The API against its own description, by schemathesis: `make schemathesis`."""
