"""What a reference model is made of; saved inside its weights, so that these are enough to use it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class Config(BaseModel):
    """A configuration of networks and training; see ``docs/triplet.md`` for what each choice is worth.

    Args:
        width: factor on channel counts; 1 = as published.
        autoencoder: "plain" as released, or "skip" with a code that holds the pixels from the start.
        mapping: "plain" as released, or "pyramid": three scales, and what it learns is a change of the code.
        partial_nonlocal: fill defects from the intact rest of the photograph.
        latent_gan: align codes of real and synthetic photographs: "none", "one_sided" as released (real codes
            are pushed), or "symmetric" (both are).
        schedule: "frozen": autoencoders first, then the mapping between them; "unfrozen": the same, but the
            mapping's loss trains the autoencoders on; "joint": everything at once.
        adversarial: train against image discriminators, as released; without, on distances of pixels alone.
        tone: correct the tone of the whole photograph first, by a polynomial predicted from its histogram.
        average: decay of the moving average of the mapping's weights; 0 keeps none.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    width: Annotated[float, Field(gt=0, le=4)] = 1.0
    autoencoder: Literal["plain", "skip"] = "plain"
    mapping: Literal["plain", "pyramid"] = "plain"
    partial_nonlocal: bool = True
    latent_gan: Literal["none", "one_sided", "symmetric"] = "one_sided"
    schedule: Literal["frozen", "unfrozen", "joint"] = "frozen"
    adversarial: bool = True
    tone: bool = False
    average: Annotated[float, Field(ge=0, lt=1)] = 0.0

    def changed(self, **changes: object) -> Config:
        """The same configuration but for ``changes``, which are checked."""
        return Config.model_validate({**self.model_dump(), **changes})


RELEASED = Config()
BEST = Config(
    autoencoder="skip",
    mapping="pyramid",
    latent_gan="symmetric",
    adversarial=False,
    tone=True,
    average=0.995,
)
