# Start with `make demo` (the main job) and `make test`. Each command first installs what it needs.
#   make demo CONCEPT=cat SURROGATE="a dog"      make test COMFYUI_PATH=/path/to/ComfyUI

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
PY := $(VENV)/bin/python
HOST_PY = $$($(PY) -m dev.host.venv)
PIP := $(PY) -m pip --disable-pip-version-check -qq
CHROMIUM ?= /usr/bin/chromium
CONCEPT ?= ship
SURROGATE ?=
export CHROMIUM PYTHONUNBUFFERED := 1

.PHONY: setup browser test cluster fuzz demo lint mini mini-lora mini-report package artwork templates workflow-pictures \
	help-pictures hosts \
	test-cuda fullsize scale mass results bench faults clean
.DEFAULT_GOAL := demo

# A host can require packages or versions that .venv does not have: HOST_PY is a Python that has them.
setup: $(VENV)/.workshop
	@$(PY) -m dev.host.venv >/dev/null

# Install torchvision without its dependencies: they would replace a CPU build of torch with a CUDA build.
$(VENV)/.workshop: dev/requirements.txt
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@echo "setup: installing pinned packages into $(VENV)"
	@$(PIP) install -r dev/requirements.txt
	@$(PIP) install --no-deps torchvision==0.28.0
	@touch $@

$(VENV)/.mini: $(VENV)/.workshop dev/miniature/requirements.txt
	@$(PIP) install -r dev/miniature/requirements.txt
	@touch $@

# The browser tests need Debian's chromium. Without it they are skipped, and say why.
browser:
	@if [ ! -x $(CHROMIUM) ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "setup: installing chromium"; \
		{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
			apt-get install -qq -y --no-install-recommends chromium; } >/dev/null 2>&1 || true; fi

$(VENV)/.cluster: $(VENV)/.workshop tests/host/requirements.txt
	@$(PIP) install -r tests/host/requirements.txt
	@touch $@

test: setup $(VENV)/.cluster browser
	@$(HOST_PY) -m dev.run_tests $(TESTS)

# Everything about Ray, on a real cluster of two workers; `make test` runs a part of it.
cluster: setup $(VENV)/.cluster
	@MACE_CLUSTER=1 $(HOST_PY) -m dev.run_tests tests/host/test_cluster.py tests/host/test_ray.py

# More than ten thousand new cases of bad input; `make test` runs a few hundred that are always the same.
fuzz: setup
	@MACE_FUZZ=1 OMP_NUM_THREADS=1 $(PY) -m pytest tests/fuzz

demo: setup
	@$(HOST_PY) -m demo.run --concept "$(CONCEPT)" --surrogate "$(SURROGATE)"

lint: setup
	@$(PY) -m ruff format .
	@$(PY) -m ruff check .

mini: setup $(VENV)/.mini
	@$(HOST_PY) -m dev.miniature.make

mini-lora: setup $(VENV)/.mini
	@$(HOST_PY) -m dev.miniature.make lora

mini-report: setup $(VENV)/.mini
	@$(HOST_PY) -m dev.miniature.make report

$(VENV)/.bench: $(VENV)/.workshop dev/bench/requirements.txt
	@$(PIP) install -r dev/bench/requirements.txt
	@touch $@

mass: setup $(VENV)/.bench
	@OMP_NUM_THREADS=1 $(HOST_PY) -W ignore -m dev.mass

results: setup $(VENV)/.bench
	@OMP_NUM_THREADS=1 $(HOST_PY) -W ignore -m dev.results

# Faults around real jobs on real servers; all of them take minutes, or name some. With fewer kills (50 otherwise):
#   make faults FAULTS="kill full_disk" FAULTS_KILLS=5
faults: setup
	@OMP_NUM_THREADS=1 $(HOST_PY) -W ignore -m dev.faults $(FAULTS) $(if $(FAULTS_KILLS),--kills $(FAULTS_KILLS))

# The pack as users get it: the registry's archive, validated, installed by ComfyUI-Manager into a fresh ComfyUI,
# scanned, and every template run. Needs only the package registry; takes minutes.
package: setup
	@$(HOST_PY) -m dev.package.check

artwork: setup
	@$(PY) -m dev.package.artwork

templates: setup
	@$(HOST_PY) -m dev.workflows.write

# One picture per template, or only those named: make workflow-pictures TEMPLATES="01_preview_in_seconds"
workflow-pictures: setup browser
	@$(HOST_PY) -m dev.workflows.picture $(TEMPLATES)

# One picture per help page, or only those named: make help-pictures PAGES="DrawConcepts ScoreErasure"
help-pictures: setup browser
	@$(HOST_PY) -m dev.workflows.help_pictures $(PAGES)

hosts: setup $(VENV)/.cluster browser
	@$(PY) -m dev.hosts $(or $(HOSTS),$$($(PY) -m dev.host.fetch))

# Set PY to a Python whose torch supports the GPU. Besides the host's own packages, it needs only pytest.
test-cuda:
	@$(PY) -m dev.test_cuda

fullsize: setup
	@$(HOST_PY) -m dev.fullsize $(FAMILIES)

scale: setup
	@OMP_NUM_THREADS=1 $(HOST_PY) -W ignore -m dev.scale

# Every stage against a straight implementation, or only those named: make bench BENCH="closed_form fusion"
bench: setup
	@OMP_NUM_THREADS=1 $(HOST_PY) -W ignore -m dev.speed $(BENCH)

clean:
	rm -rf $(VENV) .cache .pytest_cache .ruff_cache
