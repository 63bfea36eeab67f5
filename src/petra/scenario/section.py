"""What every table of a TOML file is: unknown keys are refused, values are not coerced."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A table of a file; unknown keys are refused, values are not coerced."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
