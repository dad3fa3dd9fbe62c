"""`import_subscriptions`: every form of file, each bad line by its number, and twice is once."""

import pytest
from django.core.management import CommandError

from accounts.models import Company, Customer
from audit.models import AuditEvent
from billy.tests.processes import ending, told
from plans.models import Plan
from schedulers.importing import COLUMNS
from schedulers.models import Scheduler

GOOD = {
    "external_id": "sub-1",
    "name": "Zoë",
    "email": "",
    "plan": "silver",
    "direction": "debit",
    "amount": "2985",
    "currency": "USD",
    "frequency": "monthly",
    "interval": "1",
    "started_at": "2025-11-01T00:00:00Z",
    "time_zone": "UTC",
    "ends_after": "",
    "funding_instrument_uri": "",
    "catch_up": "each",
}
HEADER = ",".join(COLUMNS)


def row(number, **changes):
    return ",".join((GOOD | {"external_id": f"sub-{number}"} | changes).values())


@pytest.fixture
def file(tmp_path):
    """Write a file to import; return its path."""

    def write(content):
        path = tmp_path / "subscribers.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write


@pytest.mark.django_db
@pytest.mark.parametrize(
    "content",
    [
        f"{HEADER}\n{row(1)}\n{row(2)}\n",
        f"{HEADER}\n{row(1)}\n{row(2)}",
        f"\ufeff{HEADER}\r\n{row(1)}\r\n{row(2)}\r\n",
        f"{HEADER}\r{row(1)}\r{row(2)}\r",
        f"\n\n{row(1)}\n\n{row(2)}\n\n".replace("\n\n", f"{HEADER}\n\n", 1),
        f'{HEADER}\n"{row(1).replace(",", chr(34) + "," + chr(34))}"\n{row(2)}\n',
    ],
    ids=["lines", "no last line feed", "Windows and a mark", "old Macs", "blanks", "quotes"],
)
def test_every_common_form_of_csv_is_read(content, file, twin):
    found = told("import_subscriptions", file(content))

    assert found == "2 imported, 0 there already, 0 refused\n"
    assert {"Zoë"} == set(Customer.objects.values_list("name", flat=True))


@pytest.mark.django_db
def test_each_bad_line_is_named_and_the_others_go_in(file, twin):
    good = [row(n) for n in range(20)]
    lines = [
        HEADER,
        good[0],
        "one,two,three",
        good[1],
        row(90) + ",more",
        '"' + row(91),  # A quote that is never closed.
        good[2],
        row(92, name='a"b"c'),
        row(93, name='"a"b'),
        good[3],
        row(94, name="nul\0"),
        row(95, name="x" * 70_000),
        good[4],
        "",
        row(0),
        row(96, amount="29.85"),
        good[5],
        "   ",
        good[6],
    ]
    content = "\n".join(lines).encode() + b"\n" + row(97).encode().replace(b"Zo", b"\xff\xfe")
    content += b"\n" + row(98, name="\ufffd").encode() + b"\n"

    found = ending("import_subscriptions", file(content)).splitlines()

    reasons = {line.split(":")[0]: line.partition(": ")[2] for line in found[:-1]}
    assert {
        "line 3": "row: has 3 fields; the header has 14",
        "line 5": "row: has 15 fields; the header has 14",
        "line 6": "row: is no CSV: unexpected end of data",
        "line 9": "row: is no CSV: ',' expected after '\"'",
        "line 11": "name: must not hold control characters or broken Unicode",
        "line 12": "row: has more than 65536 characters",
        "line 15": "external_id: is already on line 2",
        "line 16": "amount: must be a whole number of minor units from 1 to 9007199254740991",
        "line 18": "row: has 1 fields; the header has 14",
        "line 20": "row: is not UTF-8",
    } == reasons
    assert found[-1] == "9 imported, 0 there already, 10 refused"
    assert {f"sub-{n}" for n in (0, 1, 2, 3, 4, 5, 6, 92, 98)} == set(
        Scheduler.objects.values_list("external_id", flat=True)
    )


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "it lacks external_id, name"),
        (b"\n", "it lacks external_id"),
        (HEADER.replace("amount", "prize").encode(), "it lacks amount; 1 columns are not known"),
        (f"{HEADER},{HEADER}".encode(), "a column stands twice"),
        (HEADER.encode("utf-16"), "the header is not UTF-8"),
        (b'"external_id', "the header is no CSV"),
        (b"x" * 70_000, "the header has more than 65536 characters"),
        (f"{HEADER},4111111111111111".encode(), "1 columns are not known"),
    ],
)
def test_a_wrong_header_is_refused_before_anything_is_written(content, words, file, twin):
    with pytest.raises(CommandError, match="file: the header") as caught:
        told("import_subscriptions", file(content + b"\n" + row(1).encode()))

    assert words in str(caught.value)
    assert "4111" not in str(caught.value)
    assert not Customer.objects.exists()


@pytest.mark.django_db
def test_a_file_that_is_not_there_and_a_company_that_is_not_are_named(file, tmp_path, twin, now):
    with pytest.raises(CommandError, match="file: No such file"):
        told("import_subscriptions", str(tmp_path / "none.csv"))
    with pytest.raises(CommandError, match="file: Is a directory"):
        told("import_subscriptions", str(tmp_path))
    with pytest.raises(CommandError, match="--company: guid: must be CP"):
        told("import_subscriptions", file(HEADER), company="goat")
    with pytest.raises(CommandError, match="--company: there is no such company"):
        told("import_subscriptions", file(HEADER), company="CP" + "1" * 22)


@pytest.mark.django_db
def test_a_dry_run_says_what_would_be_and_writes_nothing(file, twin, now):
    path = file(f"{HEADER}\n{row(1)}\n{row(2, amount='0')}\n")
    with pytest.raises(CommandError, match="no such company"):
        told("import_subscriptions", path, dry_run=True)
    assert not Company.objects.exists()
    Company.default(now=now)
    before = AuditEvent.objects.count()

    found = ending("import_subscriptions", path, dry_run=True)

    assert "line 3: amount: " in found
    assert "1 would be imported, 0 there already, 1 refused" in found
    assert (0, 0, 0, before) == (
        Customer.objects.count(),
        Plan.objects.count(),
        Scheduler.objects.count(),
        AuditEvent.objects.count(),
    )


@pytest.mark.django_db
def test_another_company_can_be_named(file, twin, now):
    other = Company.create(name="Other", now=now)

    told("import_subscriptions", file(f"{HEADER}\n{row(1)}\n"), company=other.guid)

    assert other == Scheduler.objects.get().company
