# make run, make test: all set-up included, quick when nothing changed.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
# Software OpenGL and one thread per library: the suite runs the same everywhere.
TESTENV := LIBGL_ALWAYS_SOFTWARE=1 OMP_NUM_THREADS=1 QT_LOGGING_RULES="*.debug=false"
XVFB := xvfb-run -a -s "-screen 0 1920x1200x24 -nolisten tcp"

# Packages of another Python, as the user's shell may name them, are not for .venv.
unexport PYTHONPATH PYTHONHOME

.PHONY: run test lint bench screenshots setup format constraints clean

run: setup
	@if [ -n "$$DISPLAY$$WAYLAND_DISPLAY" ]; then $(BIN)/glioma-annotator demo; \
	elif command -v xvfb-run >/dev/null; then LIBGL_ALWAYS_SOFTWARE=1 $(XVFB) $(BIN)/glioma-annotator demo --headless --out demo-output; \
	else $(BIN)/glioma-annotator demo --headless --out demo-output; fi

test: setup
	$(TESTENV) $(XVFB) $(BIN)/python -m pytest $(ARGS)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup
	$(TESTENV) $(XVFB) $(BIN)/python -m benchmarks $(ARGS)

screenshots: setup
	$(TESTENV) $(XVFB) $(BIN)/glioma-annotator demo --headless --out demo-output
	mkdir -p docs/images && cp demo-output/screenshots/*.png docs/images/ && cp demo-output/screenshots/keys.md docs/keys.md
	$(TESTENV) $(XVFB) $(BIN)/python benchmarks/tool_pictures.py demo-output/workspace docs/images/tools --pages docs/tools
	$(TESTENV) $(XVFB) $(BIN)/python benchmarks/model_pictures.py demo-output/workspace docs/images

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

setup:
	@PYTHON=$(PYTHON) bash installer/setup.sh

constraints: setup
	@{ echo "# Exact versions of every package, direct and indirect; \`make constraints\` writes them anew from .venv."; \
	$(BIN)/pip freeze --exclude-editable | sed 's/^torch==\([0-9.]*\).*/torch==\1/' | grep ==; } > constraints.new && mv constraints.new constraints.txt

clean:
	rm -rf .venv demo-output build dist
