"""An engine for tests: gives the outputs it was told to, and remembers what it was fed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from detector.engine import BUCKETS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from detector.engine import Array, Feed
    from maskwatch.model_contract import ModelContract


class ScriptedEngine:
    """Answers every run by a function of the fed batch."""

    def __init__(
        self,
        *,
        contract: ModelContract,
        answer: Callable[[Feed], dict[str, Array]],
        batch_sizes: Sequence[int] = BUCKETS,
        provider: str = "ScriptedExecutionProvider",
    ) -> None:
        """Keep the answer: it is given the batch (N x ...) and returns outputs with first dimension N."""
        self.contract = contract
        self.asked = "auto"
        self.provider = provider
        self.fell_back = False
        self.input_name = "input"
        self.batch_sizes = batch_sizes
        self.fed: list[Feed] = []
        self._answer = answer

    @property
    def calls(self) -> int:
        """How often run was called."""
        return len(self.fed)

    def run(self, feeds: Mapping[str, Feed]) -> dict[str, Array]:
        """Remember the batch and answer it."""
        batch = feeds[self.input_name]
        self.fed.append(batch)
        return self._answer(batch)
