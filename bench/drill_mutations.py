"""Named breakages of the drill: what it would be if its rules were not kept. For `bench.mutants`."""

from __future__ import annotations

from bench.mutations import BOOK, OUTAGE, M

RULE, DRILLING = "rules/drill.py", "controller/core/drill.py"

DRILL_MUTATIONS = (
    M("drill", "never ends", DRILLING, "if self._coming is not None else self.until", "if self._coming else None"),
    M("drill", "lasts twice as long", DRILLING, "self._until = at + for_s", "self._until = at + 2 * for_s"),
    M(
        "drill",
        "ends, and gives nothing back",
        OUTAGE,
        "        self._judge(at)\n        self.fire(Trigger.DRILL_OVER, at)\n",
        "        for one in [*self._ledger.owing]:\n            self._ledger.forgive(one)\n"
        "        self.fire(Trigger.DRILL_OVER, at)\n",
    ),
    M(
        "drill",
        "waits for a utility that never went",
        OUTAGE,
        "        if self.stable:\n            self.fire(Trigger.STABLE, at)\n",
        "",
    ),
    M(
        "drill",
        "what was never switched off stays owed",
        OUTAGE,
        "        self._judge(at)\n        self.fire(Trigger.DRILL_OVER, at)\n",
        "        self.fire(Trigger.DRILL_OVER, at)\n",
    ),
    M(
        "drill",
        "a transfer in it is not taken over",
        OUTAGE,
        "            if self.drilling:\n                self.fire(Trigger.DRILL_OVER, at)",
        "            if at < 0:\n                self.fire(Trigger.DRILL_OVER, at)",
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
        "goes on where nobody knows the contact",
        OUTAGE,
        "        if self.drilling:\n            self.end_drill(",
        "        if at < 0:\n            self.end_drill(",
    ),
    M("drill", "begins while something is owed", RULE, "yield bool(owed),", "yield not standing,"),
    M("drill", "begins with a circuit under way", RULE, "yield bool(under_way),", "yield not standing,"),
    M("drill", "begins in an outage", RULE, "yield unfinished,", "yield not standing,"),
    M("drill", "begins on a failing disk", RULE, "yield standing.disk_failing,", "yield not standing,"),
    M("drill", "begins before utility is stable", RULE, "yield not standing.stable,", "yield not standing,"),
    M(
        "drill",
        "begins though something came between",
        DRILLING,
        "(because := self._came_between()) is not None:",
        '(because := self._came_between()) == "":',
    ),
    M("drill", "begins before the plan is on the disk", RULE, "NOTICE_S = 1.0", "NOTICE_S = 0.0"),
    M(
        "drill",
        "two at a time",
        DRILLING,
        "        if self._coming is not None:\n            return Reply(ok=False",
        "        if asked.at < 0:\n            return Reply(ok=False",
    ),
    M(
        "drill",
        "what was before the request was before",
        BOOK,
        "        self._know_better(positions)\n",
        "",
    ),
    M("drill", "forgotten by a start", BOOK, "self._drilled = self.is_drill", "self._drilled = False"),
)
