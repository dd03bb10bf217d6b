"""The quick dataclasses beside the standard library's: whatever one does, the other does."""

from __future__ import annotations

import copy
import dataclasses
from dataclasses import FrozenInstanceError, asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

import pytest

from rules.lean import dataclass as quick
from rules.lean import replaced

if TYPE_CHECKING:
    from collections.abc import Callable


class Plain:
    """What both make a dataclass of."""

    space: int
    name: str = "pump"
    notes: list[str] = field(default_factory=list)
    doubled: int = field(init=False)
    seen: int = field(default=0, init=False)
    amps: float = field(default=20.0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "doubled", 2 * self.space)


@quick(frozen=True, slots=True)
class Single:
    """One field, frozen."""

    word: str


@quick(frozen=True, slots=True)
class Nothing:
    """No field at all."""


@quick(slots=True)
class Moved:
    """One that may be written to."""

    word: str = "on"


def both(**how: bool) -> tuple[type[Any], type[Any]]:
    """Return the same class twice, made by each."""
    mine: Any = quick(**how)(type("Plain", (), dict(vars(Plain))))
    theirs: Any = dataclass(**how)(type("Plain", (), dict(vars(Plain))))
    return mine, theirs


WAYS = [{"frozen": True, "slots": True}, {"slots": True}, {"frozen": True}]


@pytest.mark.parametrize("how", WAYS)
def test_an_object_has_the_same_fields_with_the_same_values(how: dict[str, bool]) -> None:
    """Given by place, by name, by default, made anew for each, or worked out at the end."""
    mine, theirs = (cls(3, notes=["a"]) for cls in both(**how))
    assert asdict(mine) == asdict(theirs)
    assert [one.name for one in fields(mine)] == [one.name for one in fields(theirs)]
    assert asdict(replace(mine, space=4, name="x")) == asdict(replace(theirs, space=4, name="x"))
    assert type(mine)(1).notes is not type(mine)(1).notes
    assert repr(mine).replace(type(mine).__qualname__, "") == repr(theirs).replace(type(theirs).__qualname__, "")
    assert type(mine).__match_args__ == type(theirs).__match_args__


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize(
    "call",
    [
        lambda cls: cls(),
        lambda cls: cls(1, "a", [], 2.0, 3.0),
        lambda cls: cls(1, space=1),
        lambda cls: cls(1, watts=3),
        lambda cls: cls(1, doubled=3),
        lambda cls: cls(1, seen=3),
    ],
)
def test_what_the_one_refuses_the_other_refuses(how: dict[str, bool], call: Callable[[type[Any]], object]) -> None:
    """Too few, too many, twice, unknown, not to be given."""
    for cls in both(**how):
        with pytest.raises(TypeError):
            call(cls)


@pytest.mark.parametrize("how", WAYS)
def test_some_fields_are_changed_and_the_others_kept(how: dict[str, bool]) -> None:
    """On either's objects; what is worked out is worked out anew, and no field is invented."""
    for cls in both(**how):
        one = cls(3, notes=["a"])
        changed, twin = replaced(one, space=4, name="x"), replace(one, space=4, name="x")
        assert asdict(changed) == asdict(twin)
        assert (changed.doubled, one.space) == (8, 3)
        with pytest.raises(TypeError):
            replaced(one, watts=3)


def test_to_change_a_field_asks_the_standard_library_for_nothing() -> None:
    """It would define the class once more, between a contact and its first OFF."""
    cls: Any = quick(frozen=True)(type("Fresh", (), {"__annotations__": {"amps": float}, "amps": 20.0}))
    asked = vars(cls)["__dataclass_fields__"]
    assert replaced(cls(), amps=15.0).amps == 15.0
    assert vars(cls)["__dataclass_fields__"] is asked


def test_equal_fields_of_one_class_make_equal_objects() -> None:
    """And what is frozen has the same hash for the same fields."""
    assert Single("on") == Single("on")
    assert Single("on") != Single("off")
    moved: object = Moved("on")
    assert Single("on") != moved
    assert hash(Single("on")) == hash(Single("on"))
    assert Nothing() == Nothing()
    assert repr(Nothing()).endswith("Nothing()")
    with pytest.raises(TypeError, match="unhashable"):
        hash(Moved())


def test_what_is_frozen_cannot_be_changed() -> None:
    """Nor can a field be taken away; what is not frozen can be written to."""
    one, moved = Single("on"), Moved()
    with pytest.raises(FrozenInstanceError, match="word"):
        one.word = "off"  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError, match="word"):
        del one.word
    moved.word = "off"
    assert moved == Moved("off")


@pytest.mark.parametrize("one", [Single("on"), Moved("off"), Nothing()])
def test_an_object_can_be_copied(one: object) -> None:
    """Past the refusal of a frozen class."""
    assert copy.deepcopy(one) == one
    assert copy.copy(one) == one


def test_a_class_without_slots_keeps_its_defaults_off_the_class() -> None:
    """Its objects have them all the same."""
    assert dataclasses.is_dataclass(Single)
    bare: Any = quick()(type("Bare", (), {"__annotations__": {"amps": float}, "amps": 20.0}))
    assert bare().amps == 20.0
