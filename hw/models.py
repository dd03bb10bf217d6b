"""Meaning of a meter's model number: the three formats that the maker has used.

The prefix decides. Lower case, spaces and hyphens are accepted anywhere between groups. An unknown number is explained
and stops nothing: metering continues with the limits of the largest meter made.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# A meter counts up to its rated current + 10 % (the maker's guide).
OVERLOAD = 1.1
LARGEST_KW = math.sqrt(3) * 600 * 1200 / 1000


class MeterLink(Enum):
    """How the meter communicates on RS485.

    Meters made before 26 Feb 2011 send unrequested, in an undocumented format.
    """

    LEGACY = "sends unrequested every 5 minutes, undocumented"
    EITHER = "Modbus RTU if made after 25 Feb 2011, else it sends unrequested every 5 minutes"
    MODBUS = "Modbus RTU"


@dataclass(frozen=True, slots=True)
class Model:
    """A legal model number and its meaning.

    `series`: 1000 or 2000. `volts`: line to neutral with 2 wires, else line to line. `ct_amps`: rating of the CTs;
    None: alternate or custom CTs, see their label. `demand_option`: None if the number does not show it. `notes`:
    ambiguities and warnings, as sentences.
    """

    text: str
    series: int
    wires: int
    phases: int
    volts: int
    grounded_delta: bool
    ct_amps: int | None
    demand_option: bool | None
    link: MeterLink
    notes: tuple[str, ...] = ()

    @property
    def rated_kw(self) -> float | None:
        """Power at the CTs' rating, in kW; None if the rating is not in the number."""
        if self.ct_amps is None:
            return None
        # Two legs of a 208 V wye are 120 V each, not 104.
        legs = {2: self.volts, 3: 240 if self.volts == 208 else self.volts, 4: math.sqrt(3) * self.volts}
        return legs[self.wires] * self.ct_amps / 1000

    @property
    def limit_kw(self) -> float:
        """Largest plausible power, in kW; that of the largest meter if the rating is not known."""
        return OVERLOAD * (LARGEST_KW if self.rated_kw is None else self.rated_kw)

    @property
    def service(self) -> str:
        """Service it is made for, in an electrician's terms."""
        delta = ", grounded delta" if self.grounded_delta else ""
        return f"{self.phases}-phase {self.wires}-wire, {self.volts} V{delta}"


@dataclass(frozen=True, slots=True)
class UnknownModel:
    """A text that is not a known model number, with the reasons as sentences. Metering continues without it."""

    text: str
    reasons: tuple[str, ...]

    @property
    def limit_kw(self) -> float:
        """Largest plausible power, in kW: that of the largest meter made."""
        return OVERLOAD * LARGEST_KW


def parse(text: str) -> Model | UnknownModel:
    """Return the one meaning of a model number, or why it has none."""
    compact = re.sub(r"[\s-]+", "", text).upper()
    if compact.startswith("BL"):
        return _before_2009(text, compact)
    if compact.startswith("S"):
        return _until_2011(text, compact)
    if compact.startswith(("1", "2")):
        return _since_2011(text, compact)
    return UnknownModel(text, ("it does not begin with BL, S1, S2, 1 or 2",))


# --- before March 2009: BL3-240-200-SP-PKG ---------------------------------------------------------------------------

_OLD_CTS = (100, 200, 400, 600, 800, 1200)
_OLD_VOLTS = {"2": (120, 277), "3": (208, 240, 480), "": (208, 480, 600)}
_OLD_DELTA_VOLTS = (240,)


def _before_2009(text: str, compact: str) -> Model | UnknownModel:
    form = re.fullmatch(r"BL(\d{6,8})(GL)?(SP|SO)PKG", compact, re.ASCII)
    if not form:
        return UnknownModel(
            text, ("a BL number has the form BL3-240-200-SP-PKG: wires, volts, CT, [GL], SP or SO, PKG",)
        )
    delta = form[2] is not None
    reasons: list[str] = []
    for wires, volts, ct in _old_splits(form[1]):
        reasons = _old_mistakes(wires, volts, ct, delta)
        if not reasons:
            return _old_model(text, wires, volts, ct, delta)
    return UnknownModel(text, tuple(reasons))


def _old_splits(digits: str) -> list[tuple[str, int, int]]:
    """Return the ways to split the digits into wires, volts, CT; the likeliest last, because its errors are shown."""
    without = [("", int(digits[:3]), int(digits[3:]))]
    if digits[0] not in "23" or len(digits) < 7:  # wires, three digits of volts, three of the CT
        return without
    return [*without, (digits[0], int(digits[1:4]), int(digits[4:]))]


def _old_mistakes(wires: str, volts: int, ct: int, delta: bool) -> list[str]:
    legal = _OLD_DELTA_VOLTS if delta else _OLD_VOLTS[wires]
    mistakes = []
    if delta and wires:
        mistakes.append("GL (grounded delta) belongs to a Series 2000, which has no digit for its wires")
    if volts not in legal:
        what = "grounded delta" if delta else f"{wires} wires" if wires else "a Series 2000"
        mistakes.append(f"{volts} V: with {what} the volts are {_listed(legal)}")
    if ct not in _OLD_CTS:
        mistakes.append(f"CT {ct} A: made with {_listed(_OLD_CTS)}")
    return mistakes


def _old_model(text: str, wires: str, volts: int, ct: int, delta: bool) -> Model:
    series = 1000 if wires else 2000
    count = int(wires or 4)
    return Model(text, series, count, _phases(count, volts), volts, delta, ct, None, MeterLink.LEGACY)


