#!/bin/sh
# Sets up the project's own environment in .venv, and what it needs from the system; says in one line what it installs.
# Usage: tools/setup.sh [run|test|bench]
set -eu
cd "$(dirname "$0")/.."
purpose=${1:-run}

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

# Debian packages that are missing, out of "file-it-provides=package" pairs.
missing() {
    for pair in "$@"; do
        ls ${pair%%=*} >/dev/null 2>&1 || printf '%s ' "${pair#*=}"
    done
}

apt_install() {
    [ $# -gt 0 ] || return 0
    echo "setup: installing from Debian: $*"
    as_root apt-get -qq update
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install "$@" >/dev/null
}

uv=$(command -v uv || true)
if [ -z "$uv" ]; then
    uv=.tools/bin/uv
    if [ ! -x "$uv" ]; then
        python3 -c 'import ensurepip, venv' 2>/dev/null || apt_install python3-venv
        echo "setup: installing uv into .tools"
        rm -rf .tools
        python3 -m venv .tools
        .tools/bin/python -m pip -q --disable-pip-version-check install 'uv>=0.9'
    fi
fi

if [ "$purpose" = test ]; then
    gst='/usr/lib/*/gstreamer-1.0'
    # shellcheck disable=SC2046
    apt_install $(missing \
        '/usr/lib/*/girepository-1.0/GstRtspServer-1.0.typelib=gir1.2-gst-rtsp-server-1.0' \
        "$gst/libgstrtp.so=gstreamer1.0-plugins-good" \
        "$gst/libgstvideoparsersbad.so=gstreamer1.0-plugins-bad" \
        "$gst/libgstapp.so=gstreamer1.0-plugins-base" \
        '/usr/lib/python3/dist-packages/gi=python3-gi' \
        '/usr/bin/chromium=chromium')
fi

if [ "$purpose" = bench ]; then
    # shellcheck disable=SC2046
    apt_install $(missing \
        '/usr/bin/ffmpeg=ffmpeg' \
        '/usr/bin/gst-launch-1.0=gstreamer1.0-tools' \
        "/usr/lib/*/gstreamer-1.0/libgstrtp.so=gstreamer1.0-plugins-good" \
        "/usr/lib/*/gstreamer-1.0/libgstvideoparsersbad.so=gstreamer1.0-plugins-bad")
fi

[ -d .venv ] || echo "setup: installing civicam and its libraries from PyPI into .venv"
UV_PYTHON_DOWNLOADS=never "$uv" sync --quiet --frozen
tools/build_pages.sh
