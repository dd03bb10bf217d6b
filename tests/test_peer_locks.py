"""The lock files of `make test-peers` pin every file, and name no address: they serve any registry."""

from __future__ import annotations

import json

from tests.pages import ROOT

FOLDER = ROOT / "tests" / "peers"


def test_each_npm_package_has_a_hash_and_no_address() -> None:
    """Versions are exact in package.json as well."""
    text = (FOLDER / "zigbee" / "package-lock.json").read_text(encoding="utf-8")
    packages = json.loads(text)["packages"]
    root = packages.pop("")
    assert all(package["integrity"].startswith("sha512-") for package in packages.values())
    assert "://" not in text
    chosen = {**root["dependencies"], **root["optionalDependencies"]}
    assert {packages[f"node_modules/{name}"]["version"]: name for name in chosen}.keys() == {*chosen.values()}


def test_each_python_package_has_a_hash_and_no_address() -> None:
    """Pip installs nothing else."""
    text = (FOLDER / "panel" / "requirements.lock").read_text(encoding="utf-8")
    pinned = [line for line in text.splitlines() if "==" in line]
    assert pinned
    assert all(line.endswith("\\") for line in pinned)
    assert text.count("--hash=sha256:") >= len(pinned)
    assert "://" not in text
