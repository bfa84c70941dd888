"""GStreamer's RTSP server playing a file untouched. Run by the system's Python, which has `gi`; prints its port.

Usage: /usr/bin/python3 gst_server.py FILE none|basic|digest none|zero-latency|max-stap CONFIG_INTERVAL
"""

import importlib
import sys
from typing import Any

gi = importlib.import_module("gi")  # by name, for it has no types and lives in the system's Python only
gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
GLib, Gst, GstRtsp, GstRtspServer = (
    importlib.import_module(f"gi.repository.{name}") for name in ("GLib", "Gst", "GstRtsp", "GstRtspServer")
)

USER, PASSWORD = "operator", "corr ect:horse"


def secure(server: Any, scheme: str) -> None:
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    auth = GstRtspServer.RTSPAuth()
    if scheme == "digest":
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(USER, PASSWORD, token)
    else:
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.BASIC)
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(USER, PASSWORD), token)
    server.set_auth(auth)


def main() -> None:
    path, scheme, aggregate, config_interval = sys.argv[1:]
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service("0")
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(
        f'( filesrc location="{path}" ! qtdemux name=d d.video_0 ! queue ! '
        f"rtph264pay name=pay0 pt=96 aggregate-mode={aggregate} config-interval={config_interval} )"
    )
    if scheme != "none":
        secure(server, scheme)
        permissions = GstRtspServer.RTSPPermissions()
        permissions.add_permission_for_role("viewer", "media.factory.access", True)
        permissions.add_permission_for_role("viewer", "media.factory.construct", True)
        factory.set_permissions(permissions)
    server.get_mount_points().add_factory("/clip", factory)
    server.attach(None)
    sys.stdout.write(f"{server.get_bound_port()}\n")
    sys.stdout.flush()
    GLib.MainLoop().run()


main()
