"""What the base of all settings says where pydantic alone says nothing."""

import pytest
from pydantic import Field, ValidationError

from sim.record.settings import Settings


class Parts(Settings):
    plain: int
    told: int = Field(description="how many")


def test_a_missing_setting_is_told_by_its_description_or_else_its_name() -> None:
    with pytest.raises(ValidationError) as missing:
        Parts.model_validate({})
    text = str(missing.value)
    assert "is missing; allowed: a value for plain" in text
    assert "is missing; allowed: how many" in text
