"""Gathers, face by face, how sure it is that one person wears no mask. Pure.

Evidence is a bounded log-odds of `no_mask`: so many faces of one kind cannot drown a mask taken off later. A face
weighs by the time it stands for, so that the same seconds say the same at 2 and at 25 pictures a second.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from maskwatch.domain import Detection, FrameId, MaskState
from maskwatch.settings_rule import IncorrectPolicy

if TYPE_CHECKING:
    from maskwatch.settings_rule import RuleSettings

Box = tuple[float, float, float, float]

_NO_MASK, _INCORRECT = MaskState.NO_MASK.value, MaskState.INCORRECT.value

BOUND = 4.0
"""Least bound of the log-odds. One wrong face takes it to 2.5, which is still a probability of 0.92."""

MARGIN = 1.8
"""By how much the bound exceeds the rule's own thresholds, should they lie further out: one wrong face and a bit."""

SURE = 3.0
"""A single face says at most this much, a probability of 0.95: classifiers are surer of themselves than right."""

GAIN_PER_S = 2.5
"""How fast faces turn the evidence: from certainly masked to certainly not in about a second of clear faces."""

LONGEST_STEP_S = 0.5
"""A face stands for the time since the one before, but not for more than this."""

FIRST_STEP_S = 0.2

DOUBTFUL_INCORRECT = 0.8
"""Probability under which a face called worn wrongly counts half: that is the call that classifiers get wrong most, of
bare faces that are blurred or half hidden above all."""

FORGET_S = 10.0
"""Time constant with which evidence fades while the face cannot be judged, and always how a mask was worn."""

WRONGLY = {MaskState.INCORRECT: 1.0, MaskState.MASK: -1.0}
"""What a face says for a mask worn wrongly and against one worn well."""

RAMP_S = 1.2
"""So many seconds of faces before the evidence was sure count as well: those that made it sure. From certainly masked
to sure takes about a second of clear faces, and two seconds without a mask should be told after two."""

FRESH_S = 1.0
"""Seconds after the last judged face for which the evidence still speaks for the present."""


@dataclass(slots=True)
class Evidence:
    """What is known of one person."""

    log_odds: float = 0.0
    at: float | None = None  # picture time up to which this holds
    judged_at: float | None = None  # of the last face that weighed
    began: tuple[FrameId, float, Box] | None = None  # the first face of those that turned it to no_mask
    faces: int = 0  # judged since then
    peak: float = 0.0  # highest probability since then
    open_s: float | None = None  # how long it has spoken for opening, None if it does not
    close_s: float | None = None  # how long it has spoken for closing, None if it does not
    seen: dict[str, int] = field(default_factory=dict)  # judged faces of this person's life by state
    wrongly_s: float = 0.0  # fading seconds of faces worn wrongly, less those with a mask

    @property
    def probability(self) -> float:
        """Probability that this person wears no mask."""
        return 1.0 / (1.0 + math.exp(-self.log_odds))

    def weigh(self, detection: Detection, weight: float, frame: FrameId, at: float, rule: RuleSettings) -> None:
        """Take in one face that can be judged."""
        step_s = FIRST_STEP_S if self.judged_at is None else min(LONGEST_STEP_S, max(0.0, at - self.judged_at))
        if self.judged_at is not None and at - self.judged_at > FORGET_S:
            self.begin_anew()
        bound = max(BOUND, log_odds(rule.open_confidence) + MARGIN, MARGIN - log_odds(rule.close_confidence))
        said = say(detection, rule.incorrect) * weight * GAIN_PER_S * step_s
        self.log_odds = min(bound, max(-bound, self.log_odds + said))
        passed_s = 0.0 if self.judged_at is None else max(0.0, at - self.judged_at)
        self.wrongly_s *= math.exp(-passed_s / FORGET_S)
        self.wrongly_s += WRONGLY.get(detection.state, 0.0) * weight * step_s
        self.judged_at = at
        self.seen[detection.state.value] = self.seen.get(detection.state.value, 0) + 1
        if self.log_odds <= 0 and said <= 0:
            self.began, self.faces, self.peak = None, 0, 0.0
        else:
            self.began = self.began or (frame, at, detection.box)
            self.faces += 1
            self.peak = max(self.peak, self.probability)
        self.hold(at, rule)

    def fade(self, at: float, rule: RuleSettings) -> None:
        """Let time pass over a face in sight that cannot be judged."""
        if self.at is not None:
            self.log_odds *= math.exp(-max(0.0, at - self.at) / FORGET_S)
        self.hold(at, rule)

    def repeat(self, at: float, rule: RuleSettings) -> None:
        """Let time pass over a picture in which nothing changed: nothing new is known, and what was known holds."""
        if self.judged_at is not None and self.judged_at == self.at:
            self.judged_at = at
        self.hold(at, rule)

    def hold(self, at: float, rule: RuleSettings) -> None:
        """Count for how long the evidence has spoken for opening or closing."""
        is_fresh = self.judged_at is not None and at - self.judged_at <= FRESH_S
        passed_s = 0.0 if self.at is None or not is_fresh else min(FRESH_S, max(0.0, at - self.at))
        self.at = at
        ramp_s = 0.0 if self.began is None else min(RAMP_S, max(0.0, at - self.began[1]))
        self.open_s = _held(self.open_s, passed_s, ramp_s, speaks=self.probability >= rule.open_confidence)
        self.close_s = _held(self.close_s, passed_s, 0.0, speaks=self.probability <= rule.close_confidence)

    def begin_anew(self) -> None:
        """Forget how long it has spoken for opening, and where that began: the next episode is another one."""
        self.began, self.faces, self.peak, self.open_s = None, 0, 0.0, None

    def verdict(self, rule: RuleSettings, least_faces: int) -> MaskState:
        """Return how this person is, as far as is known by now."""
        if sum(self.seen.values()) < least_faces:
            return MaskState.UNKNOWN
        if self.probability >= rule.open_confidence:
            return MaskState.NO_MASK
        if self.probability > rule.close_confidence:
            return MaskState.UNKNOWN
        is_wrong = self.wrongly_s > 0 and rule.incorrect is not IncorrectPolicy.AS_MASK
        return MaskState.INCORRECT if is_wrong else MaskState.MASK


