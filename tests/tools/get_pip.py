# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Put pip into an interpreter from the wheels that it ships, then bring it to the version that ansible-test names.

ansible-test calls this in place of the script it would download: ``get_pip.py [options] pip==VERSION ...``.
"""

from __future__ import annotations

import os
import subprocess
import sys


def main(arguments: list[str]) -> None:
    """Run ensurepip, then install the pinned names among the arguments; the rest are options of the script that this replaces."""
    # ansible-test names the script in GET_PIP for its own wrapper; the children must not come back here.
    environment = {name: value for name, value in os.environ.items() if name != "GET_PIP"}
    pinned = [argument for argument in arguments if "==" in argument]
    subprocess.run([sys.executable, "-m", "ensurepip"], check=True, env=environment, stdout=subprocess.DEVNULL)
    if pinned:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *pinned]
        subprocess.run(command, check=True, env=environment)


if __name__ == "__main__":
    main(sys.argv[1:])
