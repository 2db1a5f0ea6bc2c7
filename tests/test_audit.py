"""What `./run audit` says of the pins; the flaws themselves only the network knows."""

import json

import pytest
from packaging.version import Version

from devtools import audit, pins


def test_audit_that_could_look_nothing_up_fails(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setattr(audit, "LAYERS", ["requirements"])
    said = "requirements.txt has known flaws, or could not be audited: see above"
    assert said in list(audit.complaints())


def test_bill_has_every_pin_with_its_version_hashes_and_licence():
    bill = json.loads(audit.bill())
    assert bill["bomFormat"] == "CycloneDX"
    found = {part["name"]: part for part in bill["components"]}
    for pin in audit.shipped():
        part = found[pin.name]
        assert part["version"] == str(pin.version)
        assert part["licenses"][0]["license"]["name"]
        assert {f"sha256:{each['content']}" for each in part["hashes"]} == {*pin.hashes}


def test_licences_are_listed_one_a_line(monkeypatch, tmp_path):
    for name in ("SBOM", "LICENCES"):
        monkeypatch.setattr(audit, name, tmp_path / name)
    monkeypatch.setattr("devtools.audit.ROOT", tmp_path.parent)
    monkeypatch.setattr(audit, "bill", str)
    audit.write()
    lines = (tmp_path / "LICENCES").read_text().splitlines()
    assert len(lines) == len(audit.shipped())
    assert any(line.startswith("flask 3.") and "BSD" in line for line in lines)


@pytest.mark.parametrize(
    ("version", "complaint"),
    [
        ("1.6.8", "authlib 1.6.8 has CVE-2026-27962: take 1.6.9 or later"),
        ("1.6.9", None),
        ("1.10.0", None),
    ],
)
def test_pin_below_its_floor_is_a_complaint(version, complaint):
    found = [text for text in pins.too_old({"authlib": Version(version)})]
    of_authlib = [text for text in found if text.startswith("authlib")]
    assert of_authlib == ([complaint] if complaint else [])


def test_floor_of_a_package_that_is_not_pinned_is_a_complaint():
    said = "devtools/floors.toml: jinja2 is not pinned any more: take it out"
    assert said in list(pins.too_old({}))
