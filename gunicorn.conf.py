"""Read by `gunicorn billy.wsgi` when it is started in this folder."""

logger_class = "billy.web.server.ServerLog"
worker_class = "billy.web.server.Worker"
