"""Builds the control room into a wheel that is made; from a checkout `tools/setup.sh` does."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PagesHook(BuildHookInterface[Any]):
    """Hatchling calls it before it packs."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """See hatchling. An editable install is built by `tools/setup.sh`."""
        if version != "standard":
            return
        scripts = os.pathsep.join([sysconfig.get_path("scripts"), str(Path(sys.executable).parent)])
        environment = os.environ | {"PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"}
        npm, node = (shutil.which(name, path=environment["PATH"]) for name in ("npm", "node"))
        if npm is None or node is None:
            raise RuntimeError("the control room is built with npm, and there is none")
        folder = Path(self.root, "control-room")
        subprocess.run([npm, "ci", "--silent", "--no-audit", "--no-fund"], cwd=folder, env=environment, check=True)
        subprocess.run([node, "build.mjs"], cwd=folder, env=environment, check=True)
