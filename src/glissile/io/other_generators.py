"""Files of generators that are no StyleGAN2 in PyTorch, known by words in them, to be refused by name."""

from collections.abc import Collection
from typing import NamedTuple


class _Family(NamedTuple):
    """Other networks: what they are called, words that only they have, and how their modules begin."""

    name: str
    words: frozenset[str]
    modules: tuple[str, ...] = ()


# The first that fits: StyleGAN-XL and EG3D contain parts of StyleGAN3.
_FAMILIES = (
    _Family("a network of the TensorFlow version of StyleGAN", frozenset(), ("dnnlib.tflib.",)),
    _Family(
        "an EG3D network",
        frozenset({"TriPlaneGenerator", "OSGDecoder", "DualDiscriminator", "ImportanceRenderer"}),
        ("training.volumetric_rendering.", "training.triplane."),
    ),
    _Family(
        "a StyleGAN-XL network",
        frozenset({"SuperresGenerator", "embed_proj", "head_layer_names"}),
        ("torch.nn.modules.sparse.Embedding",),
    ),
    _Family("a StyleGAN3 network", frozenset({"SynthesisInput"})),
    _Family(
        "a Projected GAN network",
        frozenset({"ProjectedDiscriminator", "FastganSynthesis", "FastganSynthesisCond"}),
        ("pg_modules.",),
    ),
    _Family("a network of lucidrains' stylegan2-pytorch", frozenset({"GAN"})),
)


def family(words: Collection[str]) -> str | None:
    """Name the networks that a file holds, None where nothing tells.

    Parameters
    ----------
    words : collection of str
        Texts and names in the file.
    """
    for known in _FAMILIES:
        if not known.words.isdisjoint(words) or any(word.startswith(known.modules) for word in words):
            return known.name
    return None


def refusal(known: str) -> str:
    """Say that a file of such networks is not read; see `family`."""
    return f"is {known}, which this program cannot build; choose a checkpoint of StyleGAN2-ADA (PyTorch)"
