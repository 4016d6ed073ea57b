"""Evidence: how faces, seconds and doubts add up for one person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from aggregator.evidence import RAMP_S, Evidence, say, weight_of
from maskwatch.domain import FrameId, MaskState
from maskwatch.settings_rule import RuleSettings
from tests.builders import make_detection

if TYPE_CHECKING:
    from maskwatch.domain import Detection

RULE = RuleSettings()
BARE, MASKED = make_detection(MaskState.NO_MASK), make_detection(MaskState.MASK)
WRONG = make_detection(MaskState.INCORRECT)


def gather(
    faces: list[Detection], fps: float = 5.0, evidence: Evidence | None = None, rule: RuleSettings = RULE
) -> Evidence:
    """Weigh faces one after the other."""
    evidence = evidence or Evidence()
    start = 0.0 if evidence.at is None else evidence.at
    for index, detection in enumerate(faces, start=1):
        at = start + index / fps
        evidence.weigh(detection, 1.0, FrameId(1, round(at * 1000)), at, rule)
    return evidence


@pytest.mark.parametrize("fps", [1, 2, 5, 10, 25])
def test_a_mask_taken_off_is_seen_within_two_seconds(fps: int) -> None:
    """However long somebody wore a mask, two seconds of clear faces without it are enough, at any rate."""
    evidence = gather([MASKED] * 60 * fps, fps)
    evidence = gather([BARE] * 2 * fps, fps, evidence)
    assert evidence.probability >= RULE.open_confidence


@pytest.mark.parametrize("fps", [2, 5, 10, 25])
def test_seconds_count_not_pictures(fps: int) -> None:
    """The same second of faces says about the same at any rate."""
    evidence = gather([MASKED] * 5 * fps, fps)
    evidence = gather([BARE] * fps, fps, evidence)
    assert evidence.log_odds == pytest.approx(3.3, abs=0.3)


def test_evidence_is_bounded() -> None:
    """A minute says no more than some seconds: what counts is lately."""
    assert gather([BARE] * 300).log_odds == gather([BARE] * 20).log_odds == 4.0
    strict = RuleSettings(open_confidence=0.999)
    assert gather([BARE] * 300, rule=strict).probability > strict.open_confidence


def test_one_wrong_face_changes_nothing() -> None:
    """A single masked face among bare ones does not end the evidence, nor how long it has held."""
    evidence = gather([BARE] * 10)
    held_s = evidence.open_s
    assert held_s is not None
    evidence = gather([MASKED, BARE], evidence=evidence)
    assert evidence.open_s == pytest.approx(held_s + 0.4)


@pytest.mark.parametrize(
    "pattern",
    [
        pytest.param([MASKED, BARE], id="every second face"),
        pytest.param([MASKED, MASKED, BARE], id="every third"),
        pytest.param([MASKED] * 10 + [BARE] * 5, id="a second now and then"),
        pytest.param([WRONG, BARE], id="worn wrongly and bare in turn"),
    ],
)
def test_flicker_never_holds(pattern: list[Detection]) -> None:
    """Somebody whose mask the classifier does not always see is never without one for two seconds."""
    evidence = Evidence()
    for _ in range(30):
        for detection in pattern:
            evidence = gather([detection], evidence=evidence)
            assert (evidence.open_s or 0.0) < RULE.open_after_s


def test_worn_wrongly_is_not_without() -> None:
    """A mask worn wrongly speaks against no_mask, and is a verdict of its own."""
    evidence = gather([WRONG] * 20)
    assert evidence.probability < RULE.close_confidence
    assert evidence.verdict(RULE, 3) is MaskState.INCORRECT


@pytest.mark.parametrize(
    ("long", "lately", "verdict"),
    [
        pytest.param(MASKED, WRONG, MaskState.INCORRECT, id="pulled under the nose"),
        pytest.param(WRONG, MASKED, MaskState.MASK, id="put right"),
    ],
)
def test_how_a_mask_is_worn_lately_counts(long: Detection, lately: Detection, verdict: MaskState) -> None:
    """Ten minutes of one way of wearing a mask do not outweigh ten seconds of the other, but two seconds."""
    evidence = gather([lately] * 10, evidence=gather([long] * 3000))
    assert evidence.verdict(RULE, 3) is not verdict
    evidence = gather([lately] * 40, evidence=evidence)
    assert evidence.verdict(RULE, 3) is verdict
    assert evidence.verdict(RuleSettings(incorrect="as_mask"), 3) is MaskState.MASK


@pytest.mark.parametrize(
    ("faces", "verdict"),
    [
        pytest.param([BARE] * 2, MaskState.UNKNOWN, id="too few"),
        pytest.param([BARE] * 9, MaskState.NO_MASK, id="bare"),
        pytest.param([MASKED] * 9, MaskState.MASK, id="masked"),
        pytest.param([MASKED, BARE] * 9, MaskState.UNKNOWN, id="contradictory"),
        pytest.param([WRONG] * 2 + [MASKED] * 9, MaskState.MASK, id="mostly masked"),
    ],
)
def test_verdicts(faces: list[Detection], verdict: MaskState) -> None:
    """A verdict needs three judged faces and clear evidence."""
    assert gather(faces).verdict(RULE, 3) is verdict


def test_evidence_begins_with_the_first_face_that_turned_it() -> None:
    """What opens an episode began with the first of the faces that spoke for it in a row, not where they prevailed."""
    evidence = gather([MASKED] * 10)
    assert evidence.began is None
    evidence = gather([BARE] * 5, evidence=evidence)
    assert evidence.began is not None
    assert evidence.began[1] == pytest.approx(2.0 + 0.2)
    assert evidence.faces == 5
    assert gather([MASKED] * 5, evidence=evidence).began is None


@pytest.mark.parametrize("fps", [5, 10, 25])
def test_two_seconds_without_a_mask_are_told_after_two(fps: int) -> None:
    """The faces that made it sure count: from a mask to an episode it takes what the rule says, not a second more."""
    evidence = gather([BARE] * (2 * fps + 1), fps, gather([MASKED] * 10 * fps, fps))
    assert evidence.open_s == pytest.approx(2.0, abs=0.01)
    assert (gather([BARE] * 2 * fps, fps).open_s or 0.0) < RULE.open_after_s


def test_hesitation_does_not_count() -> None:
    """Of a long time in which it was not sure, a second and a bit counts once it is."""
    doubtful = make_detection(probabilities={"no_mask": 0.505, "mask": 0.495})
    evidence = gather([BARE] * 4, evidence=gather([doubtful] * 50))
    assert evidence.open_s is not None
    assert evidence.open_s < RAMP_S + 0.5


def test_what_began_before_a_long_gap_is_forgotten() -> None:
    """A face that could not be judged for longer than evidence lasts begins anew when it can."""
    evidence = gather([BARE])
    for step in range(1, 80):
        evidence.fade(0.2 + step / 5, RULE)
    evidence = gather([BARE] * 3, evidence=evidence)
    assert evidence.began is not None
    assert evidence.began[1] == pytest.approx(16.0 + 0.2)


def test_an_unjudged_face_holds_for_a_second() -> None:
    """A face turned away keeps the time running for a second only, and the evidence fades."""
    evidence = gather([BARE] * 6)
    before_s, sure = evidence.open_s, evidence.log_odds
    for step in range(1, 21):
        evidence.fade(1.2 + step / 5, RULE)
    assert before_s is not None
    assert evidence.open_s == pytest.approx(before_s + 1.0, abs=0.21)
    assert evidence.log_odds < sure


def test_an_unchanged_picture_repeats_what_was_known() -> None:
    """While nothing moves, the time runs on and the evidence neither grows nor fades."""
    evidence = gather([BARE] * 3)
    sure, faces = evidence.log_odds, evidence.faces
    for step in range(1, 11):
        evidence.repeat(0.6 + step / 5, RULE)
    assert (evidence.log_odds, evidence.faces) == (sure, faces)
    assert evidence.open_s == pytest.approx(2.4)


def test_between_the_thresholds_nothing_is_decided() -> None:
    """Evidence that has fallen under the one and not under the other speaks for neither, however long."""
    evidence = gather([MASKED] * 2, evidence=gather([BARE] * 20))
    assert RULE.close_confidence < evidence.probability < RULE.open_confidence
    evidence = gather([make_detection(probabilities={"no_mask": 0.5, "mask": 0.5})] * 50, evidence=evidence)
    assert RULE.close_confidence < evidence.probability < RULE.open_confidence
    assert (evidence.open_s, evidence.close_s) == (None, None)
    assert evidence.verdict(RULE, 3) is MaskState.UNKNOWN


def test_a_long_gap_is_not_counted_as_held() -> None:
    """Two faces with three seconds of nobody between them have not held for three seconds."""
    evidence = gather([BARE] * 3)
    held_s = evidence.open_s
    assert held_s is not None
    evidence.weigh(BARE, 1.0, FrameId(1, 99), 4.0, RULE)
    assert evidence.open_s is not None
    assert evidence.open_s <= held_s + 1.0


@pytest.mark.parametrize(
    ("changes", "least", "most"),
    [
        pytest.param({}, 1.0, 1.0, id="clear"),
        pytest.param({"face_score": 0.64}, 0, 0, id="hardly a face"),
        pytest.param({"face_score": 0.65}, 0.4, 0.6, id="just a face"),
        pytest.param({"state": MaskState.UNKNOWN}, 0, 0, id="unknown"),
        pytest.param({"box": (0.0, 0.0, 20.0, 23.0)}, 0, 0, id="too small"),
        pytest.param({"state": MaskState.INCORRECT, "probabilities": {"incorrect": 0.7}}, 0.5, 0.5, id="hardly wrong"),
        pytest.param({"state": MaskState.INCORRECT, "probabilities": {"incorrect": 0.9}}, 1.0, 1.0, id="surely wrong"),
        pytest.param({"box": (0.0, 0.0, 20.0, 24.0)}, 0.6, 0.7, id="just large enough"),
    ],
)
def test_weights(changes: dict[str, Any], least: float, most: float) -> None:
    """Small and doubtful faces count less, too small and unsure ones not at all."""
    assert least <= weight_of(make_detection(**changes), RULE, 24) <= most


def test_a_face_says_only_so_much() -> None:
    """A classifier that is certain, or gives no probabilities, says no more than one that is rather sure."""
    certain = make_detection(MaskState.NO_MASK, probabilities={"no_mask": 1.0, "mask": 0.0})
    assert say(certain) == say(make_detection(MaskState.NO_MASK, probabilities={})) == 3.0
    assert say(make_detection(MaskState.MASK, probabilities={})) == -3.0
    assert say(make_detection(probabilities={"no_mask": 0.5, "mask": 0.5})) == pytest.approx(0)
