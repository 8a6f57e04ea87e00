"""Read many mutated copies of a file, in a process that ends where anything is run: FILE COUNT."""

import codecs
import os
import sys
import traceback
from pathlib import Path

import numpy as np
import torch

from glissile.errors import InputError
from glissile.io.generator_file import read_generator
from glissile.io.generator_state import FILTER, generator_tensors

RUNS = {"exec", "compile", "import", "os.system", "os.exec", "os.posix_spawn", "subprocess.Popen"}
NEVER = RUNS | {"pickle.find_class", "marshal.loads", "code.__new__", "socket.connect", "os.remove"}
INTERESTING = [b"\x80\x04", b".", b"R", b"b", b"\x81", b"Q", b"0", b"(", b"t", b"u", b"\xff" * 4, b"\x00" * 8]
PAYLOADS = [b"cos\nsystem\n", b"cbuiltins\neval\n", b"\x8c\x02os\x8c\x06system\x93", b"X\x02\0\0\0ls\x85R"]

watching = False


def watch(event, arguments):
    """End the process at once where code is run: an exception could be caught."""
    if watching and (event in NEVER or (event == "open" and arguments[1] not in (None, "r", "rb"))):
        sys.stderr.write(f"{event} {arguments!r}\n")
        sys.stderr.flush()
        os._exit(3)


def mutated(data, random):
    """Change, cut, repeat, move or insert a few bytes."""
    data = bytearray(data)
    for _ in range(random.randint(1, 4)):
        at = random.randint(len(data))
        length = random.choice([1, 1, 2, 8, 100])
        kind = random.randint(7)
        if kind == 0:
            data[at] ^= 1 << random.randint(8)
        elif kind == 1:
            data[at : at + length] = random.bytes(length)
        elif kind == 2:
            del data[at : at + length]
        elif kind == 3:
            data[at:at] = data[at : at + length]
        elif kind == 4:
            data[at:at] = [*INTERESTING, *PAYLOADS][random.randint(len(INTERESTING) + len(PAYLOADS))]
        elif kind == 5:
            other = random.randint(len(data))
            data[at : at + length] = data[other : other + length]
        else:
            data[at : at + 8] = random.choice([0, 1, 255, 2**31, 2**62]).astype("<i8").tobytes()
    return bytes(data[: random.randint(len(data))] if random.randint(40) == 0 else data)


def main(path, count):
    """Print how many mutated files were read, and how many refused."""
    global watching
    whole = path.read_bytes()
    codecs.lookup("cp437")  # of old names in zip archives
    try:  # what is imported only now would be taken for the work of a file
        read_generator(path)
        path.write_bytes(whole[:100])
        read_generator(path)
    except InputError:
        traceback.format_exc()
    sys.addaudithook(watch)
    read = refused = 0
    for seed in range(count):
        path.write_bytes(mutated(whole, np.random.RandomState(seed)))
        watching = True
        try:
            found = read_generator(path)
        except InputError:
            refused += 1
        else:
            read += 1
            sizes = generator_tensors(found.card.shape)
            assert {k: tuple(v.shape) for k, v in found.tensors.items()} == {
                k: v for k, v in sizes.items() if not k.endswith(FILTER)
            }, seed
            assert all(v.dtype == torch.float32 and v.isfinite().all() for v in found.tensors.values()), seed
        finally:
            watching = False
    print(read, refused)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
