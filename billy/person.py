"""Who runs a command: the name that goes into the audit trail."""

import getpass

ACTOR_LIMIT = 80


def actor() -> str:
    """Return the person's name on this machine; `operator` where it has none."""
    try:
        return getpass.getuser()[:ACTOR_LIMIT]
    except (KeyError, OSError):
        return "operator"
