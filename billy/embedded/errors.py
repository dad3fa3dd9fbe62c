"""What can go wrong with the embedded server."""


class EmbeddedUnavailable(Exception):
    """The embedded PostgreSQL cannot run here; the text is one line that says what to do."""
