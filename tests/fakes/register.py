"""What the public is told of a test's camera; without it a camera does not record."""

from typing import Final

from civicam.catalogue.models import RegisterEntry

REGISTER: Final = RegisterEntry("the city's traffic office", "Law on Roads, 12", 30.0, "the crossing, for its lights")
