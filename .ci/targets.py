"""Prints the targets of one kind: `targets.py KIND [PACKAGE]`.

With a package: one target name per line; without: `package target` of the whole workspace.
"""

import json
import subprocess
import sys

kind, wanted = sys.argv[1], sys.argv[2:]
command = ["cargo", "metadata", "--no-deps", "--format-version=1", "--quiet"]
for package in json.loads(subprocess.check_output(command))["packages"]:
    for target in package["targets"]:
        if kind in target["kind"] and (not wanted or package["name"] in wanted):
            print(target["name"] if wanted else f"{package['name']} {target['name']}")
