"""`./run audit`: what a server runs on, its licences, and its known flaws.

Writes what it is made of to instance/sbom.json (CycloneDX) and
instance/licences.txt; then asks for known flaws of every pin, which needs the network.
Ends with 1 where one is found, where a package could not be looked up, and where one
names no licence.
"""

import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

from cyclonedx.contrib.hash.factories import HashTypeFactory
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component
from cyclonedx.model.license import DisjunctiveLicense
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL
from packaging.markers import Marker

from devtools.pins import LAYERS, ROOT, Pin, read_pins

INSTANCE = ROOT / "instance"
SBOM, LICENCES = INSTANCE / "sbom.json", INSTANCE / "licences.txt"
PROGRAMS = Path(sys.executable).parent


def shipped() -> list[Pin]:
    """Return the pins that a server installs on a system like this one."""
    pins = read_pins("requirements")
    return [pin for pin in pins if applies(pin.requirement.marker)]


def applies(marker: Marker | None) -> bool:
    """Tell whether a pin is for this system."""
    return marker is None or marker.evaluate()


def licence_of(package: Distribution) -> str:
    """Return what a package says of its licence, '' where it says nothing."""
    said = package.metadata.json
    if expression := said.get("license_expression"):
        return str(expression)
    classifiers = map(str, said.get("classifier", ()))
    named = [
        text.rpartition(" :: ")[2] for text in classifiers if text.startswith("License")
    ]
    # Some put the whole text of the licence here: its first line names it.
    given = str(said.get("license", "")).partition("\n")[0]
    return ", ".join(named) or given.replace("UNKNOWN", "") or title_of(package)


def title_of(package: Distribution) -> str:
    """Return the first line of the licence that a package brings as a file."""
    for file in package.files or ():
        if file.name.startswith("LICEN"):
            return file.read_text().lstrip("# \n").partition("\n")[0]
    return ""


def bill() -> str:
    """Return the software bill of materials (CycloneDX 1.6), with each licence."""
    made = Bom(components=map(component, shipped()))
    written = make_outputter(made, OutputFormat.JSON, SchemaVersion.V1_6)
    return written.output_as_string(indent=2)


def component(pin: Pin) -> Component:
    """Return a pin as the bill has it."""
    licence = licence_of(distribution(pin.name)) or "unknown"
    return Component(
        name=pin.name,
        version=str(pin.version),
        bom_ref=pin.name,
        purl=PackageURL("pypi", name=pin.name, version=str(pin.version)),
        licenses=[DisjunctiveLicense(name=licence)],
        hashes=map(HashTypeFactory().from_composite_str, pin.hashes),
    )


def write() -> None:
    """Write the bill, and the licences as a list."""
    INSTANCE.mkdir(exist_ok=True)
    SBOM.write_text(f"{bill()}\n")
    lines = [
        f"{pin.name} {pin.version}: {licence_of(distribution(pin.name)) or '?'}\n"
        for pin in shipped()
    ]
    LICENCES.write_text("".join(lines))
    written = ", ".join(str(file.relative_to(ROOT)) for file in (SBOM, LICENCES))
    print(f"./run audit: wrote {written}", flush=True)


def complaints() -> Iterator[str]:
    """Say what is wrong with what is pinned, as far as it can be found out."""
    for pin in shipped():
        if not licence_of(distribution(pin.name)):
            yield f"{pin.name} names no licence"
    for layer in LAYERS:
        # Without --strict it ends with 0 where it could look nothing up.
        options = ("--strict", "--require-hashes", "--disable-pip")
        quiet = ("--progress-spinner", "off")
        command = (PROGRAMS / "pip-audit", *options, *quiet, "-r", f"{layer}.txt")
        if subprocess.run(command, cwd=ROOT).returncode:
            yield f"{layer}.txt has known flaws, or could not be audited: see above"


def main() -> None:
    """Write the lists, then look for what is wrong."""
    write()
    if found := list(complaints()):
        print(*found, sep="\n")
        sys.exit(
            "./run audit: failed. Update what has a flaw (devtools/floors.toml keeps it"
            " so); run it again with the network where it was away."
        )
    print("./run audit: all well")


if __name__ == "__main__":
    main()
