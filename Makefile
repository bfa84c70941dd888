# Everything a person needs: `make demo` to see it, `make test` to trust it.
RUN := .venv/bin/
.PHONY: help demo test check format bench setup clean

help:  ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 10

demo:  ## set up, start a simulated city of 24 cameras and record it
	@tools/setup.sh run
	$(RUN)civicam demo

test:  ## set up, run every test, real RTSP servers included
	@tools/setup.sh test
	$(RUN)pytest -n 2 --dist loadfile

check:  ## the gates: format, lint, strict types, import layers; strict types of the control room
	@tools/setup.sh run
	$(RUN)ruff format --check .
	$(RUN)ruff check .
	$(RUN)mypy
	$(RUN)lint-imports
	cd control-room && PATH="$(CURDIR)/.venv/bin:$$PATH" npm run --silent check

format:  ## mend what the first two gates can mend
	$(RUN)ruff format .
	$(RUN)ruff check --fix .

bench:  ## measure against ffmpeg and GStreamer on this machine (installs both; minutes)
	@tools/setup.sh bench
	$(RUN)python -m bench.recorder --cameras 100 --bitrate 500 --seconds 60
	$(RUN)python -m bench.recorder --cameras 20 --bitrate 4000 --size 1920x1080 --seconds 60
	$(RUN)python -m bench.city --cameras 50,100,200,400,800 --seconds 60
	$(RUN)python -m bench.redaction --by civicam
	$(RUN)python -m bench.live
	$(RUN)python -m bench.playback
	$(RUN)python -m bench.ledger
	$(RUN)python -m bench.wall

clean:  ## remove what setup, tests and the demo made
	rm -rf .venv .tools .demo control-room/node_modules src/civicam/web/page src/civicam/evidence/page
