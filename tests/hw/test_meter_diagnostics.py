"""What successive readings say of the meter itself."""

from __future__ import annotations

from hw.meter_diagnostics import Finding, FindingKind, MeterDiagnostics, Refresh


def _kinds(found: list[Finding]) -> list[FindingKind]:
    return [one.kind for one in found]


def test_a_restarted_uptime_is_a_power_loss() -> None:
    """100 s later it says 20 s: the meter was dark somewhere in the 80 s between."""
    watch = MeterDiagnostics()
    assert watch.uptime(0.0, 5000) == []
    assert watch.uptime(60.0, 5060) == []
    (noted,) = watch.uptime(160.0, 20)
    assert noted.kind is FindingKind.POWER_LOST
    assert "for 80 s or less" in noted.sentence


def test_a_young_meter_that_lost_power_is_found_out_too() -> None:
    """The uptime may be higher than before and still too low for the time that has passed."""
    watch = MeterDiagnostics()
    watch.uptime(0.0, 10)
    assert _kinds(watch.uptime(100.0, 50)) == [FindingKind.POWER_LOST]


def test_a_second_of_rounding_is_no_power_loss() -> None:
    """The register counts whole seconds and is read a moment later."""
    watch = MeterDiagnostics()
    watch.uptime(0.0, 10)
    assert watch.uptime(10.9, 19) == []


def test_another_program_id_is_another_meter() -> None:
    """Its uptime and counter then continue no earlier one."""
    watch = MeterDiagnostics()
    watch.uptime(0.0, 5000)
    watch.reset_counter(0.0, 3)
    assert watch.program_id(0.0, 1) == []
    assert _kinds(watch.program_id(1.0, 2)) == [FindingKind.REPLACED]
    assert watch.uptime(2.0, 7) == []
    assert watch.reset_counter(2.0, 0) == []


def test_a_counter_that_moved_by_itself_is_the_key_switch() -> None:
    """This program never resets unasked."""
    watch = MeterDiagnostics()
    assert watch.reset_counter(0.0, 3) == []
    assert _kinds(watch.reset_counter(1.0, 4)) == [FindingKind.PEAK_RESET]
    assert watch.reset_counter(2.0, 4) == []


def test_40005_that_falls_without_a_reset_is_present_demand() -> None:
    """A peak never falls by itself; said once."""
    watch = MeterDiagnostics()
    watch.reset_counter(0.0, 3)
    assert watch.beside_energy(0.0, 100, 0, 500) == []
    assert watch.beside_energy(1.0, 100, 0, 700) == []
    assert _kinds(watch.beside_energy(2.0, 100, 0, 650)) == [FindingKind.PRESENT_DEMAND]
    assert watch.beside_energy(3.0, 100, 0, 600) == []


def test_40005_that_falls_with_a_reset_or_a_power_loss_proves_nothing() -> None:
    """A reset lowers the peak, and power-up may."""
    watch = MeterDiagnostics()
    watch.reset_counter(0.0, 3)
    watch.beside_energy(0.0, 100, 0, 500)
    watch.reset_counter(1.0, 4)
    assert watch.beside_energy(2.0, 100, 0, 0) == []
    watch.uptime(2.0, 900)
    watch.beside_energy(3.0, 100, 0, 300)
    watch.uptime(60.0, 5)
    assert watch.beside_energy(61.0, 100, 0, 0) == []


def test_energy_to_the_grid_that_repeats_the_other_is_bogus() -> None:
    """Said once; zero says nothing at all."""
    watch = MeterDiagnostics()
    assert watch.beside_energy(0.0, 100, 0, 0) == []
    assert _kinds(watch.beside_energy(0.0, 100, 100, 0)) == [FindingKind.TO_GRID_BOGUS]
    assert watch.beside_energy(1.0, 101, 101, 0) == []
    assert _kinds(watch.beside_energy(1.0, 101, 55, 0)) == [FindingKind.TO_GRID_MOVES]


def test_a_peak_that_stays_zero_means_no_demand_option() -> None:
    """After 5 kWh every meter with the option shows something."""
    watch = MeterDiagnostics()
    watch.energy(0.0, 1000)
    assert watch.peak(0.0, 0) == []
    watch.energy(10.0, 1050)
    assert _kinds(watch.peak(10.0, 0)) == [FindingKind.NO_DEMAND_OPTION]
    assert watch.peak(20.0, 0) == []


def _refresh(every_s: float, kw: float, polls: int, poll_s: float = 5.0) -> float | None:
    refresh, found = Refresh(), None
    for poll in range(polls):
        now = poll * poll_s
        shown = now - now % every_s if every_s else now
        found = refresh.energy(now, int(kw * shown / 360)) or found
    return found


def test_a_register_that_stands_still_for_300_s_is_found_out() -> None:
    """It moves in steps of several ticks, as no load makes it."""
    assert _refresh(300.0, 10.0, 300) == 300.0


def test_a_slow_load_is_no_slow_register() -> None:
    """At 0.5 kW a tick comes each 720 s, and always alone."""
    assert _refresh(0.0, 0.5, 3000) is None


def test_a_fast_load_is_no_slow_register() -> None:
    """Several ticks between two polls say nothing: each poll moved."""
    assert _refresh(0.0, 400.0, 300) is None


def test_coarseness_is_said_once() -> None:
    """With the seconds it was measured to be."""
    watch, said = MeterDiagnostics(), []
    for poll in range(1000):
        now = poll * 5.0
        said += watch.energy(now, int((now - now % 300) / 36))
    assert _kinds(said) == [FindingKind.COARSE]
    assert "about every 300 s" in said[0].sentence
