"""Mutations of the drill for `bench.mutants`: each breaks one of its rules."""

from __future__ import annotations

from bench.mutations import BOOK, CONTACT, OUTAGE, M

RULE, DRILLING = "rules/drill.py", "controller/core/drill.py"

DRILL_MUTATIONS = (
    M("drill", "never ends", OUTAGE, "self.drill_ends_at = at + for_s", "self.drill_ends_at = None"),
    M("drill", "lasts twice as long", OUTAGE, "self.drill_ends_at = at + for_s", "self.drill_ends_at = at + 2 * for_s"),
    M(
        "drill",
        "ends and restores nothing",
        OUTAGE,
        "        self._close_records_of_on_circuits(at)\n        self.transition(Trigger.DRILL_ENDED, at)\n",
        "        for one in [*self._ledger.owed_circuits]:\n            self._ledger.clear(one)\n"
        "        self.transition(Trigger.DRILL_ENDED, at)\n",
    ),
    M(
        "drill",
        "waits although utility was never lost",
        OUTAGE,
        "        if stable:\n            self.transition(Trigger.STABLE, at)\n",
        "",
    ),
    M(
        "drill",
        "a circuit that was never switched off stays owed",
        OUTAGE,
        "        self._close_records_of_on_circuits(at)\n        self.transition(Trigger.DRILL_ENDED, at)\n",
        "        self.transition(Trigger.DRILL_ENDED, at)\n",
    ),
    M(
        "drill",
        "a transfer does not end it",
        OUTAGE,
        "        if self.drill_holds:\n            self.transition(Trigger.DRILL_ENDED, at)",
        "        if at < 0:\n            self.transition(Trigger.DRILL_ENDED, at)",
    ),
    M(
        "drill",
        "stays a drill when a transfer comes",
        BOOK,
        'stage="open", kind="outage", openings=',
        'stage="open", openings=',
    ),
    M(
        "drill",
        "goes on while the contact is unknown",
        CONTACT,
        "        if self._outage.drill_holds:\n            self._outage.end_drill(",
        "        if at < 0:\n            self._outage.end_drill(",
    ),
    M("drill", "begins while something is owed", RULE, "        bool(owed),", "        not standing,"),
    M("drill", "begins with a circuit under way", RULE, "yield bool(under_way),", "yield not standing,"),
    M("drill", "begins in an outage", RULE, "yield standing.outage_open,", "yield not standing,"),
    M("drill", "begins on a failing disk", RULE, "        standing.disk_failing,", "        not standing,"),
    M("drill", "begins before utility is stable", RULE, "unstable = not standing.stable or", "unstable ="),
    M(
        "drill",
        "begins although an event intervened",
        DRILLING,
        "(reason := self._obstacle()) is not None:",
        '(reason := self._obstacle()) == "":',
    ),
    M("drill", "begins before the plan is on the disk", RULE, "NOTICE_S = 1.0", "NOTICE_S = 0.0"),
    M(
        "drill",
        "two at a time",
        DRILLING,
        "        if self._announced is not None:\n            return RequestDecision(ok=False",
        "        if request.at < 0:\n            return RequestDecision(ok=False",
    ),
    M(
        "drill",
        "`before` is of the request, not of the beginning",
        BOOK,
        "        self._update_before(positions)\n",
        "",
    ),
    M("drill", "forgotten by a start", BOOK, "self._drill_has_begun = self.is_drill", "self._drill_has_begun = False"),
)
