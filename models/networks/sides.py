"""Whether an image can be halved as often as a network does it."""

from __future__ import annotations

from sim.record.settings.base import DataError


def check_sides(name: str, input_shape: tuple[int, ...], halvings: int) -> None:
    """Raises DataError unless both sides are divisible by 2 to the power of `halvings`.

    The deepest maps must keep more than one pixel, too: one sample has no variance there.
    """
    _, height, width = input_shape
    factor = 2**halvings
    if height % factor or width % factor or height == width == factor:
        raise DataError(
            f"network `{name}` halves images {halvings} times, and they are {height}x{width} "
            f"pixels; allowed: sides divisible by {factor} that leave more than one pixel",
            ("model", "name"),
        )
