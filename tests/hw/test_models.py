"""Every legal model number has one meaning; every illegal one says why."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.models import LARGEST_KW, MeterLink, Model, UnknownModel, parse

_BL = [
    f"BL{wires}-{volts}-{ct}-{kind}-PKG"
    for wires, all_volts in {"2": (120, 277), "3": (208, 240, 480), "": (208, 480, 600)}.items()
    for volts, ct, kind in product(all_volts, (100, 200, 400, 600, 800, 1200), ("SP", "SO"))
] + [f"BL-240-{ct}-GL-{kind}-PKG" for ct, kind in product((100, 200, 400, 600, 800, 1200), ("SP", "SO"))]
_S = [
    f"S{series}{volts}{enclosure}-{capacity}-{installed}-{ct}-{option}"
    for series, all_volts in {"1": (120, 277, 208, 240, 480), "2": (208, 480, 600)}.items()
    for volts, enclosure, capacity, installed, ct, option in product(
        all_volts, "XSLRMN", ("1", "01", "24"), ("1", "08"), ("011", "022", "121"), ("00", "01", "02")
    )
]
_N = [
    f"{series}{enclosure}{volts}-{ct}{option}"
    for series, all_volts in {"1": ("120", "240", "277", "480"), "2": ("208", "416", "480", "24G", "48G")}.items()
    for enclosure, volts, ct, option in product(
        "NR", all_volts, ("01", "02", "04", "06", "08", "12", "AA", "ZZ"), ("1", "D", "X", "Q")
    )
]


@pytest.mark.parametrize("legal", [_BL, _S, _N], ids=["BL", "S", "since 2011"])
def test_every_legal_number_parses_to_one_meaning(legal: list[str]) -> None:
    """No legal number is refused, and none is spelt like another once the hyphens are gone."""
    meant = [parse(text) for text in legal]
    assert all(isinstance(model, Model) for model in meant)
    if legal is not _S:  # there capacity and installed run into one another: said in the model's notes
        assert len({text.replace("-", "") for text in legal}) == len(legal)


@given(st.sampled_from(_BL + _S + _N), st.randoms(use_true_random=False))
def test_case_spaces_and_hyphens_do_not_matter(text: str, random: object) -> None:
    """An electrician copies the number from a label in any way."""
    compact = text.replace("-", "")
    loose = "".join(char + random.choice(["", " ", "-"]) for char in compact).lower()  # type: ignore[attr-defined]
    exact, copied = parse(text), parse(loose)
    assert isinstance(exact, Model)
    assert isinstance(copied, Model)
    assert (copied.volts, copied.wires, copied.ct_amps, copied.link) == (
        exact.volts,
        exact.wires,
        exact.ct_amps,
        exact.link,
    )


@given(st.text(max_size=24) | st.from_regex(r"(BL|S[12]|[12][NR])[0-9A-Z-]{0,20}", fullmatch=True))
def test_whatever_is_no_model_number_says_why(text: str) -> None:
    """Nothing raises, and every refusal has a reason and a limit to meter on with."""
    meaning = parse(text)
    if isinstance(meaning, UnknownModel):
        assert meaning.reasons
        assert all(meaning.reasons)
        assert meaning.limit_kw == pytest.approx(1.1 * LARGEST_KW)
    else:
        assert 0 < meaning.limit_kw <= 1.1 * LARGEST_KW


@pytest.mark.parametrize(
    ("text", "rated_kw", "wires", "demand", "link"),
    [
        ("2N208-021", 72.05, 4, False, MeterLink.MODBUS),
        ("1N240-02D", 48.0, 3, True, MeterLink.MODBUS),
        ("1R277-01X", 27.7, 2, None, MeterLink.MODBUS),
        ("1N480-12D", 576.0, 3, True, MeterLink.MODBUS),
        ("2N480-12D", 997.66, 4, True, MeterLink.MODBUS),
        ("2N24G-02D", 83.14, 4, True, MeterLink.MODBUS),
        ("BL3-240-200-SP-PKG", 48.0, 3, None, MeterLink.LEGACY),
        ("BL3-208-100-SO-PKG", 24.0, 3, None, MeterLink.LEGACY),
        ("BL-600-1200-SP-PKG", 1247.08, 4, None, MeterLink.LEGACY),
        ("S1240N-01-01-021-01", 48.0, 3, True, MeterLink.EITHER),
        ("S2208X-24-08-041-00", 144.1, 4, False, MeterLink.EITHER),
    ],
)
def test_the_number_implies_the_rating(
    text: str, rated_kw: float, wires: int, demand: bool | None, link: MeterLink
) -> None:
    """The most kW follows from volts, wires and CT; 10 % above it is the limit of the plausible."""
    model = parse(text)
    assert isinstance(model, Model)
    assert model.rated_kw == pytest.approx(rated_kw, abs=0.01)
    assert model.limit_kw == pytest.approx(1.1 * rated_kw, abs=0.02)
    assert (model.wires, model.demand_option, model.link) == (wires, demand, link)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("2N240-021", "240 V: series 2 has 208, 416, 480, 24G, 48G"),
        ("1N208-021", "208 V: series 1 has 120, 240, 277, 480"),
        ("2Q208-021", "enclosure Q: N (indoor) or R (outdoor)"),
        ("2N208-031", "CT 03: one of 01, 02, 04, 06, 08, 12, AA, ZZ"),
        ("2N208-025", "option 5: 1 (none), D (demand) or another letter"),
        ("BL3-230-200-SP-PKG", "230 V: with 3 wires the volts are 208, 240, 480"),
        ("BL-240-200-SP-PKG", "240 V: with a Series 2000 the volts are 208, 480, 600"),
        ("BL3-240-300-SP-PKG", "CT 300 A: made with 100, 200, 400, 600, 800, 1200"),
        ("S1600N-01-01-021-01", "600 V: S1 has 120, 208, 240, 277, 480"),
        ("S1240N-01-01-023-01", "CT 023: one of 011, 021, 022, 041, 061, 081, 121"),
        ("S1240N-01-01-021-03", "option 03: one of 00, 01, 02"),
        ("XR-7", "it does not begin with BL, S1, S2, 1 or 2"),
    ],
)
def test_an_illegal_number_says_what_is_wrong(text: str, reason: str) -> None:
    """The sentence names the value and what is allowed in its place."""
    meaning = parse(text)
    assert isinstance(meaning, UnknownModel)
    assert reason in meaning.reasons


def test_an_oversized_ct_is_warned_of() -> None:
    """Code 022 gives 0.2 A to inputs rated for 0.12 A."""
    model = parse("S1240N-01-01-022-01")
    assert isinstance(model, Model)
    assert any("0.12 A" in note for note in model.notes)


def test_alternate_cts_have_no_rating_but_a_limit() -> None:
    """Where the number hides the CT's rating, only what no meter of the make can count is implausible."""
    model = parse("2N208-AAD")
    assert isinstance(model, Model)
    assert model.rated_kw is None
    assert model.limit_kw == pytest.approx(1.1 * LARGEST_KW)
    assert any("label" in note for note in model.notes)
