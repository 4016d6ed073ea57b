#!/bin/bash
cd /work/wt-train
W=../shared/weights/mobilenet_v2_1.0_224_no_top.weights.h5
while [ ! -s runs/no-rmfd/mask.onnx ] && pgrep -f "output runs/no-rmfd" >/dev/null; do sleep 5; done
.venv/bin/python -m maskwatch train --recipe seed --data ../shared/data/seed --elsewhere ../shared/data/dev --weights $W --output runs/seed > /work/notes/seed.log 2>&1
for i in $(seq 60); do [ -e /work/notes/go-default ] && break; sleep 10; done
.venv/bin/python -m maskwatch train --data ../shared/data/dev --labels training/labels/dev.csv --weights $W --output runs/default --steps 1800 > /work/notes/default.log 2>&1
date > /work/notes/queue-done
