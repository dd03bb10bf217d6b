"""Dataclasses that are quick to define: a start in the dark defines sixty of them before its first OFF.

The standard library writes each method of each class as source text and compiles it, and that was a fifth of a start.
Here all classes share a few methods that look the fields up. `dataclasses.fields`, `replace`, `asdict` and `match`
work as ever, but the first three have the standard library define a class after all, when they first meet it: this
module's `replace`, which stands between a contact and its OFF, does not. Making an object takes longer: what is made
for each message is a NamedTuple.
"""

from __future__ import annotations

import dataclasses
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    # What a checker knows of the standard library's holds for ours.
    from dataclasses import dataclass as dataclass  # noqa: PLC0414
    from dataclasses import replace as replace  # noqa: PLC0414

    Values = Callable[[Any], tuple[Any, ...]]

Class = TypeVar("Class", bound=type[Any])

_put = object.__setattr__
_ITS_OWN = ("__dict__", "__weakref__")


def lean(*, frozen: bool = False, slots: bool = False) -> Callable[[Class], Class]:
    """Return what makes a class a dataclass. No class inherits from one, and there are no options but these."""

    def made(cls: Class) -> Class:
        own = vars(cls)
        told: dict[str, Any] = own.get("__annotations__", {})
        given = {name: own[name] for name in told if name in own}
        body = {name: value for name, value in own.items() if name not in _ITS_OWN and name not in given}
        if slots:
            body["__slots__"] = tuple(told)
        body |= _methods(told, given, frozen=frozen)
        body["__dataclass_fields__"] = _Fields(told, given)
        lean_one: Any = type(cls)
        return cast("Class", lean_one(cls.__name__, cls.__bases__, body | {"__qualname__": cls.__qualname__}))

    return made


def replaced(one: Any, **changes: object) -> Any:  # noqa: ANN401  # an object of any class
    """Return a dataclass's object with some of its fields changed. Raises TypeError where a class has no such field."""
    kept = {name: getattr(one, name) for name in one.__match_args__ if name not in changes}
    return type(one)(**kept, **changes)


if not TYPE_CHECKING:
    dataclass, replace = lean, replaced


class _Fields:
    """What `dataclasses.fields` reads: made by the standard library, when it is first asked for."""

    def __init__(self, told: Mapping[str, Any], given: Mapping[str, Any]) -> None:
        self._told = told
        self._given = given

    def __get__(self, _one: object, owner: type[Any]) -> Any:  # noqa: ANN401  # the standard library's own
        body = {"__annotations__": self._told, "__module__": owner.__module__, "__doc__": "its twin", **self._given}
        twin: Any = dataclasses.dataclass(init=False, repr=False, eq=False)(type(owner.__name__, (), body))
        owner.__dataclass_fields__ = vars(twin)["__dataclass_fields__"]
        return owner.__dataclass_fields__


def _methods(told: Mapping[str, Any], given: Mapping[str, Any], *, frozen: bool) -> dict[str, Any]:
    names = tuple(told)
    values = _values(names)
    methods: dict[str, Any] = {
        "__init__": _init(names, given),
        "__match_args__": tuple(name for name in names if not _is_kept_out(given.get(name))),
        "__eq__": lambda one, other: values(one) == values(other) if type(other) is type(one) else NotImplemented,
        "__hash__": (lambda one: hash(values(one))) if frozen else None,
        "__repr__": _repr(names),
        # copy and pickle: past a frozen class's refusal.
        "__reduce__": lambda one: (_restored, (type(one), names, values(one))),
    }
    return methods | {"__setattr__": _refuse, "__delattr__": _refuse} if frozen else methods


def _is_kept_out(given: object) -> bool:
    return isinstance(given, dataclasses.Field) and not given.init


def _values(names: tuple[str, ...]) -> Values:
    if len(names) > 1:
        return attrgetter(*names)
    return lambda one: tuple(getattr(one, name) for name in names)


def _init(names: tuple[str, ...], given: Mapping[str, Any]) -> Callable[..., None]:
    taken = tuple(name for name in names if not _is_kept_out(given.get(name)))
    makers = {name: _maker(one) for name, one in given.items()}

    def init(self: Any, *values: object, **named: object) -> None:  # noqa: ANN401  # an object of any class
        told = dict(zip(taken, values)) | named  # noqa: B905  # fewer: the rest has its default
        if len(told) < len(values) + len(named) or not told.keys() <= {*taken}:
            raise TypeError(f"{type(self).__name__}() takes {', '.join(taken)}, each once, and was given more")
        for name in names:
            if name in told:
                _put(self, name, told[name])
            elif (make := makers.get(name)) is not None:
                _put(self, name, make())
            elif name in taken:
                raise TypeError(f"{type(self).__name__}() lacks {name!r}")
        if hasattr(self, "__post_init__"):
            self.__post_init__()

    return init


def _maker(given: Any) -> Callable[[], object] | None:  # noqa: ANN401  # a default of any class
    """Return what makes a field's value where none is given; None: nothing does."""
    if not isinstance(given, dataclasses.Field):
        return lambda: given
    if given.default_factory is not dataclasses.MISSING:
        return given.default_factory
    return None if given.default is dataclasses.MISSING else lambda: given.default


def _repr(names: tuple[str, ...]) -> Callable[[Any], str]:
    def shown(one: Any) -> str:  # noqa: ANN401  # an object of any class
        fields = ", ".join(f"{name}={getattr(one, name)!r}" for name in names)
        return f"{type(one).__qualname__}({fields})"

    return shown


def _refuse(_one: object, name: str, _value: object = None) -> NoReturn:
    raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")


def _restored(cls: type[Any], names: tuple[str, ...], values: tuple[object, ...]) -> object:
    one: object = object.__new__(cls)
    for name, value in zip(names, values, strict=True):
        _put(one, name, value)
    return one
