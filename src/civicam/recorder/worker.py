"""One worker process: `python -m civicam.recorder.worker`, started by the supervisor and spoken to over its pipes.

Plans and credentials come in on standard input, a line each; reports go out on standard output, a line a second.
"""

import asyncio
import logging
import os
import random
import resource
import signal
import sys
from pathlib import Path

import uvloop

from civicam.camera.source import CameraSource, SourceState, Watchdog
from civicam.camera.url import Credentials
from civicam.camera.sample import H264Setup
from civicam.catalogue.catalogue import Catalogue
from civicam.core.citykey import load_city_key
from civicam.core.clock import Clock, SystemClock
from civicam.core.errors import CivicamError, FootageError
from civicam.core.ids import GapCause, StreamKey
from civicam.footage.keys import KeyRing
from civicam.footage.recovery import recover, unclosed
from civicam.footage.segment_format import SegmentSetup
from civicam.footage.volume import Volume
from civicam.footage.writer import SegmentWriter
from civicam.recorder.archive import Archive
from civicam.recorder.fmp4 import TIMESCALE, codec_string, init_segment
from civicam.recorder.fragmenter import FragmentLimits
from civicam.recorder.plan import Quit, StreamPlan, WorkerPlan, decode_command, decode_hello
from civicam.recorder.recording import Recording, resume
from civicam.recorder.report import StreamReport, StreamState, WorkerReport
from civicam.recorder.stream_writer import SegmentMaker, StreamWriter
from civicam.recorder.volumes import VolumePool

_log = logging.getLogger("civicam.worker")
_REPORT_EVERY_S = 1.0
