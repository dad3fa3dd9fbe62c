"""A Billy that does not do what it says: schemathesis must find out."""

import json

from billy.wsgi import application as billy

PLANS = "/v1/plans"


def application(environ, start_response):
    """Tell a field too many of every plan, and take whatever is said of a limit."""
    if environ["PATH_INFO"] != PLANS or environ["REQUEST_METHOD"] != "GET":
        return billy(environ, start_response)
    said = {}

    def keep(status, headers, exc_info=None):
        said.update(status=status, headers=headers, exc_info=exc_info)

    environ = environ | {"QUERY_STRING": ""}
    answer = billy(environ, keep)
    body = b"".join(answer)
    answer.close()
    if said["status"].startswith("200"):
        told = json.loads(body)
        told["items"] = [each | {"margin": 7} for each in told["items"]]
        body = json.dumps(told).encode()
    headers = [(name, value) for name, value in said["headers"] if name != "Content-Length"]
    start_response(said["status"], [*headers, ("Content-Length", str(len(body)))])
    return [body]
