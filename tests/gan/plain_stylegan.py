"""StyleGAN2 written once more, in numpy and float64, one image at a time, straight from its formulas."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.signal import convolve, correlate

from glissile.io.generator_card import DiscriminatorShape, GeneratorShape

Array = NDArray[np.float64]
State = Mapping[str, Array]

FIR = np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 64


def rectified(x: Array, gain: float, clamp: float | None) -> Array:
    x = np.where(x > 0, x, 0.2 * x) * np.sqrt(2) * gain
    return x if clamp is None else np.clip(x, -clamp * gain, clamp * gain)


def filtered(x: Array, before: int, after: int) -> Array:
    x = np.pad(x, ((0, 0), (before, after), (before, after)))
    return np.stack([convolve(channel, FIR, mode="valid") for channel in x])


def spread(x: Array) -> Array:
    """Put a zero after every pixel."""
    wide = np.zeros((len(x), 2 * x.shape[1], 2 * x.shape[2]))
    wide[:, ::2, ::2] = x
    return wide


def upsampled(x: Array) -> Array:
    return 4 * filtered(spread(x), 2, 1)


def correlated(x: Array, weight: Array, mode: str) -> Array:
    """Cross-correlate x (i, y, x) with weight (o, i, k, k)."""
    if mode == "same":
        half = weight.shape[-1] // 2
        x = np.pad(x, ((0, 0), (half, half), (half, half)))
    return np.stack([correlate(x, kernel, mode="valid")[0] for kernel in weight])


def dense(state: State, name: str, x: Array, lr: float = 1) -> Array:
    weight = state[f"{name}.weight"]
    return weight @ x * lr / np.sqrt(weight.shape[1]) + state[f"{name}.bias"] * lr


def unit(x: Array) -> Array:
    return x / np.sqrt(np.mean(x**2) + 1e-8)


def mapped(state: State, z: Array, label: Array | None, layers: int, lr: float) -> Array:
    parts = [unit(z)] if z.size else []
    if label is not None:
        parts.append(unit(dense(state, "mapping.embed", label)))
    x = np.concatenate(parts)
    for i in range(layers):
        x = rectified(dense(state, f"mapping.fc{i}", x, lr), 1, None)
    return x


def layer(
    state: State, name: str, x: Array, w: Array, *, up: bool, gain: float = 1, clamp: float | None = None
) -> Array:
    weight = state[f"{name}.weight"] * dense(state, f"{name}.affine", w)[:, None, None]
    weight = weight / np.sqrt((weight**2).sum(axis=(1, 2, 3), keepdims=True) + 1e-8)
    if up:  # a true convolution of the pixels set apart, then the filter
        wide = np.pad(spread(x)[:, :-1, :-1], ((0, 0), (2, 2), (2, 2)))
        x = correlated(wide, weight[:, :, ::-1, ::-1], "valid")
        x = 4 * filtered(x, 1, 1)
    else:
        x = correlated(x, weight, "same")
    if f"{name}.noise_const" in state:
        x = x + state[f"{name}.noise_const"] * state[f"{name}.noise_strength"]
    return rectified(x + state[f"{name}.bias"][:, None, None], gain, clamp)


def image_of(state: State, shape: GeneratorShape, ws: Array) -> Array:
    """Image (channels, y, x) of ws (num_ws, w_dim)."""
    half = np.sqrt(0.5)
    indices = iter(range(shape.num_ws))
    image = None
    for resolution in shape.resolutions:
        block = f"synthesis.b{resolution}"
        if resolution == 4:
            x = state[f"{block}.const"]
            x = layer(state, f"{block}.conv1", x, ws[next(indices)], up=False, clamp=shape.clamp)
        else:
            before = x
            x = layer(state, f"{block}.conv0", x, ws[next(indices)], up=True, clamp=shape.clamp)
            gain = half if shape.architecture == "resnet" else 1
            w = ws[next(indices)]
            x = layer(state, f"{block}.conv1", x, w, up=False, gain=gain, clamp=shape.clamp)
            if shape.architecture == "resnet":
                skip = state[f"{block}.skip.weight"] / np.sqrt(len(before))
                x = x + half * upsampled(correlated(before, skip, "same"))
        if image is not None:
            image = upsampled(image)
        if f"{block}.torgb.weight" in state:
            # Its w is also that of the next block.
            w = ws[2 * (resolution.bit_length() - 3) + 1]
            style = dense(state, f"{block}.torgb.affine", w) / np.sqrt(len(x))
            part = correlated(x * style[:, None, None], state[f"{block}.torgb.weight"], "same")
            part = part + state[f"{block}.torgb.bias"][:, None, None]
            part = part if shape.clamp is None else np.clip(part, -shape.clamp, shape.clamp)
            image = part if image is None else image + part
    assert image is not None
    return image


def convolved(
    state: State, name: str, x: Array, *, down: bool = False, gain: float = 1, clamp: float | None = None
) -> Array:
    weight = state[f"{name}.weight"]
    size = weight.shape[-1]
    weight = weight / np.sqrt(weight[0].size)
    if down and size == 1:
        x = correlated(filtered(x, 1, 1)[:, ::2, ::2], weight, "same")
    elif down:
        x = correlated(filtered(x, 2, 2), weight, "valid")[:, ::2, ::2]
    else:
        x = correlated(x, weight, "same")
    if f"{name}.bias" not in state:
        return x * gain
    return rectified(x + state[f"{name}.bias"][:, None, None], gain, clamp)


def logits_of(state: State, shape: DiscriminatorShape, images: Array, labels: Array | None) -> Array:
    """Logits (n,) of images (n, channels, y, x) as one batch, and one-hot labels (n, classes)."""
    half, clamp = np.sqrt(0.5), shape.clamp
    features = []
    for image in images:
        x = None
        for resolution in reversed(shape.resolutions[1:]):
            block = f"b{resolution}"
            if f"{block}.fromrgb.weight" in state:
                seen = convolved(state, f"{block}.fromrgb", image, clamp=clamp)
                x = seen if x is None else x + seen
            if shape.architecture == "skip":
                image = filtered(image, 1, 1)[:, ::2, ::2]
            gain = half if shape.architecture == "resnet" else 1
            after = convolved(state, f"{block}.conv0", x, clamp=clamp)
            after = convolved(state, f"{block}.conv1", after, down=True, gain=gain, clamp=clamp)
            if shape.architecture == "resnet":
                after = after + half * convolved(state, f"{block}.skip", x, down=True)
            x = after
        if shape.architecture == "skip":
            x = x + convolved(state, "b4.fromrgb", image, clamp=clamp)
        features.append(x)
    n = len(features)
    apart = n // min(shape.group, n)
    logits = []
    for i in range(n):
        group = np.stack(features[i % apart :: apart])
        spread_ = np.sqrt(group.var(axis=0) + 1e-8).mean()
        x = np.concatenate([features[i], np.full((1, 4, 4), spread_)])
        x = convolved(state, "b4.conv", x, clamp=clamp).ravel()
        out = dense(state, "b4.out", rectified(dense(state, "b4.fc", x), 1, None))
        if labels is not None:
            class_map = mapped(state, np.empty(0), labels[i], shape.mapping_layers, shape.mapping_lr)
            out = (out * class_map).sum(keepdims=True) / np.sqrt(len(class_map))
        logits.append(out[0])
    return np.array(logits)