def _held(held_s: float | None, passed_s: float, first_s: float, *, speaks: bool) -> float | None:
    if not speaks:
        return None
    return first_s if held_s is None else held_s + passed_s


def log_odds(probability: float) -> float:
    """Return the natural logarithm of the odds.

    >>> round(log_odds(0.9), 3)
    2.197
    """
    return math.log(probability / (1.0 - probability))


def say(detection: Detection, incorrect: IncorrectPolicy = IncorrectPolicy.OWN) -> float:
    """Return what one face says for no_mask and against all ways of wearing one, from -SURE to SURE.

    Args:
        detection: a judged face.
        incorrect: `as_no_mask` counts a mask worn wrongly as none; otherwise it is a way of wearing one.
    """
    is_bare = incorrect is IncorrectPolicy.AS_NO_MASK
    bare = detection.probabilities.get(_NO_MASK)
    if bare is None:
        bare_states = {MaskState.NO_MASK, MaskState.INCORRECT} if is_bare else {MaskState.NO_MASK}
        return SURE if detection.state in bare_states else -SURE
    worn = sum(detection.probabilities.values()) - bare
    if is_bare:
        wrongly = detection.probabilities.get(_INCORRECT, 0.0)
        bare, worn = bare + wrongly, worn - wrongly
    worn = max(0.0, worn)
    return min(SURE, max(-SURE, math.log((bare + 1e-6) / (worn + 1e-6))))


def weight_of(detection: Detection, rule: RuleSettings, min_face_px: float) -> float:
    """Return how much one face counts, from 0 (not at all) to 1: small and doubtful faces count less.

    A face that is too small, not surely a face, or unknown is followed, but is no evidence.
    """
    is_clear = detection.state is not MaskState.UNKNOWN and detection.face_score >= rule.min_face_score
    if not is_clear or detection.height < min_face_px:
        return 0.0
    by_size = min(1.0, detection.height / (1.5 * min_face_px))
    by_score = min(1.0, 0.5 + (detection.face_score - rule.min_face_score) / 0.1)
    is_doubtful = detection.probabilities.get(_INCORRECT, 1.0) < DOUBTFUL_INCORRECT
    by_state = 0.5 if detection.state is MaskState.INCORRECT and is_doubtful else 1.0
    return by_size * by_score * by_state
