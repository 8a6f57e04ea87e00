# Everything runs in .venv, which the first call of any target makes by itself.
PYTHON ?= python3
BIN := .venv/bin

# On virtual screens with OpenGL in software the windows of tests and screenshots disturb nobody.
VIRTUAL = env -u WAYLAND_DISPLAY QT_API=pyqt6 QT_QPA_PLATFORM=xcb LIBGL_ALWAYS_SOFTWARE=1
SCREEN = $(VIRTUAL) xvfb-run -a -s "-screen 0 1600x1000x24 +extension GLX"

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help environment display test lint demo gui sample screenshots clean

help: ## List the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | while IFS="$$(printf '\t')" read -r name what; do \
		printf '  make %-12s %s\n' "$$name" "$$what"; done

environment: ## Make .venv with the pinned packages (the other targets do this first)
	@$(PYTHON) tools/set_up.py

display: ## As environment, and install what windows on a virtual screen need
	@$(PYTHON) tools/set_up.py --display

# Tests run side by side, each process on a screen of its own; more threads would only take the cores from each other.
test: display lint ## Lint, types, import contract and all tests
	$(VIRTUAL) OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4

lint: environment ## Ruff, mypy and the import contract
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

demo: environment ## The whole way, from the sample video to the curve, without a window
	$(BIN)/glissile demo

gui: environment ## Open napari on the finished demo
	@test -e demo.glissile/measurements.csv || $(MAKE) demo
	$(BIN)/napari demo.glissile --plugin napari-glissile --with napari-glissile Glissile

sample: environment ## Draw the sample video and its labels again
	$(BIN)/python sample_data/make_sample.py

screenshots: display ## Take the screenshots of the documentation again
	$(SCREEN) $(BIN)/python docs/make_screenshots.py

clean: ## Remove the demo, caches and builds; .venv stays
	rm -rf demo.glissile build dist site .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find src tests tools benchmarks sample_data docs -name __pycache__ -type d -prune -exec rm -rf {} +
