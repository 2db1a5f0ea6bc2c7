"""In which order things are looked at, and how that is told."""

from collections.abc import Iterable, Iterator

from devtools.doctor import application, machine
from devtools.doctor.finding import Finding


def told(findings: Iterable[Finding]) -> bool:
    """Print findings as they come; tell whether all is well."""
    wrong = 0
    for finding in findings:
        print(finding, flush=True)
        wrong += not finding.is_ok
    remedies = f"{wrong} wrong: each says what to do"
    print(f"./run doctor: {remedies if wrong else 'all well'}")
    return not wrong


def of_checkout() -> Iterator[Finding]:
    """Look at this machine and .venv, then at all that needs its packages."""
    yield from machine.findings()
    packages = machine.packages()
    yield packages
    if packages.is_ok:
        yield from _with_packages()


def of_environment() -> Iterator[Finding]:
    """Look at all but .venv, from an environment that has the packages."""
    yield from machine.findings()
    yield from _with_packages()


def _with_packages() -> Iterator[Finding]:
    begun = application.begin()
    from devtools.doctor import stores

    yield from stores.findings()
    yield application.finding(begun)
