"""Decode the 72-byte frames a Plover or Skua buoy sends since firmware 4.2.0."""

from __future__ import annotations

import struct
from dataclasses import dataclass

FRAME_SIZE = 72
MAGIC = b"MBW2"
EMPTY_VOLTS = 11.2
FULL_VOLTS = 13.4
MISSING = -32768


class FrameError(ValueError):
    """The bytes are not a valid frame; the message says what is wrong with them."""


@dataclass(frozen=True)
class Reading:
    """One report of a buoy, in SI units except for the wind direction in degrees."""

    serial: int
    unix_time: int
    battery_volts: float
    wind_speed: float
    wind_direction: int
    wave_height: float
    water_temperatures: tuple[float | None, ...]


def fletcher16(data: bytes) -> int:
    """Return the Fletcher-16 checksum of `data`, as the buoys compute it."""
    low = high = 0
    for byte in data:
        low = (low + byte) % 255
        high = (high + low) % 255
    return high << 8 | low


def battery_percent(volts: float) -> int:
    """Estimate the charge from the resting voltage, between 0 and 100.

    The line from 11.2 V to 13.4 V is crude but good to about eight percent.
    """
    share = (volts - EMPTY_VOLTS) / (FULL_VOLTS - EMPTY_VOLTS)
    return round(100 * min(1.0, max(0.0, share)))


def scale_temperature(raw: int) -> float | None:
    """Turn hundredths of a degree into degrees Celsius; None where a sensor is missing."""
    return None if raw == MISSING else raw / 100


def decode_frame(frame: bytes) -> Reading:
    """Check and decode one frame.

    Raises FrameError when the length, the magic bytes or the checksum are wrong.
    """
    if len(frame) != FRAME_SIZE:
        raise FrameError(f"a frame has {FRAME_SIZE} bytes, this one has {len(frame)}")
    if frame[:4] != MAGIC:
        raise FrameError("magic bytes are missing: frame of a firmware before 4.2.0?")
    body, expected = frame[:-2], int.from_bytes(frame[-2:], "big")
    if fletcher16(body) != expected:
        raise FrameError("checksum differs: the frame was damaged on its way")
    serial, seconds, millivolts, wind, direction, wave = struct.unpack(">IIHHHH", body[4:20])
    depths = struct.unpack(">25h", body[20:70])
    return Reading(
        serial=serial,
        unix_time=seconds,
        battery_volts=millivolts / 1000,
        wind_speed=wind / 100,
        wind_direction=direction,
        wave_height=wave / 1000,
        water_temperatures=tuple(scale_temperature(raw) for raw in depths),
    )
