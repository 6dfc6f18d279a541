"""Whether an image can be halved as often as a network does it."""

from __future__ import annotations

from models.settings import DataError


def check_sides(name: str, input_shape: tuple[int, ...], halvings: int) -> None:
    """Raises DataError unless height and width are divisible by 2 to the power of `halvings`."""
    _, height, width = input_shape
    if height % 2**halvings or width % 2**halvings:
        raise DataError(
            f"network `{name}` halves images {halvings} times, and they are {height}x{width} "
            f"pixels; allowed: sides divisible by {2**halvings}",
            ("model", "name"),
        )
