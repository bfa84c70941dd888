"""The city simulator: RTSP cameras with known ground truth."""
