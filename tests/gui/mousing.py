"""The mouse and keys, as a layer in a viewer gets them."""

from types import SimpleNamespace

import numpy as np


def mouse(layer, callbacks, place, *, shift=False, moved=0):
    """Let napari's mouse go down and up over `place`, (t, y, x) in pixels."""
    event = SimpleNamespace(
        type="mouse_press",
        button=1,
        pos=np.array([50.0, 50]),
        position=layer.data_to_world(place),
        modifiers=("Shift",) if shift else (),
    )
    for callback in list(callbacks):
        going = callback(layer, event)
        if going is not None:
            next(going)
            if moved:
                event.type, event.pos = "mouse_move", event.pos + moved
                next(going)
            event.type = "mouse_release"
            next(going, None)


def press_key(layer, key):
    """Press a key that is bound on the layer."""
    (call,) = [c for k, c in layer.keymap.items() if str(k) == key]
    call(layer)
