import logging

from billy.logs import WithoutSecrets


def line_of(message, *args):
    record = logging.LogRecord("billy", logging.WARNING, "file", 1, message, args, None)
    WithoutSecrets().filter(record)
    return record.getMessage()


def test_the_key_in_a_callback_s_address_never_reaches_a_log():
    told = line_of("Internal Server Error: %s", "/v1/companies/CP1/callbacks/secret/")

    assert told == "Internal Server Error: /v1/companies/CP1/callbacks/…/"


def test_other_lines_are_left_as_they_are():
    told = line_of("%d rows of %s", 3, "/v1/plans")

    assert told == "3 rows of /v1/plans"
