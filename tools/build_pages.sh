#!/bin/sh
# Builds the control room (control-room/) into the package that serves it, if anything of it changed.
# Usage: tools/build_pages.sh
set -eu
cd "$(dirname "$0")/.."
built=src/civicam/web/page/index.html

if [ -e "$built" ] && [ -z "$(find control-room -name node_modules -prune -o -newer "$built" -type f -print | head -n 1)" ]; then
    exit 0
fi
PATH="$PWD/.venv/bin:$PATH"
export PATH
echo "setup: building the control room"
cd control-room
npm ci --silent --no-audit --no-fund
node build.mjs
