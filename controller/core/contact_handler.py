"""Contact handler: edges, bounces and loss of the transfer switch's contact, and the utility-stable wait."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from controller.core.rate_limit import RateLimit
from controller.core.state_machine import Trigger
from rules.chatter import ChatterDetector
from rules.contact import ContactQuery, PowerSource
from rules.contact_evidence import ContactEvidence, ContactProof
from rules.flapping import flap_openings, stable_wait

if TYPE_CHECKING:
    from controller.core.context import CoreContext
    from controller.core.outage import OutageLifecycle
    from rules.contact import ContactDebouncer
    from rules.json_types import Json

MAX_BOUNCE_EVENTS, BOUNCE_EVENTS_WINDOW_S = 6, 600.0
"""Maximum number of logged bounces in this many seconds. Further ones are counted; the chatter alarm covers them."""


class ContactHandler:
    """Follows the contact and reports its settled positions to the outage lifecycle."""

    def __init__(
        self,
        context: CoreContext,
        contact: ContactDebouncer,
        outage: OutageLifecycle,
    ) -> None:
        self._context = context
        self._outbox = context.outbox
        self.contact = contact
        self._outage = outage
        self._utility_stable_s = context.settings.utility_stable_s
        self._flapping = context.settings.flapping
        self._stable_since: float | None = None  # `steady_since` of the period that has been found stable
        self._bounces = RateLimit(MAX_BOUNCE_EVENTS, BOUNCE_EVENTS_WINDOW_S)
        self.chatter = ChatterDetector()
        self._expect_s = context.settings.contact_expect_s
        self._heard_at: float | None = None  # last live message of an MQTT contact's device, or the connection
        self._query = ContactQuery(enabled=context.settings.contact_query)
        evidence = ContactEvidence(context.settings.contact_evidence)
        self._proof = None if evidence is ContactEvidence.TOPIC else ContactProof(evidence)
        self.lost_reason: str | None = None  # None: no position since the start, or it is known

    @property
    def opening(self) -> bool:
        """Return whether the contact has opened and not settled yet."""
        return self.contact.pending is PowerSource.STANDBY

    @property
    def closed_at(self) -> float | None:
        """Return when the contact last closed (monotonic seconds); None: it is not on utility."""
        return self.contact.settled_at if self.contact.settled is PowerSource.UTILITY else None

    @property
    def stable(self) -> bool:
        """Return whether the utility-stable wait is over and utility is still uninterrupted."""
        return self.contact.steady and self.contact.steady_since == self._stable_since

    # --- events ------------------------------------------------------------------------------------------------------

    def on_position(self, source: PowerSource, at: float, *, retained: bool) -> None:
        """Process a position of the contact, or the one that the broker has retained."""
        self._heard_at = self._heard_at if retained else at
        if self._proof is not None:
            if self._proof.report(source, at, retained=retained):
                self._moved(source, at)
            return
        settled, was_opening = self.contact.settled, self.opening
        (self.contact.on_retained if retained else self.contact.on_position)(source, at)
        self._after_edge(settled, was_opening=was_opening, at=at)

    def on_device_alive(self, at: float, *, returned: bool) -> None:
        """Process a live message of the contact's device that contains no position.

        `returned`: the device or its gateway has come online, and is asked for its position.
        """
        self._heard_at = at
        if returned:
            self._query.returned(at)
        if self._proof is not None:
            if returned:
                self._proof.began(at)
                self.lost_reason = None
            elif (source := self._proof.alive()) is not None:
                self._moved(source, at)
            return
        settled, was_opening = self.contact.settled, self.opening
        self.contact.on_device_alive(at)
        self._after_edge(settled, was_opening=was_opening, at=at)

    def _moved(self, source: PowerSource, at: float) -> None:
        """Process a position that the device itself has reported."""
        settled, was_opening = self.contact.settled, self.opening
        self.contact.on_position(source, at)
        self._after_edge(settled, was_opening=was_opening, at=at)

    def on_lost(self, at: float, reason: str, *, offline: bool) -> None:
        """Process the loss of the contact. It begins and ends no outage, but ends a drill.

        `offline`: the contact's own device is offline; else the connection to it is lost.
        """
        if self.contact.settled is not PowerSource.UNKNOWN:
            self._outbox.log_event("contact_lost", at, reason=reason)
        self.lost_reason = reason
        if self._proof is not None:
            self._proof.began(at)
        if not offline:
            self._heard_at = None
            self._query.stop()
        if self.opening:
            self._context.record.cancel()
        self.contact.on_lost(at, offline=offline)
        self._outage.void_restore_all()
        if self._outage.drill_holds:
            self._outage.end_drill(at, f"contact position unknown: {reason}", stable=False)
        self._outbox.publish_state()

    def bus_connected(self, at: float) -> None:
        """Process a new connection to the broker: the device of an MQTT contact is asked for its position."""
        self._heard_at = at
        self._query.returned(at)
        if self._proof is not None:
            self._proof.began(at)
            self.lost_reason = None

    def silence_deadline(self) -> float | None:
        """Return when the device will have been silent for too long (monotonic seconds); None: never."""
        known = self.contact.lost_since is None
        return self._heard_at + self._expect_s if known and self._expect_s and self._heard_at is not None else None

    def on_silence(self, at: float) -> None:
        """Process a silence of the device that is too long."""
        self.on_lost(at, f"its device has published nothing for {self._expect_s:g} s", offline=True)
        self._query.returned(at)

    def query_deadline(self) -> float | None:
        """Return when the device is to be asked for its position (monotonic seconds); None: it is not."""
        return self._query.deadline(unknown=self.contact.settled is PowerSource.UNKNOWN)

    def on_query_due(self, at: float) -> None:
        """Ask the device for its position."""
        self._outbox.query_contact()
        self._query.sent(at)

    def on_deadline(self, at: float) -> None:
        """Process the contact's deadline: a position has settled, or the contact has been lost for too long."""
        self.contact.on_deadline(at)
        self._settled(self.contact.settled, at)

    def _after_edge(self, settled: PowerSource, *, was_opening: bool, at: float) -> None:
        if self.contact.settled is not settled:
            self._settled(self.contact.settled, at)
        elif self.opening and not was_opening:
            self._outage.announce(at)
        elif was_opening and not self.opening:
            self._bounced(at)

    def _bounced(self, at: float) -> None:
        self._outage.withdraw()
        self.chatter.bounced(at)
        details: dict[str, Json] = {"bounces": self.contact.bounces}
        self._outbox.log_limited("contact_bounced", at, self._bounces.allow(at), details)

    def _settled(self, source: PowerSource, at: float) -> None:
        self._context.defer(self._outbox.publish_state)
        self._context.defer(partial(self.chatter.settled, at))
        lost: dict[str, Json] = {} if self.contact.lost_since is None else {"reason": "contact position unknown"}
        self._outbox.log_event(
            "contact_settled", at, details=lost, source=source.value, began_at=self.contact.settled_at
        )
        if source is PowerSource.STANDBY:
            self._outage.on_standby(at)
        else:
            self._log_flapping(at)
            self._outage.on_utility(at)

    # --- the utility-stable wait -------------------------------------------------------------------------------------

    def stable_deadline(self) -> float | None:
        """Return when utility will be stable (monotonic seconds); None: it is not known to be there, or is stable."""
        since = self.contact.steady_since
        if since is None or since == self._stable_since:
            return None
        return since + stable_wait(self._utility_stable_s, self.flap_openings, self._flapping)

    def on_stable(self, at: float) -> None:
        """Process the end of the utility-stable wait. Retained reports of devices are accepted from now on."""
        self._stable_since = self.contact.steady_since
        self._outage.accept_retained_reports(at)
        self._outage.transition(Trigger.STABLE, at)

    @property
    def flap_openings(self) -> int:
        """Return the number of recent openings that lengthen the wait; 0: it has its usual length."""
        since = self.contact.steady_since
        return 0 if since is None else flap_openings(self._context.record.openings, since, self._flapping)

    def _log_flapping(self, at: float) -> None:
        """Log why circuits stay off for longer than usual."""
        if openings := self.flap_openings:
            wait_s = stable_wait(self._utility_stable_s, openings, self._flapping)
            self._outbox.log_event(
                "utility_flapping",
                at,
                openings=openings,
                within_s=self._flapping.window_s,
                wait_s=wait_s,
                usual_s=self._utility_stable_s,
            )
