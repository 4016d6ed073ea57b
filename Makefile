# Works on a fresh Debian 12 with python3, python3-venv and make. `make` alone lists the targets.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
PINNED := deploy/requirements/dev.txt

.PHONY: help venv test unit check static docs demo bench model image sbom lock clean

help:
	@echo "make demo   the whole system on a demo camera, until Ctrl-C"
	@echo "make test   set up, then run all tests"
	@echo "make check  ruff, mypy, import-linter, interrogate, then all tests"
	@echo "make unit   the tests that need no server: seconds"
	@echo "make docs   write docs/settings.md, docs/metrics.md and the schemas of settings and events from the code"
	@echo "make bench  eight RTSP cameras for five minutes: latency, drops, memory, processor"
	@echo "make model  the mask model from the training data: DATA=FOLDER WEIGHTS=FILE RUN=FOLDER, else as docs/model-card.md says"
	@echo "make image  the CPU image, with the sizes of its layers and of what is in it; make sbom lists every package"
	@echo "make lock   pin the newest versions that fit pyproject.toml"
	@echo "make venv, make static, make clean"

venv: .venv/.dev

# OpenCV's wheel links libGL and glib, which a bare Debian or Ubuntu has not.
$(BIN)/python:
	@if [ -x /sbin/ldconfig ] && [ "$$(/sbin/ldconfig -p | grep -cE 'libGL\.so\.1 |libglib-2\.0\.so\.0 ')" -lt 2 ]; then \
	  echo "installing libgl1 and libglib2.0-0, which OpenCV needs"; \
	  sudo="$$([ "$$(id -u)" = 0 ] || echo sudo)"; \
	  $$sudo apt-get update -q && $$sudo apt-get install -q -y --no-install-recommends libgl1 libglib2.0-0; \
	fi
	$(PYTHON) -m venv .venv

# `demo` needs less than `dev`; whoever has `dev` has it already.
.venv/.dev: pyproject.toml $(PINNED) | $(BIN)/python
	$(PIP) -c $(PINNED) -e '.[cpu,dev,training,postgres]'
	@touch .venv/.demo .venv/.dev

.venv/.demo: pyproject.toml $(PINNED) | $(BIN)/python
	$(PIP) -c $(PINNED) -e '.[cpu,demo]'
	@touch .venv/.demo

test: .venv/.dev
	$(BIN)/python -m pytest

unit: .venv/.dev
	$(BIN)/python -m pytest maskwatch ingest detector aggregator dashboard tests/unit tests/contract -m "not integration and not training"

static: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/interrogate --quiet maskwatch ingest detector aggregator dashboard training tests

check: static test

docs: .venv/.dev
	$(BIN)/python -m maskwatch.docs_settings > docs/settings.md
	$(BIN)/python -m maskwatch.docs_settings --schema > docs/settings.schema.json
	$(BIN)/python -m maskwatch.metrics > docs/metrics.md
	$(BIN)/maskwatch schema --events > docs/event.schema.json
	$(BIN)/maskwatch schema --merged > docs/merged.schema.json
	sha256sum detector/models/*.onnx > deploy/models.sha256

demo: .venv/.demo
	$(BIN)/maskwatch demo

bench: .venv/.dev
	$(BIN)/python -m tests.bench.many_cameras

DATA ?= ../shared/data/dev
LABELS ?= training/labels/dev.csv
WEIGHTS ?= ../shared/weights/mobilenet_v2_1.0_224_no_top.weights.h5
RUN ?= runs/default
model: .venv/.dev
	$(BIN)/maskwatch train --data $(DATA) --labels $(LABELS) --weights $(WEIGHTS) --output $(RUN)
	$(BIN)/python -m training.quantize --run $(RUN) --model $(RUN)/mask.onnx -o $(RUN)/mask-int8.onnx
	$(BIN)/python -m training.lean --model $(RUN)/mask-int8.onnx -o $(RUN)/mask-leaned.onnx
	$(BIN)/maskwatch evaluate --model $(RUN)/mask-leaned.onnx --data $(DATA) --labels $(LABELS) --split test --output $(RUN)/report.json
	@echo "to ship it: maskwatch models promote $(RUN)/mask-leaned.onnx --report $(RUN)/report.json"

# BUILDER=buildah where there is no Docker.
BUILDER ?= docker
image:
	$(BUILDER) build -f deploy/Dockerfile -t maskwatch:cpu --build-arg REVISION=$$(git rev-parse --short HEAD) .
	sh deploy/image-sizes.sh $(BUILDER) maskwatch:cpu

sbom: .venv/.dev
	$(BIN)/python deploy/sbom.py > sbom.cdx.json

lock: | $(BIN)/python
	$(BIN)/python deploy/requirements/lock.py

clean:
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
