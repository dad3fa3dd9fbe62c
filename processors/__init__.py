"""The processors: found by name, loaded once, and met only through `processors.base`.

This room knows no framework. Nobody imports a processor's module by its name: `load` does, so
that a merchant's own processor is no different from ours.
"""

from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from inspect import signature
from typing import cast

from processors.base import Processor

# Other packages offer processors here: `name = "module:attribute"`.
ENTRY_POINT_GROUP = "billy.processors"

# Built in: dotted paths to something that is called without arguments, so that nothing loads early.
BUILT_IN = {
    "balanced": "processors.balanced:Balanced",
    "balanced-lookup": "processors.balanced:without_keys",
    "memory": "processors.memory:Memory",
}


@cache
def load(name: str, **timeouts: float) -> Processor:
    """Return the processor of that name: built in, installed, or a dotted path `module:attribute`.

    The attribute is a processor, or something that makes one when called. `timeouts` are handed to
    a maker that takes them by name (`connect_timeout_seconds`, `read_timeout_seconds`). It is
    loaded once per process. Raises LookupError for a name that nobody offers, and TypeError where
    the thing found is no processor.
    """
    found = _attribute(BUILT_IN[name]) if name in BUILT_IN else _elsewhere(name)
    ready = isinstance(found, Processor) and not isinstance(found, type)
    made = _made(found, timeouts) if callable(found) and not ready else found
    if not isinstance(made, Processor):
        message = f"{name} is no processor: it lacks a part of processors.base.Processor"
        raise TypeError(message)
    return made


def _made(maker: Callable[..., object], timeouts: Mapping[str, float]) -> object:
    taken = signature(maker).parameters
    return maker(**{name: seconds for name, seconds in timeouts.items() if name in taken})


def _elsewhere(name: str) -> object:
    """Look among the installed packages, then read the name as a dotted path."""
    for entry in entry_points(group=ENTRY_POINT_GROUP, name=name):
        return cast("object", entry.load())
    if ":" not in name:
        message = f"there is no processor named {name}"
        raise LookupError(message)
    return _attribute(name)


def _attribute(path: str) -> object:
    """Import `module:attribute`."""
    module, _, attribute = path.partition(":")
    try:
        return cast("object", getattr(import_module(module), attribute))
    except (ImportError, AttributeError) as error:
        message = f"there is no processor at {path}"
        raise LookupError(message) from error
