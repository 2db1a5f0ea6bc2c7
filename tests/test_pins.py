"""What holds of the pinned dependencies."""

import pytest

from devtools import pins


def test_pins_agree_with_what_is_asked_for():
    assert list(pins.complaints()) == []


@pytest.mark.slow
def test_every_pin_has_a_wheel_for_every_supported_machine():
    assert list(pins.missing_wheels()) == []
