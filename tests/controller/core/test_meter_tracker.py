"""What the engine owns of the meter: freshness, samples, and the energy and peak of an outage."""

from __future__ import annotations

import pytest

from controller.core.events import EnergyRead, ExtraMeterRead, MeterIdentified, MeterSilent, PulseSeen
from controller.core.meter_tracker import CounterSnapshot, Freshness, MeterTracker, MeterTrackerSettings
from rules.metering.demand import Quality

BOTH = MeterTrackerSettings(max_kw=48.0, poll_s=5.0, pulses=True)
REGISTER = MeterTrackerSettings(max_kw=48.0, poll_s=5.0)


class House:
    """A steady load through a meter that is polled, with edges where they are wired."""

    def __init__(
        self,
        settings: MeterTrackerSettings = BOTH,
        tenths: int = 1000,
        *,
        answers: bool = True,
        loses_edges: bool = False,
    ) -> None:
        self.metering = MeterTracker(settings, 0.0)
        self.wired = settings.pulses
        self.answers, self.loses_edges = answers, loses_edges
        self.now = 0.0
        self.kw_s = tenths * 360.0
        self.noted: list[str] = []
        self.poll()

    def poll(self) -> None:
        if not self.answers:
            self.metering.on_meter_event(MeterSilent(self.now, "no answer"))
            return
        self.noted += [
            line.event for line in self.metering.on_meter_event(EnergyRead(self.now, int(self.kw_s / 360.0 + 1e-9)))
        ]

    def draw(self, kw: float, seconds: float) -> None:
        """Draw `kw` for `seconds`, with an edge every 5 Wh and a poll every 5 s."""
        ended = self.now + seconds
        while self.now < ended:
            step = min(5.0, ended - self.now)
            before = self.kw_s
            while self.kw_s // 18.0 < (before + kw * step) // 18.0:
                self.kw_s = (self.kw_s // 18.0 + 1) * 18.0
                if self.wired and not (self.loses_edges and self.kw_s % 36.0 < 18.0):
                    self.metering.on_meter_event(PulseSeen(self.now + (self.kw_s - before) / kw))
            self.kw_s = before + kw * step
            self.now += step
            self.poll()

    def fall_silent(self, seconds: float) -> None:
        for _ in range(int(seconds / 5)):
            self.now += 5.0
            self.metering.on_meter_event(MeterSilent(self.now, "no answer"))


def test_the_energy_of_an_outage_is_what_the_register_rose() -> None:
    """And beside it, the edges."""
    house = House()
    house.draw(6.0, 600.0)
    house.metering.outage_began(house.now)
    house.draw(6.0, 3600.0)
    assert house.metering.outage_energy_kwh() == pytest.approx(6.0, abs=0.1)
    assert house.metering.outage_pulses_kwh() == pytest.approx(6.0, abs=0.005)


def test_the_figures_hold_once_utility_is_back_and_run_on_in_the_same_outage() -> None:
    """Utility comes and goes; the energy is the difference from the first opening to the last closing."""
    house = House()
    house.metering.outage_began(house.now)
    house.draw(6.0, 600.0)
    house.metering.outage_ended(house.now)
    house.draw(6.0, 600.0)
    assert house.metering.outage_energy_kwh() == pytest.approx(1.0)
    house.metering.outage_began(house.now)
    house.draw(6.0, 600.0)
    assert house.metering.outage_energy_kwh() == pytest.approx(3.0)
    house.metering.outage_closed()
    assert house.metering.outage_energy_kwh() is None
    assert house.metering.outage_peak_kw(house.now) is None


def test_an_outage_survives_a_restart_in_the_middle() -> None:
    """The register went on counting; the mark on disk says from where, and the peak so far is kept."""
    house = House()
    mark = house.metering.outage_began(house.now)
    house.draw(6.0, 1800.0)
    peak_kw = house.metering.outage_peak_kw(house.now)

    again = House(tenths=int(house.kw_s / 360.0) + 5)
    again.metering.resume(0.0, mark, peak_kw)
    again.draw(2.0, 1800.0)
    assert again.metering.outage_energy_kwh() == pytest.approx(3.0 + 0.5 + 1.0, abs=0.11)
    assert again.metering.outage_peak_kw(again.now) == pytest.approx(6.0, abs=0.05)


@pytest.mark.parametrize(
    ("tenths", "noted"),
    [
        (7, ["meter_reading_held", "meter_replaced"]),
        (0, ["meter_reading_held", "meter_replaced"]),
        (5_000_000, ["meter_replaced"]),
    ],
)
def test_another_meter_while_the_program_was_down_leaves_its_energy_unknown(tenths: int, noted: list[str]) -> None:
    """No register falls for a minute, nor rises in two weeks by more than the meter can measure."""
    again = restarted_in_an_outage(1_234_560)
    entries = [entry for at in range(5, 75, 5) for entry in again.on_meter_event(EnergyRead(float(at), tenths))]
    assert [entry.event for entry in entries] == noted
    assert again.outage_energy_kwh() is None


def test_a_meter_that_boots_with_the_pi_is_the_same_meter() -> None:
    """It answers 0 for some polls after the restart; the energy is that of its register."""
    again = restarted_in_an_outage(1_234_560)
    for at, tenths in ((5.0, 0), (10.0, 0), (15.0, 1_234_570)):
        again.on_meter_event(EnergyRead(at, tenths))
    assert again.outage_energy_kwh() == pytest.approx(1.0)
    assert again.view(16.0).energy_kwh == 123_457.0


def restarted_in_an_outage(tenths: int) -> MeterTracker:
    """Return a tracker whose outage began at this register, before the program started."""
    mark = House(tenths=tenths).metering.outage_began(0.0)
    again = MeterTracker(MeterTrackerSettings(48.0), 0.0)
    again.resume(0.0, mark)
    return again


@pytest.mark.parametrize("identity", [None, "2N208-021 45678"])
def test_a_meter_that_wakes_with_0_in_the_outage_counts_its_energy(identity: str | None) -> None:
    """With and without an answer to 0x11: no other meter, the last good value ages, then the register continues."""
    house = House(REGISTER)
    house.metering.on_meter_event(MeterIdentified(0.0, identity))
    house.draw(6.0, 60.0)
    house.metering.outage_began(house.now)
    house.draw(6.0, 600.0)
    kw_s, house.kw_s = house.kw_s, 0.0
    for _ in range(8):
        house.now += 5.0
        house.poll()
    assert house.metering.freshness_changed(house.now) is Freshness.STALE
    house.kw_s = kw_s
    house.draw(6.0, 600.0)
    assert house.noted == ["meter_reading_held"]
    assert house.metering.outage_energy_kwh() == pytest.approx(2.0, abs=0.11)


def test_a_lower_register_of_the_same_identity_never_counts() -> None:
    """It is not another meter: its last good value ages. Another identity is another meter, after a minute."""
    house = House(REGISTER)
    house.metering.on_meter_event(MeterIdentified(0.0, "A"))
    house.poll()
    house.metering.outage_began(house.now)
    house.kw_s = 0.0
    house.draw(1.0, 300.0)
    assert house.noted == ["meter_reading_held"]
    house.metering.on_meter_event(MeterIdentified(house.now, "B"))
    house.draw(1.0, 10.0)
    assert house.noted == ["meter_reading_held", "meter_replaced"]
    assert house.metering.outage_energy_kwh() is None


def test_a_register_that_returns_after_a_long_boot_has_its_energy() -> None:
    """It was taken for another meter after a minute of 0; then it continues from before."""
    house = House(REGISTER)
    house.metering.outage_began(house.now)
    house.draw(6.0, 600.0)
    kw_s, house.kw_s = house.kw_s, 0.0
    for _ in range(20):
        house.now += 5.0
        house.poll()
    assert house.metering.outage_energy_kwh() is None
    house.kw_s = kw_s
    house.draw(6.0, 600.0)
    assert house.noted == ["meter_reading_held", "meter_replaced", "meter_reading_held", "meter_returned"]
    assert house.metering.outage_energy_kwh() == pytest.approx(2.0, abs=0.11)


def test_an_outage_does_not_begin_with_the_0_of_a_booting_meter() -> None:
    """Pi and meter start together in the outage: it counts from the register, not from 0."""
    metering = MeterTracker(REGISTER, 0.0)
    metering.outage_began(0.1)
    for at, tenths in ((5.0, 0), (10.0, 0), (15.0, 5000), (20.0, 5000), (25.0, 5001)):
        metering.on_meter_event(EnergyRead(at, tenths))
    assert metering.outage_energy_kwh() == pytest.approx(0.1)


def test_a_further_meter_that_boots_publishes_no_0() -> None:
    """Its last good value ages."""
    metering = MeterTracker(REGISTER, 0.0)
    accepted = [
        metering.accepts_extra(ExtraMeterRead(5.0 * n, "barn", tenths)) for n, tenths in enumerate((900, 0, 0, 901))
    ]
    assert accepted == [True, False, False, True]
    assert metering.accepts_extra(ExtraMeterRead(30.0, "barn", None))


def test_an_outage_over_a_rollover_counts_on() -> None:
    """Ten million tenths, and from nought again."""
    house = House(REGISTER, tenths=9_999_995)
    house.metering.outage_began(house.now)
    house.draw(6.0, 600.0 - 300.0 * 2 + 290.0)
    for tenths in (9_999_999, 3):
        house.now += 300.0
        house.noted += [line.event for line in house.metering.on_meter_event(EnergyRead(house.now, tenths))]
    assert house.noted == ["meter_rolled_over"]
    assert house.metering.outage_energy_kwh() == pytest.approx(0.8)


@pytest.mark.parametrize("tenths", [0, 500_000])
def test_another_meter_in_the_outage_leaves_its_energy_unknown(tenths: int) -> None:
    """The edges still know; the log says why."""
    house = House()
    house.metering.outage_began(house.now)
    house.draw(6.0, 600.0)
    house.kw_s = tenths * 360.0
    house.draw(6.0, 600.0)
    assert house.noted == ["meter_reading_held", "meter_replaced"]
    assert house.metering.outage_energy_kwh() is None
    assert house.metering.outage_pulses_kwh() == pytest.approx(2.0, abs=0.01)


def test_an_outage_that_begins_before_the_first_reading_counts_from_it() -> None:
    """The Pi starts during the outage, the meter a little later; the saved counters then change."""
    metering = MeterTracker(REGISTER, 0.0)
    assert metering.outage_began(0.1) == CounterSnapshot(None, None)
    metering.on_meter_event(MeterSilent(5.0, "no answer"))
    assert metering.outage_energy_kwh() is None
    metering.on_meter_event(EnergyRead(10.0, 500))
    assert metering.outage_counters == CounterSnapshot(500, None)
    metering.on_meter_event(EnergyRead(400.0, 502))
    assert metering.outage_energy_kwh() == pytest.approx(0.2)


def test_an_old_reading_does_not_begin_an_outage() -> None:
    """A meter silent since yesterday would charge the generator with a day on utility."""
    house = House()
    house.fall_silent(60.0)
    assert house.metering.freshness_changed(house.now) is Freshness.STALE
    assert house.metering.outage_began(house.now).register_tenths is None


def test_a_short_outage_has_its_average_for_a_peak() -> None:
    """Until fifteen minutes of it have passed; then the highest window that lies wholly in it."""
    house = House()
    house.draw(12.0, 1200.0)
    house.metering.outage_began(house.now)
    house.draw(3.0, 300.0)
    assert house.metering.outage_peak_kw(house.now) == pytest.approx(3.0, abs=0.1)
    house.draw(3.0, 900.0)
    assert house.metering.outage_peak_kw(house.now) == pytest.approx(3.0, abs=0.1)
    view = house.metering.view(house.now)
    assert view.peak_15min_kw == pytest.approx(12.0, abs=0.1)


@pytest.mark.parametrize("settings", [BOTH, REGISTER])
def test_the_average_of_a_short_outage_does_not_fall_while_the_meter_is_silent(settings: MeterTrackerSettings) -> None:
    """It goes as far as the meter was heard, and no further: silence is not rest."""
    house = House(settings)
    house.draw(6.0, 600.0)
    house.metering.outage_began(house.now)
    house.draw(6.0, 240.0)
    for _ in range(40):
        house.fall_silent(10.0)
        peak = house.metering.outage_peak_kw(house.now)
        assert peak == pytest.approx(6.0, abs=0.6), house.now
    house.metering.outage_ended(house.now)
    assert house.metering.outage_peak_kw(house.now) == peak


def peaks_in_silence(house: House) -> list[float | None]:
    """Return the outage's peak, each ten seconds of five minutes in which nothing is heard at all."""
    peaks = []
    for _ in range(30):
        house.fall_silent(10.0)
        peaks.append(house.metering.outage_peak_kw(house.now))
    return peaks


def test_the_average_of_a_short_outage_goes_by_the_witness_that_was_heard_last() -> None:
    """The register falls silent a minute into the outage, the edges five minutes later."""
    house = House()
    house.draw(6.0, 600.0)
    house.metering.outage_began(house.now)
    house.draw(6.0, 60.0)
    house.answers = False
    house.draw(6.0, 300.0)
    assert peaks_in_silence(house) == pytest.approx([6.0] * 30, abs=0.2)


def test_edges_in_doubt_do_not_stretch_the_average() -> None:
    """Every other one is lost, and they go on when the register has fallen silent: they are no witness."""
    house = House(loses_edges=True)
    house.draw(6.0, 900.0)
    house.metering.outage_began(house.now)
    house.draw(6.0, 240.0)
    house.answers = False
    for _ in range(30):
        house.draw(6.0, 10.0)
        assert house.metering.outage_peak_kw(house.now) == pytest.approx(6.0, abs=0.6)


def test_edges_alone_have_an_average_when_they_have_stopped() -> None:
    """The register has never answered."""
    house = House(answers=False)
    house.draw(6.0, 600.0)
    house.metering.outage_began(house.now)
    house.draw(6.0, 240.0)
    assert peaks_in_silence(house) == pytest.approx([6.0] * 30, abs=0.2)


def test_a_register_that_has_not_ticked_yet_has_no_average() -> None:
    """Four minutes without a count may be 0 or 1.4 kW: unknown is not published as 0."""
    house = House(REGISTER)
    house.metering.outage_began(house.now)
    house.draw(1.0, 240.0)
    assert house.metering.outage_peak_kw(house.now) is None


def test_a_meter_that_was_silent_before_the_outage_says_nothing_of_its_peak() -> None:
    """Not the average of the time before it, nor 0."""
    house = House(REGISTER)
    house.draw(6.0, 600.0)
    house.fall_silent(60.0)
    house.metering.outage_began(house.now)
    house.fall_silent(60.0)
    assert house.metering.outage_peak_kw(house.now) is None


def test_the_register_goes_stale_three_polls_after_the_last_reading_and_says_so_once() -> None:
    """The deadline is named before, and not again until it is fresh."""
    house = House()
    house.draw(6.0, 60.0)
    assert house.metering.deadline() == 75.0
    assert house.metering.freshness_changed(74.9) is None
    assert house.metering.freshness_changed(75.0) is Freshness.STALE
    assert house.metering.freshness_changed(80.0) is None
    assert house.metering.deadline() is None
    house.now = 90.0
    house.poll()
    assert house.metering.freshness_changed(90.0) is Freshness.FRESH
    assert house.metering.deadline() == 105.0


def test_a_meter_that_never_answers_goes_stale_after_the_start() -> None:
    """Three polls are its chance."""
    metering = MeterTracker(REGISTER, 100.0)
    assert metering.deadline() == 115.0
    assert metering.freshness_changed(115.0) is Freshness.STALE
    metering.on_meter_event(MeterSilent(116.0, "no answer on /dev/ttyUSB0"))
    assert metering.silent_reason == "no answer on /dev/ttyUSB0"


def test_a_short_poll_does_not_blame_a_meter_that_wakes_with_the_house() -> None:
    """A second is soon over: the first reading has fifteen."""
    metering = MeterTracker(MeterTrackerSettings(max_kw=48.0, poll_s=1.0), 100.0)
    assert metering.freshness_changed(114.9) is None
    assert metering.freshness_changed(115.0) is Freshness.STALE
    metering.on_meter_event(EnergyRead(116.0, 500))
    assert metering.freshness_changed(116.0) is Freshness.FRESH
    assert metering.freshness_changed(119.0) is Freshness.STALE


def test_a_meter_with_pulses_alone_is_never_stale() -> None:
    """Meters made before 2011 do not respond."""
    metering = MeterTracker(MeterTrackerSettings(max_kw=48.0, poll_s=None, pulses=True), 0.0)
    for second in range(0, 1000, 10):
        metering.on_meter_event(PulseSeen(float(second)))
    assert metering.deadline() is None
    assert metering.freshness_changed(1e6) is None
    view = metering.view(995.0)
    assert view.kw == pytest.approx(1.8)
    assert (view.kw_quality, view.energy_kwh) == (Quality.PULSES, None)
    assert metering.register_tenths is None


def test_a_sample_bears_quality_age_and_both_counters() -> None:
    """None is unknown, never 0."""
    house = House()
    house.draw(6.0, 1000.0)
    row = house.metering.sample(7, house.now)
    assert (row.outage, row.at, row.kw_quality, row.kw_is_upper_bound) == (7, 1000.0, "pulses", False)
    assert row.kw == pytest.approx(6.0)
    assert row.energy_kwh == pytest.approx(101.6)
    assert row.pulses == house.metering.pulse_count == 333
    house.fall_silent(60.0)
    row = house.metering.sample(7, house.now)
    assert (row.kw, row.demand_5min_kw, row.kw_quality) == (None, None, "stale")
    assert row.age_s == pytest.approx(60.0, abs=3.0)


def test_counts_from_before_the_start_go_on() -> None:
    """The total is kept by others and handed in."""
    metering = MeterTracker(BOTH, 0.0, counted=1000)
    metering.on_meter_event(PulseSeen(1.0))
    assert metering.pulse_count == 1001
    assert metering.view(2.0).pulses_kwh == pytest.approx(5.005)


def test_lost_edges_are_said_once() -> None:
    """While they stand in doubt; and that they agree again."""
    house = House()
    house.draw(6.0, 600.0)
    for second in range(605, 1400, 5):
        house.now = float(second)
        house.kw_s += 6.0 * 5.0
        house.poll()
    assert house.noted == ["pulse_mismatch"]
    house.metering.outage_began(house.now)
    assert house.metering.view(house.now).kw_quality is Quality.COARSE
    house.draw(6.0, 600.0)
    assert house.noted == ["pulse_mismatch", "pulse_mismatch_cleared"]


def test_a_meter_that_sees_nothing_for_ten_minutes_of_an_outage_is_blind() -> None:
    """With circuits on, its current transformers stand on the wrong side of the transfer switch."""
    house = House()
    house.draw(6.0, 60.0)
    house.metering.outage_began(house.now)
    house.draw(0.0, 595.0)
    assert not house.metering.blind(house.now)
    house.draw(0.0, 10.0)
    assert house.metering.blind(house.now)
    house.draw(6.0, 60.0)
    assert not house.metering.blind(house.now)


def test_no_outage_has_no_figures() -> None:
    """None is unknown."""
    metering = House().metering
    assert metering.outage_counters is None
    assert metering.outage_energy_kwh() is None
    assert metering.outage_pulses_kwh() is None
    assert metering.outage_peak_kw(1.0) is None
    assert not metering.blind(1e6)


def test_the_end_of_an_outage_that_was_not_measured_has_no_figures() -> None:
    """Circuits may be owed at a start although no outage is open."""
    house = House()
    house.metering.outage_ended(5.0)
    house.metering.outage_closed()
    assert (house.metering.outage_energy_kwh(), house.metering.outage_peak_kw(5.0)) == (None, None)


def test_a_first_reading_after_an_outage_without_readings_replaces_no_meter() -> None:
    """Without a register value at the beginning there is nothing to compare it with."""
    house = House(REGISTER, answers=False)
    house.metering.outage_began(0.0)
    house.metering.outage_ended(10.0)
    house.answers = True
    house.poll()
    assert house.noted == []
    assert house.metering.outage_energy_kwh() is None


def test_an_unknown_meter_event_is_a_programming_error() -> None:
    """The program crashes and is restarted: it does not run on with an event that it does not process."""
    with pytest.raises(AssertionError):
        House().metering.on_meter_event("gas")  # type: ignore[arg-type]
