"""What the model card says in words, whatever the figures are: purpose, data and licences, drawn failures."""

from __future__ import annotations

PURPOSE = """\
## What it is for

Counting, over many people and much time, how many of those whose face can be seen wear a mask, wear it wrongly, or
wear none, from cameras at doors, halls and desks; and opening an episode when somebody stays without one. It needs
faces of about 24 pixels of height and more, seen from the front or half from the side.

It is **not** for deciding anything about one person, for telling who somebody is (it cannot: there are no
embeddings), for judging how well a mask protects, for medicine, or for faces from behind, far away or in the dark. A
single picture's answer is a guess with a probability; the service decides on seconds of pictures.
"""

DATA = """\
## What it learned from, in plain words

| source | pictures | licence |
|---|---|---|
| Kaggle "Face Mask Detection" (andrewmvd) | 634 scenes and selfies with labelled boxes | CC0: free |
| chandrikadeb7/Face-Mask-Detection | 2911 face pictures, masked and bare | scraped; nobody's to licence |
| Real-World Masked Face Dataset, part 1 | 707 news pictures, labelled by us, by eye | "free for research" |

All of these show real people who were not asked. No picture, crop or drawing after one is part of this project;
weights and figures are. `training/labels/dev.csv` holds our own labels and corrections (file names, boxes, classes): a
mask that leaves the nostrils free is worn wrong, whatever the source says. `training/labels/dev-test.csv` corrects
twelve of the 391 portraits of the test split: ten masks leave the nostrils free, and on two called bare there is a
mask. All of them were looked at in the order of their names, without any model's answers, the bare ones after the
figures without it had been seen; figures stand here with and without it. Some of its photographs are in it more than
once, as near duplicates: of one scene both copies count, and with it five of the 27 boxed bare faces. Intervals draw
copies together; `maskwatch evaluate --distinct` counts them once. Most faces are East Asian; worn wrongly is
rare, so most of it was drawn onto bare faces. Starting weights: MobileNetV2 on ImageNet (Apache-2.0), whose own
pictures' terms are a separate, unsettled matter.

A niqab, a scarf or a bandana over mouth and nose is called a mask: cloth over mouth and nose is what can be seen.
"""

FAILURES = """\
## Known failures

![Faces the models get wrong, drawn](failures.svg)
"""