# --- March 2009 to July 2011: S1240N-01-01-021-01 --------------------------------------------------------------------

_MIDDLE_VOLTS = {"1": (120, 208, 240, 277, 480), "2": (208, 480, 600)}
_MIDDLE_CTS = ("011", "021", "022", "041", "061", "081", "121")
_MIDDLE_OPTIONS = {"00": False, "01": True, "02": False}
_CT_LIMIT_NOTE = (
    "CT code 022 is 200 A : 0.2 A, above the 0.12 A these inputs are rated for: "
    "compare with the CT's own label before trusting a reading near full load"
)


def _until_2011(text: str, compact: str) -> Model | UnknownModel:
    # The widths of capacity and installed are not documented, so the number is read from both ends.
    form = re.fullmatch(r"S([12])(\d{3})([A-Z])(\d*)(\d{3})(\d{2})", compact, re.ASCII)
    if not form:
        order = "series, volts, enclosure, capacity, installed, CT, option"
        return UnknownModel(text, (f"an S number has the form S1240N-01-01-021-01: {order}",))
    series, volts, enclosure, middle, ct, option = form.groups()
    mistakes = [
        *_unless(int(volts) in _MIDDLE_VOLTS[series], f"{volts} V: S{series} has {_listed(_MIDDLE_VOLTS[series])}"),
        *_unless(enclosure in "XSLRMN", f"enclosure {enclosure}: one of X, S, L, R, M, N"),
        *_unless(len(middle) > 1, "capacity and installed: at least one digit each"),
        *_unless(ct in _MIDDLE_CTS, f"CT {ct}: one of {_listed(_MIDDLE_CTS)}"),
        *_unless(option in _MIDDLE_OPTIONS, f"option {option}: one of {_listed(_MIDDLE_OPTIONS)}"),
    ]
    if mistakes:
        return UnknownModel(text, tuple(mistakes))
    return _middle_model(text, series, int(volts), middle=middle, ct=ct, option=option)


def _middle_model(text: str, series: str, volts: int, *, middle: str, ct: str, option: str) -> Model:
    wires = 4 if series == "2" else 2 if volts in {120, 277} else 3
    notes = [f"capacity and installed read {middle} together; how they divide is not documented"]
    if ct == "022":
        notes.append(_CT_LIMIT_NOTE)
    if option == "02":
        notes.append("option 02 is a 3-phase feed; whether it comes with the demand option is not documented")
    notes.append("made during the change: Modbus only if made after 25 Feb 2011; try Modbus, then listen for 330 s")
    demand = None if option == "02" else _MIDDLE_OPTIONS[option]
    phases = _phases(wires, volts)
    return Model(
        text, int(series) * 1000, wires, phases, volts, False, int(ct[:2]) * 100, demand, MeterLink.EITHER, tuple(notes)
    )


# --- since July 2011: 2N208-021 --------------------------------------------------------------------------------------

_NEW_VOLTS = {"1": ("120", "240", "277", "480"), "2": ("208", "416", "480", "24G", "48G")}
_NEW_CTS = {"01": 100, "02": 200, "04": 400, "06": 600, "08": 800, "12": 1200, "AA": None, "ZZ": None}
_NEW_OPTIONS = {"1": False, "D": True}


def _since_2011(text: str, compact: str) -> Model | UnknownModel:
    form = re.fullmatch(r"([12])([A-Z])(\d{2}[\dG])([0-9A-Z]{2})([0-9A-Z])", compact, re.ASCII)
    if not form:
        return UnknownModel(text, ("such a number has the form 2N208-021: series, enclosure, volts, CT, option",))
    series, enclosure, volts, ct, option = form.groups()
    mistakes = [
        *_unless(enclosure in "NR", f"enclosure {enclosure}: N (indoor) or R (outdoor)"),
        *_unless(volts in _NEW_VOLTS[series], f"{volts} V: series {series} has {_listed(_NEW_VOLTS[series])}"),
        *_unless(ct in _NEW_CTS, f"CT {ct}: one of {_listed(_NEW_CTS)}"),
        *_unless(option == "1" or option.isalpha(), f"option {option}: 1 (none), D (demand) or another letter"),
    ]
    if mistakes:
        return UnknownModel(text, tuple(mistakes))
    return _new_model(text, series, volts, ct, option)


def _new_model(text: str, series: str, volts: str, ct: str, option: str) -> Model:
    delta = volts.endswith("G")
    number = int(volts[:2]) * 10 if delta else int(volts)
    wires = 4 if series == "2" else 2 if number in {120, 277} else 3
    notes = []
    if _NEW_CTS[ct] is None:
        notes.append(f"CT {ct} is {'alternate' if ct == 'AA' else 'custom'}: its rating is on its own label")
    if option not in _NEW_OPTIONS:
        notes.append(
            f"option {option} is {'custom' if option == 'X' else 'not documented'}: it may or may not have demand"
        )
    return Model(
        text,
        int(series) * 1000,
        wires,
        _phases(wires, number),
        number,
        delta,
        _NEW_CTS[ct],
        _NEW_OPTIONS.get(option),
        MeterLink.MODBUS,
        tuple(notes),
    )


def _phases(wires: int, volts: int) -> int:
    """Three wires are a split phase at 240 V, and two legs of a wye at any other."""
    return {2: 1, 3: 1 if volts == 240 else 2, 4: 3}[wires]


def _unless(right: bool, mistake: str) -> list[str]:
    return [] if right else [mistake]


def _listed(legal: Iterable[object]) -> str:
    return ", ".join(str(one) for one in legal)
