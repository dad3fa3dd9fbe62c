"""The database backend that starts the embedded server with the first connection.

Reading the settings must be cheap and without effects (`--help`, `check`, the sandbox), so the URL
cannot be known there. Each new connection joins the server again, which costs a tenth of a
millisecond and brings a long-lived worker back should server and keeper have been killed.
"""

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db.backends.postgresql import base

from billy.embedded import EmbeddedUnavailable, database_url
from billy.environment import database_from_url


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection to a database of the embedded server, or of the host that HOST names."""

    def get_connection_params(self) -> dict[str, Any]:
        """Return what psycopg2 connects with; start the server and make the database before.

        Raises `ImproperlyConfigured` where the embedded server cannot run.
        """
        params = super().get_connection_params()
        if "host" not in params:
            params.update(_embedded(params["dbname"]))
        return params


def _embedded(name: str) -> dict[str, Any]:
    try:
        found = database_from_url(database_url(name=name))
    except EmbeddedUnavailable as error:
        raise ImproperlyConfigured(str(error)) from error
    return {"host": found["HOST"], "user": found["USER"]}
