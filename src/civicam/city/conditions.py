"""What the light, the weather and the mount do to a picture."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Conditions:
    """One set of conditions; the defaults are a clear, calm day.

    Attributes:
        light: 1 is full day, 0 is night, between them is dusk.
        light_end: the light at the loop's end (a dusk or dawn within the loop, which then jumps at its end); None: as
            at the beginning.
        sun: 1 casts hard shadows, 0 is an overcast sky.
        noise: the sensor's noise at day, as standard deviation in luma steps; night has twice as much.
        rain: 0 to 1.
        shake_px: how far the mount swings, in pixels of a picture of 360 rows.
    """

    light: float = 1.0
    light_end: float | None = None
    sun: float = 1.0
    noise: float = 2.0
    rain: float = 0.0
    shake_px: float = 0.0

    def light_at(self, progress: float) -> float:
        """The light at `progress` (0 to 1) through the loop."""
        end = self.light if self.light_end is None else self.light_end
        return self.light + (end - self.light) * progress

    @property
    def label(self) -> str:
        """One word for a name: `day`, `overcast`, `rain`, `dusk` or `night`."""
        if self.rain > 0:
            return "rain"
        if self.light_end is not None or 0.25 < self.light < 0.75:
            return "dusk"
        if self.light <= 0.25:
            return "night"
        return "day" if self.sun > 0.5 else "overcast"


DAY = Conditions()
OVERCAST = Conditions(sun=0.0)
NIGHT = Conditions(light=0.0, sun=0.0)
DUSK = Conditions(light=0.35, sun=0.1)
RAIN = Conditions(light=0.8, sun=0.0, rain=0.7)
