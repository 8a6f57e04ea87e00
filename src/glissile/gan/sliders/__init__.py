"""Sliders that change the measured microstructure of generated images: a step towards inverse design.

Many images are made and measured, and each measure is regressed on the latent vector w by ridge regression:
mean intercepts by their logarithms, as an image of almost one phase has a huge one.
How far its prediction can be trusted is told by R^2 on images that the regression did not see: five folds,
with the penalty chosen anew in each from its own images, by leaving one out.

A measure rises fastest along the gradient beta of its prediction, but the vectors w of a generator lie in a
flat cloud, which a step along beta soon leaves. Of all steps that reach the wanted values, the one is taken
that is shortest in the metric of that cloud, delta = S B (B^T S B)^-1 d, where S is the covariance of w, B
holds the gradients of all measures that are set or held, and d is what they have to change by (0 where held).
It is the most likely of them for normally distributed w. A step without held measures takes along what goes
with the measure in the training images; holding others takes that out.

References
----------
.. [1] A. E. Hoerl and R. W. Kennard, Technometrics 12 (1970) 55: ridge regression.
.. [2] G. Lambard et al., Scientific Reports 13 (2023) 566: StyleGAN2 on micrographs of dual-phase steel, with
   inverse design as the open step.
"""

from glissile.gan.sliders.file import load_sliders, save_sliders, sliders_path
from glissile.gan.sliders.fit import Makes, fit_sliders
from glissile.gan.sliders.model import RELIABLE_R2, ROUGH_R2, SLIDING, Slider, Sliders, Trust

__all__ = [
    "RELIABLE_R2",
    "ROUGH_R2",
    "SLIDING",
    "Makes",
    "Slider",
    "Sliders",
    "Trust",
    "fit_sliders",
    "load_sliders",
    "save_sliders",
    "sliders_path",
]
