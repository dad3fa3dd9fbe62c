"""The REST API, `/v1/`: a door on the engine, for apps.

    urls      every route there is
    door      what all routes have in common: keys, scopes, limits, ETags, one body for errors
    once      a request that names itself has one effect
    inputs    what is taken, made of the fields in `given`; shapes: what is told
    lists     pages, filters and cursors
    schema    the same as OpenAPI 3.1, checked in as `openapi.json`

The other files hold the resources. A handler loads what belongs to the company, makes one call into
a room and tells the result. The original Billy's resources keep its contract; see docs/api.md.
"""
