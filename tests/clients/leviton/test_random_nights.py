"""Some random nights, and a judge that finds a bridge that believes too much."""

from __future__ import annotations

import pytest

from clients.leviton.bridge import Bridge
from clients.leviton.orders import Level
from clients.leviton.signals import CloudAnswered, PublishPosition
from tests.clients.leviton.random_nights import Night, play

NIGHTS = 12


class BelievesTheAnswer(Bridge):
    """A bridge that takes the cloud's 200 for a report, as other programs do."""

    def _command_answered(self, answer: CloudAnswered, now: float) -> None:
        super()._command_answered(answer, now)
        for order in self.orders:
            if order.level is Level.ACCEPTED:
                self._out.append(PublishPosition(order.circuit, order.wanted))


@pytest.mark.parametrize("seed", range(NIGHTS))
def test_a_random_night(seed: int) -> None:
    """No `off` while energized, no command that must not be, everything at rest at the end."""
    assert play(seed).wrong == []


def test_the_judge_finds_a_bridge_that_believes_the_clouds_answer() -> None:
    """`off` is published while the breaker is energized."""
    wrong = [text for seed in range(NIGHTS) for text in Night(seed, BelievesTheAnswer).play().wrong]
    assert any("off published, energized" in text for text in wrong)
