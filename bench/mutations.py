"""Named breakages of the core: what each rule would be if it were not kept. For `bench.mutants`."""

from __future__ import annotations

from typing import NamedTuple


class Mutation(NamedTuple):
    """One breakage: `old`, found exactly once in `file`, becomes `new`. `rule`: whose tests should see it."""

    rule: str
    name: str
    file: str
    old: str
    new: str


SOURCE, MACHINE, SHED, RESTORE = "rules/source.py", "controller/machine.py", "rules/shed.py", "rules/restore.py"
CONTROL, ENTRY, LEDGER, REPORTS = "rules/control.py", "rules/entry.py", "rules/ledger.py", "rules/reports.py"
REQUESTS, WHY, BOOK = "rules/requests.py", "rules/why.py", "controller/outage_book.py"
ENGINE, TRANSFER, SWITCHING = "controller/engine.py", "controller/transfer.py", "controller/switching.py"
PEOPLE = "controller/people.py"

M = Mutation
MUTATIONS = (
    # --- source
    M("source 1", "no settling", SOURCE, "return self.pending_since + self._settle_s", "return self.pending_since"),
    M("source 1", "each poll begins the wait anew", SOURCE, "elif self.pending is not source:", "else:"),
    M(
        "source 1",
        "judged when read",
        SOURCE,
        "self._settle(self.pending, self.pending_since)",
        "self._settle(self.pending, at)",
    ),
    M(
        "source 1",
        "a bounce settles",
        SOURCE,
        "                self.pending = None\n                self.bounces",
        "                self.bounces",
    ),
    M(
        "source 2",
        "open and closed confused",
        ENGINE,
        "Source.STANDBY if event.open else Source.UTILITY",
        "Source.UTILITY if event.open else Source.STANDBY",
    ),
    M(
        "source 3",
        "a lost contact stays believed",
        SOURCE,
        "self.settled, self.settled_at = Source.UNKNOWN, at",
        "self.settled_at = at",
    ),
    M(
        "source 3",
        "on_lost waits ten times as long",
        SOURCE,
        "LOST_IS_STANDBY_AFTER_S = 15.0",
        "LOST_IS_STANDBY_AFTER_S = 150.0",
    ),
    M("source 3", "unknown said late", ENGINE, "CONTACT_UNKNOWN_AFTER_S = 30.0", "CONTACT_UNKNOWN_AFTER_S = 300.0"),
    M(
        "source 3",
        "the broker goes, its contact stays",
        ENGINE,
        "if self._contact_on_bus:",
        "if not self._contact_on_bus:",
    ),
    M(
        "source 4",
        "a remembered standby has to settle",
        SOURCE,
        "if source is Source.STANDBY:\n            self._word",
        "if source is Source.UNKNOWN:\n            self._word",
    ),
    M(
        "source 4",
        "old memories believed",
        ENGINE,
        "distrust_retained=rebooted and memory.outage is not None",
        "distrust_retained=False",
    ),
    M(
        "source 4",
        "an offline device's memory believed",
        SOURCE,
        "elif self._distrust_retained or self._offline:",
        "elif self._distrust_retained:",
    ),
    M(
        "source 5",
        "an unsettled edge is no doubt",
        SOURCE,
        "return self.settled is Source.UTILITY and self.pending is None",
        "return self.settled is Source.UTILITY",
    ),
    M(
        "source 5",
        "the stable wait goes on over an edge",
        SOURCE,
        "self.pending, self.pending_since, self.steady_since = source, at, None",
        "self.pending, self.pending_since = source, at",
    ),
    # --- states
    M(
        "states",
        "no stable wait",
        MACHINE,
        "Row(State.STANDBY, Trigger.ON_UTILITY, State.STABILIZING)",
        "Row(State.STANDBY, Trigger.ON_UTILITY, State.RESTORING)",
    ),
    M("states", "a start forgets the open outage", MACHINE, 'State.UTILITY, "finished")', "State.UTILITY)"),
    M(
        "states",
        "an opening while restoring is ignored",
        MACHINE,
        "    Row(State.RESTORING, Trigger.ON_STANDBY, State.SHEDDING),\n",
        "",
    ),
    M("states", "ended when restored", TRANSFER, "book.closed(self.contact.settled_at,", "book.closed(at,"),
    # --- shedding
    M("shedding 1", "anything is shed", SHED, "if not sheddable(circuit) or entry.taken_over", "if entry.taken_over"),
    M("shedding 1", "the unknown is left on", SHED, "entry.known not in _OFF", "entry.known is Position.ON"),
    M(
        "shedding 1",
        "protection forgotten",
        CONTROL,
        "return not circuit.protected and controllable(circuit)",
        "return controllable(circuit)",
    ),
    M(
        "shedding 1",
        "1st Gen commanded",
        CONTROL,
        "return circuit.kind not in _WHY_NOT",
        "return circuit.kind is not Kind.STANDARD",
    ),
    M(
        "shedding 1",
        "the essential is shed",
        CONTROL,
        "return circuit.tag is Tag.NONESSENTIAL and commandable(circuit)",
        "return commandable(circuit)",
    ),
    M("shedding 2", "rank upside down", SHED, "-circuit.rank", "circuit.rank"),
    M(
        "shedding 2",
        "words before commands",
        ENGINE,
        "return [*commands, *self._chronicle.take(now, may_tell=self._may_tell())]",
        "return [*self._chronicle.take(now, may_tell=self._may_tell()), *commands]",
    ),
    M(
        "shedding 2",
        "the edge is told first",
        ENGINE,
        "return self._switches.connected and not self._transfer.opening",
        "return self._switches.connected",
    ),
    M("shedding 3", "the pause never grows", SHED, "return min(2 * entry.pause_s,", "return min(entry.pause_s,"),
    M("shedding 3", "the pause grows for ever", SHED, "LONGEST_PAUSE_S = 60.0", "LONGEST_PAUSE_S = 6000.0"),
    M("shedding 3", "never eager", SWITCHING, "at + self._pace.eager_s", "at"),
    M("shedding 3", "four tries", SHED, "TRIES = 3", "TRIES = 4"),
    M("shedding 3", "the broker's memory confirms", ENGINE, "if not event.retained:", "if event.circuit:"),
    M(
        "shedding 3",
        "a device that comes back waits",
        REPORTS,
        "entry.fresh = entry.fresh or came_back",
        "entry.fresh = bool(entry.fresh)",
    ),
    M(
        "shedding 4",
        "sent without a broker",
        SWITCHING,
        "        if not self.connected:\n            return None, True\n",
        "",
    ),
    M("shedding 4", "commands never expire", SWITCHING, "return max(1, int(pause_s))", "return 3600"),
    M(
        "shedding 4",
        "a reconnection asks nobody",
        ENGINE,
        "        self._transfer.touch(self._panel.circuits)\n        self._chronicle.everything",
        "        self._chronicle.everything",
    ),
    M(
        "shedding 5",
        "a reboot is a person",
        REPORTS,
        "and (changed is None or at > changed + self._confirm_s)",
        "and (changed is None or at >= 0)",
    ),
    M(
        "shedding 5",
        "proof from another connection",
        REPORTS,
        "and entry.confirmed_in == self._connection",
        "and entry.confirmed_in != -1",
    ),
    M(
        "shedding 5",
        "override = never ignored",
        REPORTS,
        "circuit.override is Override.ALLOW",
        "circuit.override in Override",
    ),
    M("shedding 5", "the first on is a person's", REPORTS, "if entry.ons > 1:", "if entry.ons > 0:"),
    M(
        "shedding 5",
        "availability told later is nothing",
        REPORTS,
        "            entry.suspect_since = None  # a reboot, not a hand\n",
        "",
    ),
    M("shedding 5", "a person is fought meanwhile", SHED, " or entry.suspect_since is not None:", ":"),
    M(
        "shedding 5",
        "takeovers die with the program",
        ENTRY,
        'taken_over=row.get("taken_over") is True',
        "taken_over=False",
    ),
    M("shedding 6", "events without the deadlines between", ENGINE, "            self._play(min(event.at, now))\n", ""),
    M("shedding 6", "paced by deciding", SWITCHING, "            self._queue.sent(at)\n", "            pass\n"),
    # --- restoring
    M(
        "restoring 1",
        "off before comes on",
        RESTORE,
        "if debt.before is not Position.ON:",
        "if debt.before is Position.TRIPPED:",
    ),
    M("restoring 1", "unknown before comes on", RESTORE, "return Verdict.BEFORE_UNKNOWN", "return Verdict.RETURNS"),
    M("restoring 1", "a hold holds nothing", RESTORE, "return Verdict.ON_HOLD", "return Verdict.RETURNS"),
    M("restoring 1", "the tripped is switched on", RESTORE, "return Verdict.TRIPPED", "return Verdict.RETURNS"),
    M(
        "restoring 1",
        "a trip leaves the debt",
        REPORTS,
        "self._ledger.take_over(circuit.id)  # a person's",
        "pass  # a person's",
    ),
    M("restoring 2", "all at once", RESTORE, "self._slot = max(self._slot, at + self._stagger_s)", "self._slot = at"),
    M(
        "restoring 2",
        "the first at once after a start",
        RESTORE,
        "self._slot = last_on_at + stagger_s",
        "self._slot = last_on_at",
    ),
    M("restoring 2", "rank 9 first", RESTORE, "(place.rank, place.order, place)", "(-place.rank, place.order, place)"),
    M("restoring 2", "no rest", RESTORE, "entry.debt.off_at.mono + circuit.min_off_s", "entry.debt.off_at.mono"),
    M("restoring 2", "a rest of another boot", ENTRY, "off_at if off_at.boot == now.boot else now", "off_at"),
    M("restoring 3", "ask does not ask", RESTORE, "debt.waits or circuit.restore is Restore.ASK", "debt.waits"),
    M("restoring 3", "never means auto", RESTORE, "return Verdict.STAYS_OFF", "return Verdict.RETURNS"),
    M(
        "restoring 4",
        "a late OFF is nobody's",
        REPORTS,
        "if self._may_fall_late(entry) and at < self._late_until(entry):",
        "if at < 0:",
    ),
    M(
        "restoring 4",
        "an ON under way is forgotten",
        SHED,
        "return entry.on_pending or entry.known",
        "return entry.known",
    ),
    M("restoring 5", "tried for ever", SWITCHING, "        if tried >= TRIES:\n", "        if tried >= 99:\n"),
    M(
        "restoring 5",
        "a sign of life is nothing",
        REPORTS,
        "if entry.sent is Position.ON and at >",
        "if entry.sent is None and at >",
    ),
    M(
        "restoring 5",
        "the outage's end pays all",
        LEDGER,
        "            entry.ons = 0\n",
        "            entry.ons, entry.debt = 0, None\n",
    ),
    M("restoring", "a flapping grid is trusted", BOOK, "wait_s * 2.0 **", "wait_s * 1.0 **"),
    # --- the ledger
    M(
        "ledger 1",
        "positions are not written",
        REPORTS,
        "            entry.remembered = entry.position\n            self._ledger.changed.add(circuit)\n",
        "            entry.remembered = entry.position\n",
    ),
    M(
        "ledger 2",
        "no row at the first edge",
        TRANSFER,
        "            self._chronicle.book.about(at, self._positions())\n",
        "            pass\n",
    ),
    M(
        "ledger 2",
        "about to shed is nothing",
        LEDGER,
        "if about and entry.remembered in",
        "if not about and entry.remembered in",
    ),
    M(
        "ledger 2",
        "a debt is made anew",
        LEDGER,
        "        if entry.debt is None:\n            before",
        "        if self:\n            before",
    ),
    M(
        "ledger 3",
        "its word before our OFF is ignored",
        REPORTS,
        "if debt.before is Position.OFF else Position.ON",
        "if debt.before is not Position.ON else Position.ON",
    ),
    M(
        "ledger 4",
        "the broker's memory is what is",
        ENTRY,
        "            return self.position\n        return Position.UNKNOWN\n\n    @property\n    def owed",
        "            return self.position\n        return self.position\n\n    @property\n    def owed",
    ),
    M(
        "ledger 4",
        "disk and broker differ, no matter",
        REPORTS,
        "debt.before = Position.UNKNOWN  # disk",
        "debt.before = debt.before  # disk",
    ),
    M(
        "ledger 4",
        "a silent device's memory believed",
        REPORTS,
        "if entry.live or not entry.available or",
        "if entry.live or",
    ),
    M("ledger 5", "a fall with the power is a hand", REPORTS, "woke = woke or (since", "woke = woke and (since"),
    M(
        "ledger 5",
        "before of what fell is off",
        ENTRY,
        "return Position.ON  # it fell with the power",
        "return Position.OFF  # it fell with the power",
    ),
    M("ledger 6", "why is it off: no answer", WHY, "return _BY[entry.debt.cause] + sent", 'return "off" + sent'),
    M(
        "ledger",
        "the doubtful forgotten in silence",
        LEDGER,
        "entry.doubtful = not about and",
        "entry.doubtful = about and",
    ),
    # --- changes
    M(
        "changes",
        "the owed may leave the file",
        REQUESTS,
        "    for circuit in owed:\n",
        "    for circuit in owed[:0]:\n",
    ),
    M(
        "changes",
        "retagged essential stays off",
        RESTORE,
        "return circuit.tag is Tag.ESSENTIAL and",
        "return not circuit.tag and",
    ),
    M(
        "changes",
        "a hold does not bind people",
        REQUESTS,
        "if (hold := entry.hold) is not None:",
        "if (hold := entry.hold) is not None and not hold:",
    ),
    M("changes", "people command the protected", REQUESTS, "    if circuit.protected:\n", "    if not circuit.name:\n"),
    M("changes", "people need not wait", PEOPLE, "asked.at if asked.now else max(rested_at, asked.at)", "asked.at"),
    M("changes", "given back on standby", REQUESTS, "    if not on_utility:\n", "    if not circuit.name:\n"),
    M(
        "changes",
        "a release gives back",
        LEDGER,
        "entry.debt.waits, entry.debt.released = True, False",
        "entry.debt.waits, entry.debt.released = False, False",
    ),
    M(
        "changes",
        "a wish is not theirs",
        LEDGER,
        "        self.take_over(circuit)\n        entry = self[circuit]\n        entry.wish",
        "        entry = self[circuit]\n        entry.wish",
    ),
    # --- what must never happen
    M(
        "never 4",
        "ON while an edge is unsettled",
        ENGINE,
        "        if transfer.house.now.gives_back and transfer.stable:\n            switches.give_back(",
        "        if transfer.house.now.gives_back:\n            switches.give_back(",
    ),
    M(
        "never 8",
        "OFF after OFF after OFF",
        SHED,
        "if entry.sent is not Position.OFF or entry.fresh:",
        "if entry.sent is None or entry.fresh:",
    ),
    M("never 8", "a refusal is asked for ever", SHED, "return entry.sent_at + entry.pause_s", "return entry.sent_at"),
)
