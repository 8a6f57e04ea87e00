"""How a trained network is applied to a video."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from glissile.learn.recipes import Device


class SegmentSettings(BaseModel):
    """How a trained network is applied to a video."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    device: Device = Field(
        "auto", title="Device", description="auto takes the graphics card where there is one"
    )
    batch_size: int = Field(
        4,
        ge=1,
        le=256,
        title="Batch size",
        description="Frames or tiles predicted at once; halved when memory is short",
        json_schema_extra={"advanced": True},
    )
    tile_px: int = Field(
        1024,
        ge=64,
        le=8192,
        title="Tile (px)",
        description="Larger frames are predicted in tiles of this size",
        json_schema_extra={"advanced": True},
    )
    overlap_px: int = Field(
        128,
        ge=0,
        le=1024,
        title="Overlap (px)",
        description="Width over which neighbouring tiles are blended",
        json_schema_extra={"advanced": True},
    )

    @model_validator(mode="after")
    def _tile_moves_on(self) -> Self:
        if self.overlap_px > self.tile_px // 2:
            raise ValueError(
                f"an overlap of {self.overlap_px} px is more than half a tile of {self.tile_px} px"
            )
        return self
