"""Batches drawn in a process of their own while the network learns from the batch before.

Each batch depends on its number and the seed alone, so that an interrupted training goes on with the same crops.
"""

from __future__ import annotations

import queue
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from typing import TYPE_CHECKING, TypeVar

import cv2
import numpy as np

from maskwatch.model_contract import MASK_CLASSES
from training.augment import Sampler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from multiprocessing.queues import Queue

    import numpy.typing as npt

    from training.crops import Sample

    Bytes = npt.NDArray[np.uint8]
    Indices = npt.NDArray[np.int64]

T = TypeVar("T")

AHEAD = 4  # batches that may wait: enough to bridge one slow one
PATIENCE_S = 300  # for one batch; only a dead process takes longer


@dataclass(frozen=True, slots=True)
class Mix:
    """What a batch of crops is made of."""

    size: int  # side of the crops, pixels
    count: int  # crops in a batch
    seed: int
    uncertain_share: float
    synthetic_shares: tuple[float, float, float]  # by class, as Sampler.draw takes them


class CropBatches:
    """Makes the batch of any number: crops (count x size x size x 3, uint8, BGR) and classes, -1 for uncertain."""

    def __init__(self, samples: Sequence[Sample], mix: Mix) -> None:
        """Take what to draw from, and how."""
        self._sampler, self._mix = Sampler(samples, MASK_CLASSES, mix.size), mix

    def __call__(self, number: int) -> tuple[Bytes, Indices]:
        """Return batch `number`."""
        random = np.random.default_rng((self._mix.seed, number))
        unsure, drawn_on = self._mix.uncertain_share, self._mix.synthetic_shares
        drawn = [
            self._sampler.draw(random, uncertain_share=unsure, synthetic_shares=drawn_on)
            for _ in range(self._mix.count)
        ]
        return np.stack([crop for crop, _ in drawn]), np.array([index for _, index in drawn])


@contextmanager
def drawn_ahead(make: Callable[[int], T], first: int, last: int) -> Iterator[Callable[[], T]]:
    """Yield a function that returns make(first), make(first + 1), … make(last - 1), made in another process.

    It raises TimeoutError when that process has died.

    Args:
        make: can be pickled; returns what can be pickled.
        first: number of the first batch.
        last: number after the last.
    """
    context = get_context("spawn")  # a fork would inherit TensorFlow's threads
    waiting: Queue[T] = context.Queue(AHEAD)
    process = context.Process(target=_make_all, args=(make, first, last, waiting), daemon=True)
    process.start()

    def take() -> T:
        for _ in range(PATIENCE_S):
            try:
                return waiting.get(timeout=1.0)
            except queue.Empty:
                if not process.is_alive():
                    break
        raise TimeoutError("the process that draws training batches has died; its error stands above")

    try:
        yield take
    finally:
        process.terminate()
        process.join()


def _make_all(make: Callable[[int], T], first: int, last: int, waiting: Queue[T]) -> None:
    cv2.setNumThreads(1)
    trainer = parent_process()
    for number in range(first, last):
        batch = make(number)
        while trainer is None or trainer.is_alive():  # a killed training must not leave this process behind
            try:
                waiting.put(batch, timeout=1.0)
                break
            except queue.Full:
                continue
        else:
            waiting.cancel_join_thread()
            return
