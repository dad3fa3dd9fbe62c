"""Write `shapes.py` from the OpenAPI description: `python3 -m examples.billy_client.generate`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
DESCRIPTION = HERE.parent.parent / "billy" / "api" / "openapi.json"
TARGET = HERE / "shapes.py"
# Those that the client tells; what these refer to comes with them.
WANTED = (
    *("CustomerShape", "PlanShape", "PayoutShape", "SubscriptionShape", "InvoiceShape"),
    *("TransactionShape", "SchedulerShape", "FeedShape", "FundingInstrumentShape", "EventShape"),
    "UsageShape",
)
PLAIN = {"string": "str", "integer": "int", "boolean": "bool", "object": "dict[str, Any]"}
FIRST = "What Billy's API tells, as types. Written by `generate.py` from the OpenAPI description."
HEAD = f'''"""{FIRST}"""

from __future__ import annotations

from typing import Any, TypeAlias, TypedDict
'''


def written(description: dict[str, Any]) -> str:
    """Return the text of the module."""
    schemas = description["components"]["schemas"]
    names = _needed(schemas)
    return HEAD + "".join(_class(name, schemas[name]) for name in names)


def _needed(schemas: dict[str, Any]) -> list[str]:
    found: list[str] = []

    def add(name: str) -> None:
        if name not in found:
            for inner in _references(schemas[name]):
                add(inner)
            found.append(name)

    for name in WANTED:
        add(name)
    return found


def _references(schema: Any) -> list[str]:
    text = json.dumps(schema)
    return [part.partition('"')[0] for part in text.split("#/components/schemas/")[1:]]


def _class(name: str, schema: dict[str, Any]) -> str:
    if "oneOf" in schema:
        return f"\n\n{name}: TypeAlias = {' | '.join(_references(schema))}\n"
    lines = [f"    {field}: {_type(said)}" for field, said in schema["properties"].items()]
    return f'\n\nclass {name}(TypedDict):\n    """{schema["description"]}"""\n\n' + "".join(
        f"{line}\n" for line in lines
    )


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return _references(schema)[0]
    if "oneOf" in schema and "type" not in schema:
        return f"{_references(schema)[0]} | None"
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    told = [_one(kind, schema) for kind in kinds if kind != "null"]
    return " | ".join([*told, *(["None"] if "null" in kinds else [])])


def _one(kind: str, schema: dict[str, Any]) -> str:
    return f"list[{_type(schema['items'])}]" if kind == "array" else PLAIN[kind]


if __name__ == "__main__":
    TARGET.write_text(written(json.loads(DESCRIPTION.read_text())), encoding="utf-8")
    sys.stdout.write(f"{TARGET}\n")
